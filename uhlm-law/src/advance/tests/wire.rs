//! Bytes: what is written is read again, in as few bytes as promised, and nothing else is read as something.

mod budget;
mod example;

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{
    Advance, Begin, Body, Capabilities, DecodeError, Encoding, EndReason, ErrorBody, ErrorCode, Frame, FrameDecoder,
    Grant, Grants, Info, Labelling, Labels, Limits, MAX_DRAFT, MAX_FRAME_BYTES, MAX_FRAME_IDS, MAX_LABELS, Open,
    Opened, PrefixHash, Progress, SessionId, Text, VocabularyOffer,
};
use crate::digest::Digest;
use crate::fingerprint::Blocks;
use crate::grammar::{Grammar, MAX_CHOICES, MAX_GRAMMAR_BYTES};
use crate::sampling::{LogitBias, MAX_PENALTY_LAST_N, SamplingParams, TokenId};

fn any_ids(max: usize) -> impl Strategy<Value = Vec<TokenId>> {
    prop::collection::vec(any::<TokenId>(), 0..=max)
}

fn any_hash() -> impl Strategy<Value = PrefixHash> {
    any::<[u8; 8]>().prop_map(PrefixHash::from_bytes)
}

fn any_grant() -> impl Strategy<Value = Grant> {
    prop_oneof![Just(Grant::Unlimited), (0..=254_u8).prop_map(Grant::Passes)]
}

fn any_labelling() -> impl Strategy<Value = Labelling> {
    any::<(bool, bool)>().prop_map(|(matched, probabilities)| Labelling { matched, probabilities })
}

fn any_sampling() -> impl Strategy<Value = SamplingParams> {
    let first = (0.0..100_f32, any::<u32>(), 0.01..1_f32, 0.0..1_f32);
    let penalties = (0..=MAX_PENALTY_LAST_N, 0.01..100_f32, -100.0..100_f32, -100.0..100_f32);
    let biases = prop::collection::btree_map(any::<u32>(), -100.0..100_f32, 0..4);
    let wider = (prop_oneof![Just(0.0), 0.0..100_f32], biases);
    (first, penalties, wider).prop_map(|((temperature, top_k, top_p, min_p), penalties, (top_n_sigma, biases))| {
        let (last_n, repeat, frequency, presence) = penalties;
        SamplingParams {
            temperature,
            top_k,
            top_p,
            min_p,
            penalty_last_n: last_n,
            penalty_repeat: repeat,
            penalty_frequency: frequency,
            penalty_presence: presence,
            top_n_sigma,
            logit_bias: biases.into_iter().map(|(id, bias)| LogitBias { id, bias }).collect(),
        }
    })
}

fn any_begin() -> impl Strategy<Value = Begin> {
    let stop = prop::collection::vec("[a-zä\\n]{1,8}", 0..4);
    let grammar = prop::option::of(any_grammar().prop_map(Arc::new));
    (any::<u64>(), any_sampling(), 1..u32::MAX, 1..u32::MAX, stop, grammar).prop_map(
        |(seed, sampling, reply_start, max_tokens, stop, grammar)| Begin {
            seed,
            sampling,
            reply_start,
            max_tokens,
            stop,
            grammar,
        },
    )
}

fn any_grammar() -> impl Strategy<Value = Grammar> {
    let text = || "[a-zä\\n\\{\"]{0,300}";
    prop_oneof![
        text().prop_map(Grammar::JsonSchema),
        text().prop_map(Grammar::Regex),
        prop::collection::vec(text(), 1..5).prop_map(Grammar::Choices),
        text().prop_map(Grammar::Lark),
    ]
}

fn any_advance() -> impl Strategy<Value = Advance> {
    let numbers = (any::<u32>(), any::<u32>(), 0..u32::MAX / 2, any_hash(), any::<u32>());
    let ids = (any_ids(40), any_ids(40));
    let asked = (any_grant(), any_grant(), any_labelling(), prop::option::of(any_begin()), any::<Option<u32>>());
    (numbers, ids, asked).prop_map(|((generation, seq, base, check, ahead), (stand, draft), asked)| {
        let (after_mismatch, after_agreement, labels, begin, deadline_ms) = asked;
        let given = base + stand.len() as u32;
        let have = if stand.is_empty() { given - ahead % (given + 1) } else { given };
        let grants = Grants { after_mismatch, after_agreement };
        Advance { generation, seq, have, base, check, stand, draft, grants, labels, begin, deadline_ms }
    })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let each = prop::collection::vec((any::<bool>(), 0.0..=1_f32), 0..40);
    (any::<u32>(), each, any::<bool>()).prop_map(|(pos, each, with_p)| Labels {
        pos,
        matched: each.iter().map(|(matched, _)| *matched).collect(),
        p: each.iter().filter(|_| with_p).map(|(_, p)| *p).collect(),
    })
}

fn any_error() -> impl Strategy<Value = ErrorBody> {
    let codes = prop::sample::select(vec![
        ErrorCode::Malformed,
        ErrorCode::Unauthorized,
        ErrorCode::Desync,
        ErrorCode::Gone,
        ErrorCode::TooLarge,
        ErrorCode::Unsupported,
        ErrorCode::RateLimited,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ]);
    (codes, ".{0,30}", any::<Option<u32>>()).prop_map(|(code, reason, held)| ErrorBody { code, reason, held })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let place = (any::<u32>(), any_hash(), any::<u32>());
    let rest = (any::<[Option<u32>; 3]>(), prop::option::of(any_labels()));
    let text =
        (place, any_ids(140), rest).prop_map(|((pos, hash, passes), ids, ([pass_us, queue_us, rows], labels))| {
            Frame::Text(Text { pos, check: hash.short(), ids, passes, pass_us, queue_us, rows, labels })
        });
    let ends = [EndReason::Superseded, EndReason::Granted, EndReason::Stop, EndReason::Eog, EndReason::Max];
    let ends = prop::sample::select([&ends[..], &[EndReason::Context]].concat());
    let progress = any::<[u32; 3]>().prop_map(|[read, total, ahead]| Frame::Progress(Progress { read, total, ahead }));
    prop_oneof![4 => text, 1 => ends.prop_map(Frame::End), 1 => any_error().prop_map(Frame::Failed), 1 => progress]
}

fn info() -> Info {
    Info {
        protocol: "uhlm-verify/2".to_owned(),
        model: "a target".to_owned(),
        fingerprint: Digest([7; 32]),
        vocabulary: Digest([9; 32]),
        capabilities: Capabilities::RUNS_AHEAD.union(Capabilities::MATCHED),
        limits: Limits { vocabulary_size: 151_665, context: 32_768, max_draft: 64, max_body: 65_536 },
        ends: vec![151_645, 151_643],
        blocks: Blocks::from_bytes(&[1, 2, 3, 4, 250, 251, 252, 253]).expect("two blocks"),
        engine: "llama-server x 2".to_owned(),
        vocabulary_file: Some(VocabularyOffer { sha256: Digest([3; 32]), bytes: 5_900_000 }),
        hands_off: true,
    }
}

fn comes_back<T: Body + PartialEq + std::fmt::Debug>(body: &T) {
    for encoding in [Encoding::Binary, Encoding::Json] {
        assert_eq!(encoding.decode::<T>(&encoding.encode(body)).as_ref(), Ok(body));
    }
}

/// A number and bytes under tags that no version has.
const UNKNOWN_TAIL: [u8; 9] = [0xfe, 0x07, 0x80, 0x01, 0xff, 0x07, 0x02, 0xaa, 0xbb];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_request_comes_back_in_both_encodings(request in any_advance()) {
        comes_back(&request);
    }

    #[test]
    fn a_frame_comes_back_in_both_encodings(frame in any_frame()) {
        comes_back(&frame);
    }

    #[test]
    fn a_refusal_comes_back_in_both_encodings(error in any_error()) {
        comes_back(&error);
    }

    #[test]
    fn fields_of_a_later_version_are_skipped(request in any_advance(), frame in any_frame()) {
        let body = [Encoding::Binary.encode(&request), UNKNOWN_TAIL.to_vec()].concat();
        prop_assert_eq!(Encoding::Binary.decode::<Advance>(&body), Ok(request));
        let body = [Encoding::Binary.encode(&frame), UNKNOWN_TAIL.to_vec()].concat();
        prop_assert_eq!(Encoding::Binary.decode::<Frame>(&body), Ok(frame));
    }

    #[test]
    fn a_body_that_is_cut_or_has_zeros_after_its_end_is_refused(request in any_advance()) {
        let request = Advance { labels: Labelling::NONE, begin: None, deadline_ms: None, ..request };
        let body = Encoding::Binary.encode(&request);
        for cut in 0..body.len() {
            prop_assert_eq!(Encoding::Binary.decode::<Advance>(&body[..cut]), Err(DecodeError::Truncated));
        }
        prop_assert!(Encoding::Binary.decode::<Advance>(&[body, vec![0]].concat()).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Binary, Encoding::Json] {
            // Whatever is read can be written, and is then read as the same.
            if let Ok(request) = encoding.decode::<Advance>(&bytes) {
                comes_back(&request);
            }
            if let Ok(frame) = encoding.decode::<Frame>(&bytes) {
                comes_back(&frame);
            }
            let _ = (encoding.decode::<Opened>(&bytes), encoding.decode::<ErrorBody>(&bytes));
            let mut decoder = FrameDecoder::new(encoding);
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }

    #[test]
    fn a_stream_is_read_however_it_is_cut(
        frames in prop::collection::vec(any_frame(), 0..6),
        cuts in prop::collection::vec(1..50_usize, 1..8),
    ) {
        for encoding in [Encoding::Binary, Encoding::Json] {
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| encoding.encode_frame(frame)).collect();
            let mut decoder = FrameDecoder::new(encoding);
            let (mut read, mut rest) = (Vec::new(), bytes.as_slice());
            for &cut in cuts.iter().cycle() {
                let (front, back) = rest.split_at(cut.min(rest.len()));
                decoder.push(front);
                while let Some(frame) = decoder.next_frame().expect("frames only") {
                    read.push(frame);
                }
                rest = back;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&read, &frames);
            prop_assert!(decoder.is_between_frames());
        }
    }
}

#[test]
fn what_opens_a_session_comes_back_in_both_encodings() {
    let opened = Opened { session: SessionId([0xab; 16]), info: info() };
    comes_back(&opened);
    comes_back(&opened.info);
    comes_back(&Open { vocabulary: Digest([1; 32]), needs: Capabilities::PROBABILITIES });
    let body = [Encoding::Binary.encode(&opened), UNKNOWN_TAIL.to_vec()].concat();
    assert_eq!(Encoding::Binary.decode::<Opened>(&body), Ok(opened.clone()));
    assert_eq!(opened.session.to_string().parse(), Ok(opened.session));
    assert!("x".repeat(32).parse::<SessionId>().is_err());
}

#[test]
fn a_need_that_is_not_known_is_in_no_verifiers_capabilities() {
    let offered = info().capabilities;
    assert!(offered.contains(Capabilities::MATCHED) && !offered.contains(Capabilities::PROBABILITIES));
    let json = format!("{{\"vocabulary\":\"{}\",\"needs\":[\"matched\",\"telepathy\"]}}", Digest([0; 32]));
    let open: Open = Encoding::Json.decode(json.as_bytes()).expect("reads");
    assert!(!offered.contains(open.needs));
    let mut body = vec![0; 32];
    body.push(0x40);
    let open: Open = Encoding::Binary.decode(&body).expect("reads");
    assert!(!offered.contains(open.needs));
}

#[test]
fn frames_of_a_kind_that_is_not_known_are_skipped() {
    let end = Frame::End(EndReason::Granted);
    let mut decoder = FrameDecoder::new(Encoding::Binary);
    decoder.push(&[4, 0x07, 1, 2, 3]);
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(&Encoding::Binary.encode_frame(&end));
    assert_eq!(decoder.next_frame(), Ok(Some(end.clone())));
    let mut decoder = FrameDecoder::new(Encoding::Json);
    decoder.push(b"{\"mood\":{\"percent\":3}}\n{\"end\":\"granted\"}\n");
    assert_eq!(decoder.next_frame(), Ok(Some(end)));
    assert!(decoder.is_between_frames());
}

#[test]
fn absurd_lengths_are_refused_before_anything_is_allocated() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let mut decoder = FrameDecoder::new(Encoding::Binary);
    decoder.push(&huge);
    assert!(matches!(decoder.next_frame(), Err(DecodeError::TooMany { field: "frame", .. })));
    let mut decoder = FrameDecoder::new(Encoding::Json);
    decoder.push(&vec![b' '; MAX_FRAME_BYTES + 1]);
    assert!(matches!(decoder.next_frame(), Err(DecodeError::TooMany { field: "frame", .. })));
    // A text of so many ids.
    let text = [&[63 << 2][..], &huge].concat();
    assert!(matches!(Encoding::Binary.decode::<Frame>(&text), Err(DecodeError::TooMany { field: "ids", .. })));
    let body = vec![0; super::super::MAX_BODY_BYTES + 1];
    assert!(matches!(Encoding::Binary.decode::<Advance>(&body), Err(DecodeError::TooMany { field: "body", .. })));
}

#[test]
fn the_longest_frame_fits_in_both_encodings() {
    let labels = Labels { pos: u32::MAX, matched: vec![false; MAX_LABELS], p: vec![0.123_456_79; MAX_LABELS] };
    let frame = Frame::Text(Text {
        pos: u32::MAX,
        check: PrefixHash::EMPTY.short(),
        ids: vec![u32::MAX; MAX_FRAME_IDS],
        passes: u32::MAX,
        pass_us: Some(u32::MAX),
        queue_us: Some(u32::MAX),
        rows: Some(u32::MAX),
        labels: Some(labels),
    });
    for encoding in [Encoding::Binary, Encoding::Json] {
        let bytes = encoding.encode_frame(&frame);
        assert!(bytes.len() <= MAX_FRAME_BYTES, "{} bytes", bytes.len());
        let mut decoder = FrameDecoder::new(encoding);
        decoder.push(&bytes);
        assert_eq!(decoder.next_frame(), Ok(Some(frame.clone())));
    }
}

#[test]
fn values_out_of_range_are_refused_in_both_encodings() {
    let good = Advance {
        generation: 0,
        seq: 0,
        have: 3,
        base: 2,
        check: PrefixHash::EMPTY,
        stand: vec![1],
        draft: vec![],
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: Some(Begin {
            seed: 1,
            sampling: SamplingParams::default(),
            reply_start: 1,
            max_tokens: 1,
            stop: vec!["x".to_owned()],
            grammar: None,
        }),
        deadline_ms: None,
    };
    comes_back(&good);
    let begin = |change: fn(&mut Begin)| {
        let mut request = good.clone();
        request.begin.iter_mut().for_each(change);
        request
    };
    let wrong = [
        begin(|begin| begin.reply_start = 0),
        begin(|begin| begin.max_tokens = 0),
        begin(|begin| begin.stop.push(String::new())),
        begin(|begin| begin.stop.push("x".repeat(1025))),
        begin(|begin| begin.stop = vec!["x".to_owned(); 65]),
        begin(|begin| begin.sampling.top_p = 2.0),
        begin(|begin| begin.grammar = Some(Arc::new(Grammar::Choices(Vec::new())))),
        begin(|begin| begin.grammar = Some(Arc::new(Grammar::Choices(vec![String::new(); MAX_CHOICES + 1])))),
        begin(|begin| begin.grammar = Some(Arc::new(Grammar::Regex("x".repeat(MAX_GRAMMAR_BYTES + 1))))),
        begin(|begin| begin.sampling.penalty_last_n = 4097),
        Advance { draft: vec![0; MAX_DRAFT + 1], ..good.clone() },
    ];
    for request in &wrong {
        for encoding in [Encoding::Binary, Encoding::Json] {
            assert!(encoding.decode::<Advance>(&encoding.encode(request)).is_err(), "{request:?}");
        }
    }
    // These cannot even be written in the binary encoding.
    for request in [Advance { have: 4, ..good.clone() }, Advance { have: 2, ..good.clone() }] {
        assert!(Encoding::Json.decode::<Advance>(&Encoding::Json.encode(&request)).is_err(), "{request:?}");
    }
}

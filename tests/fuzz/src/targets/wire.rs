//! The bytes of the protocol, as a verifier and as a device read them: what is read can be written, and is then read
//! as the same; how a stream is cut changes nothing.

use std::fmt::Debug;

use uhlm_law::advance::{
    Advance, Begin, Body, Capabilities, Encoding, EndReason, ErrorBody, ErrorCode, Frame, FrameDecoder, Grant, Grants,
    Info, Labelling, Labels, Limits, Open, Opened, PROTOCOL, PrefixHash, Progress, SessionId, Text, VocabularyOffer,
};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::Blocks;
use uhlm_law::grammar::Grammar;
use uhlm_law::sampling::SamplingParams;

use crate::Target;

/// Whole bodies, in both encodings.
pub(crate) const BODIES: Target = Target { name: "wire", run: bodies, seeds: body_seeds, words: WORDS };
/// Streams of frames, in both encodings.
pub(crate) const FRAMES: Target = Target { name: "frames", run: frames, seeds: frame_seeds, words: WORDS };

const WORDS: &[&str] = &[
    "\u{0}",
    "\u{1}",
    "\u{7f}",
    "{\"text\":",
    "{\"end\":\"granted\"}\n",
    "{\"failed\":",
    "\"ids\":[",
    "null",
    "-1",
    "1e400",
    "4294967296",
    "\"unlimited\"",
    "\"passes\":",
    "\"check\":\"424349cb\"",
    "\n",
    "\\u0000",
];
const ENCODINGS: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

fn bodies(data: &[u8]) {
    for encoding in ENCODINGS {
        // Names of abilities that this version does not know are not said again, so these are written as bytes alone.
        comes_back::<Info>(encoding, data, &[Encoding::Binary]);
        comes_back::<Open>(encoding, data, &[Encoding::Binary]);
        comes_back::<Opened>(encoding, data, &[Encoding::Binary]);
        comes_back::<Advance>(encoding, data, &ENCODINGS);
        comes_back::<Frame>(encoding, data, &ENCODINGS);
        comes_back::<ErrorBody>(encoding, data, &ENCODINGS);
    }
}

fn comes_back<T: Body + PartialEq + Debug>(encoding: Encoding, data: &[u8], written_as: &[Encoding]) {
    let Ok(value) = encoding.decode::<T>(data) else { return };
    for written in written_as {
        assert_eq!(written.decode::<T>(&written.encode(&value)).as_ref(), Ok(&value), "{encoding:?} {written:?}");
    }
}

/// Reads a stream in pieces, and returns its frames and whether it ended in an error.
fn read(encoding: Encoding, pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> (Vec<Frame>, bool) {
    let (mut decoder, mut frames) = (FrameDecoder::new(encoding), Vec::new());
    for piece in pieces {
        decoder.push(piece.as_ref());
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn frames(data: &[u8]) {
    let Some((&head, stream)) = data.split_first() else { return };
    let encoding = ENCODINGS[usize::from(head & 1)];
    let whole = read(encoding, std::iter::once(stream));
    let pieces = read(encoding, stream.chunks(1 + usize::from(head >> 1)));
    assert_eq!(whole, pieces);
    let (frames, _) = whole;
    let again: Vec<u8> = frames.iter().flat_map(|frame| encoding.encode_frame(frame)).collect();
    assert_eq!(read(encoding, std::iter::once(&again)), (frames, false));
}

fn begin() -> Begin {
    Begin {
        seed: 5,
        sampling: SamplingParams { temperature: 0.5, ..SamplingParams::default() },
        reply_start: 2,
        max_tokens: 200,
        stop: vec!["\n\n".into(), "</s>".into()],
        grammar: Some(Grammar::Choices(vec!["yes".into(), "no".into()]).into()),
    }
}

fn requests() -> Vec<Advance> {
    let window = Advance {
        generation: 2,
        seq: 7,
        have: 412,
        base: 416,
        check: PrefixHash::of(&[1, 2, 3]),
        stand: vec![],
        draft: vec![278, 1900, 29_889],
        grants: Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Unlimited },
        labels: Labelling::NONE,
        begin: None,
        deadline_ms: None,
    };
    let first = Advance {
        seq: 0,
        have: 2,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: vec![1, 300],
        draft: vec![],
        grants: Grants::NONE,
        labels: Labelling { matched: true, probabilities: true },
        begin: Some(begin()),
        deadline_ms: Some(500),
        ..window.clone()
    };
    vec![window, first]
}

fn stream() -> Vec<Frame> {
    let check = PrefixHash::of(&[1, 2]).short();
    let labels = Labels { pos: 2, matched: vec![true, false, true], p: vec![0.25, 0.5, 1.0] };
    let text = Text {
        pos: 2,
        check,
        ids: vec![3, 300, 70_000],
        passes: 1,
        pass_us: Some(21_000),
        queue_us: Some(40),
        rows: Some(4),
        labels: Some(labels),
    };
    let plain =
        Text { ids: (0..70).collect(), pass_us: None, queue_us: None, rows: None, labels: None, ..text.clone() };
    let error = ErrorBody { code: ErrorCode::Desync, reason: "held".into(), held: Some(7) };
    vec![
        Frame::Progress(Progress { read: 10, total: 300, ahead: 2 }),
        Frame::Text(text),
        Frame::Text(plain),
        Frame::Failed(error),
        Frame::End(EndReason::Granted),
    ]
}

fn info() -> Info {
    Info {
        protocol: PROTOCOL.into(),
        model: "a target".into(),
        fingerprint: Digest([7; 32]),
        vocabulary: Digest([9; 32]),
        capabilities: Capabilities::RUNS_AHEAD.union(Capabilities::MATCHED),
        limits: Limits { vocabulary_size: 151_665, context: 32_768, max_draft: 64, max_body: 65_536 },
        ends: vec![151_645, 151_643],
        blocks: Blocks::from_bytes(&[1, 2, 3, 4, 250, 251, 252, 253]).unwrap_or_default(),
        engine: "llama-server x 2".into(),
        vocabulary_file: Some(VocabularyOffer { sha256: Digest([3; 32]), bytes: 5_900_000 }),
        hands_off: true,
    }
}

fn body_seeds() -> Vec<Vec<u8>> {
    let (info, needs) = (info(), Capabilities::MATCHED);
    let opened = Opened { session: SessionId([8; 16]), info: info.to_open() };
    let error = ErrorBody { code: ErrorCode::Unavailable, reason: "later".into(), held: None };
    ENCODINGS
        .iter()
        .flat_map(|encoding| {
            let mut seeds = vec![
                encoding.encode(&info),
                encoding.encode(&opened),
                encoding.encode(&Open { vocabulary: info.vocabulary, needs }),
                encoding.encode(&error),
            ];
            seeds.extend(requests().iter().map(|request| encoding.encode(request)));
            seeds.extend(stream().iter().map(|frame| encoding.encode(frame)));
            seeds
        })
        .collect()
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let of = |encoding: Encoding, head: u8| {
        let bytes = stream().iter().flat_map(|frame| encoding.encode_frame(frame)).collect::<Vec<u8>>();
        [vec![head], bytes].concat()
    };
    // A frame of a kind that a later version may have is skipped.
    let later = [vec![6], vec![3, 3 | 1 << 2, 9, 9], Encoding::Binary.encode_frame(&stream()[4])].concat();
    vec![of(Encoding::Binary, 0), of(Encoding::Binary, 6), of(Encoding::Json, 1), of(Encoding::Json, 31), later]
}

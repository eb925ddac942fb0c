//! Answers that break the protocol never get through.

use std::sync::mpsc::channel;
use std::time::Duration;

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{VerifierError, VerifierExt as _};
use uhlm_law::advance::{
    Begin, Bounds, Capabilities, Conversation, Encoding, Frame, Grants, Info, InvalidAnswer, Labelling, Labels, Limits,
    Opened, Peer, Text, Wanted,
};
use uhlm_law::digest::Digest;
use uhlm_law::sampling::SamplingParams;

use crate::support::script::{Act, Answer};
use crate::support::server::FaultServer;
use crate::support::{
    BINARY, LONG, SESSION, VOCABULARY, advance, all, end, get_info, info, open, opened, start, text, verdict,
};

/// Serves one act and returns why the answer was refused.
fn refused(act: impl Into<Act>) -> String {
    let act = act.into();
    let server = FaultServer::new(move |_, _| act.clone());
    let Err(VerifierError::InvalidAnswer { reason }) = advance(&server.client(), LONG) else {
        panic!("the answer got through or something else went wrong")
    };
    assert_eq!(server.seen().len(), 1, "nonsense is not asked for again");
    reason
}

fn bytes(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(200, BINARY.media_type(), body)
}

fn json(body: impl Into<Vec<u8>>) -> Act {
    Answer::new(200, Encoding::Json.media_type(), body).into()
}

#[test]
fn frames_that_cannot_be_read_are_invalid() {
    let whole = BINARY.encode_frame(&text(3, &[4, 5]));
    let longer = [vec![whole[0] + 1], whole[1..].to_vec(), vec![0]].concat();
    let shorter = [vec![whole[0] - 1], whole[1..].to_vec()].concat();
    let nonsense = [
        ("no frame at all", vec![]),
        ("a cut frame", whole[..whole.len() - 1].to_vec()),
        ("a length that is too long", longer),
        ("a length that is too short", shorter),
        ("an empty frame", vec![0]),
        ("an end for no reason", vec![1, 1 | 63 << 2]),
        ("more ids than the frame has", vec![3, 60 << 2, 3, 0]),
        ("text, and no end", whole),
    ];
    for (name, body) in nonsense {
        assert!(!refused(bytes(body)).is_empty(), "{name}");
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_length_alone() {
    // 65,537 as a length; nothing of the frame follows.
    let pieces = vec![(Duration::ZERO, vec![0x81, 0x80, 0x04])];
    let reason = refused(Act::Stream(BINARY.media_type(), pieces, true));
    assert!(reason.contains("at most 65536"), "{reason}");
    let pieces = vec![(Duration::ZERO, vec![0x80; 3])];
    refused(Act::Stream(BINARY.media_type(), pieces, true));
}

#[test]
fn an_endless_stream_is_given_up() {
    let server = FaultServer::new(|_, _| Act::Endless(Encoding::Json.media_type()));
    let client = HttpVerifier::new(HttpConfig { encoding: Encoding::Json, ..server.config() }).expect("a client");
    let Err(VerifierError::InvalidAnswer { reason }) = advance(&client, LONG) else { panic!("it got through") };
    assert!(reason.contains("at most 65536"), "{reason}");
    assert_eq!(server.abandoned(), "endless");
}

#[test]
fn lines_that_are_no_frames_are_invalid_and_not_quoted() {
    for (name, line) in [
        ("no object", "7\n"),
        ("no JSON", "{\"text\"\n"),
        ("an empty line", "\n"),
        ("an unknown end", "{\"end\":\"secret\"}\n"),
        ("text without its fields", "{\"text\":{\"pos\":\"secret\"}}\n"),
    ] {
        let act = json(line);
        let server = FaultServer::new(move |_, _| act.clone());
        let client = HttpVerifier::new(HttpConfig { encoding: Encoding::Json, ..server.config() }).expect("a client");
        let Err(VerifierError::InvalidAnswer { reason }) = advance(&client, LONG) else { panic!("{name}") };
        assert!(!reason.contains("secret"), "{reason}");
    }
}

#[test]
fn what_comes_before_nonsense_stands_and_what_comes_after_it_is_not_read() {
    let body = [BINARY.encode_frame(&text(3, &[4])), vec![0], BINARY.encode_frame(&end())].concat();
    let server = FaultServer::new(move |_, _| bytes(body.clone()).into());
    let (call, frames) = start(&server.client(), LONG);
    call.detach();
    let heard: Vec<_> = all(&frames).into_iter().map(|frame| frame.map(|answer| answer.value)).collect();
    assert_eq!(heard[0], Ok(text(3, &[4])));
    assert!(matches!(heard[1..], [Err(VerifierError::InvalidAnswer { .. })]), "{heard:?}");
}

#[test]
fn nothing_after_the_end_gets_through() {
    let frames = [text(3, &[4]), end(), text(4, &[9]), end()];
    let server = FaultServer::new(move |_, _| Answer::frames(BINARY, &frames).into());
    let heard = advance(&server.client(), LONG).expect("an answer");
    assert_eq!(heard.into_iter().map(|answer| answer.value).collect::<Vec<_>>(), [text(3, &[4]), end()]);
}

#[test]
fn another_content_type_is_invalid() {
    let body = Answer::frames(BINARY, &verdict()).body;
    for content_type in ["text/html", "application/json", "application/octet-stream", "application/vnd.uhlm.verify.v1"]
    {
        assert!(refused(Answer::new(200, content_type, body.clone())).contains("content type"));
    }
}

#[test]
fn bodies_that_are_cut_or_padded_are_invalid() {
    let body = BINARY.encode(&info());
    for wrong in [body[..body.len() - 1].to_vec(), vec![], [body, vec![0]].concat()] {
        let server = FaultServer::new(move |_, _| bytes(wrong.clone()).into());
        assert!(matches!(get_info(&server.client(), LONG), Err(VerifierError::InvalidAnswer { .. })));
        assert_eq!(server.seen().len(), 1, "nonsense is not asked for again");
    }
}

#[test]
fn an_endless_body_is_given_up_at_the_limit() {
    let server = FaultServer::new(|_, _| Act::Endless(BINARY.media_type()));
    let Err(VerifierError::InvalidAnswer { reason }) = get_info(&server.client(), LONG) else {
        panic!("an endless body got through")
    };
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
    assert_eq!(server.abandoned(), "endless");
}

#[test]
fn an_endless_refusal_is_still_that_refusal() {
    for content_type in ["text/html", BINARY.media_type()] {
        let server = FaultServer::new(move |_, _| Answer::new(410, content_type, vec![b'.'; 2 << 20]).into());
        assert_eq!(advance(&server.client(), LONG).map(drop), Err(VerifierError::SessionGone));
    }
}

#[test]
fn a_session_needs_what_was_asked_for() {
    let with = |response: Opened| {
        let server = FaultServer::new(move |_, _| Answer::ok(BINARY, &response).into());
        open(&server.client()).map(|answer| answer.value.session)
    };
    assert_eq!(with(opened()), Ok(SESSION));
    let other = |info: Info| Opened { info, ..opened() };
    let limits = info().limits;
    for nonsense in [
        other(Info { vocabulary: Digest([9; 32]), ..info() }),
        other(Info { capabilities: Capabilities::RUNS_AHEAD, ..info() }),
        other(Info { limits: Limits { vocabulary_size: 0, ..limits }, ..info() }),
        other(Info { limits: Limits { context: 0, ..limits }, ..info() }),
        other(Info { protocol: "uhlm-verify/3".into(), ..info() }),
    ] {
        assert!(matches!(with(nonsense), Err(VerifierError::InvalidAnswer { .. })));
    }
}

#[test]
fn a_name_that_cannot_be_a_sessions_never_gets_into_a_path() {
    let proper = String::from_utf8(Encoding::Json.encode(&opened())).expect("JSON");
    for name in ["", "../../../../../../../etc/passwd..", &"é".repeat(16)] {
        let body = proper.replace(&SESSION.to_string(), name);
        assert_ne!(body, proper);
        let server = FaultServer::new(move |_, _| json(body.clone()));
        let client = HttpVerifier::new(HttpConfig { encoding: Encoding::Json, ..server.config() }).expect("a client");
        assert!(matches!(open(&client), Err(VerifierError::InvalidAnswer { .. })), "{name}");
    }
}

/// Lets the law hear one frame, as if it came over the wire in answer to a window.
fn heard(frame: Frame) -> Result<(), InvalidAnswer> {
    let begin = Begin {
        seed: 1,
        sampling: SamplingParams::default(),
        reply_start: 3,
        max_tokens: 8,
        stop: vec![],
        grammar: None,
    };
    let bounds = Bounds { vocabulary_size: VOCABULARY, context: 4096, max_body: 1 << 20 };
    let (mut conversation, mut peer) = (Conversation::new(bounds, begin, &[1, 2, 3]), Peer::new());
    [4, 5, 6].iter().for_each(|&id| conversation.draft(id));
    let wanted = Wanted { upto: 6, grants: Grants::NONE, labels: Labelling::NONE };
    let (request, mut asked) = conversation.advance(&mut peer, &wanted);
    let body = [BINARY.encode_frame(&frame), BINARY.encode_frame(&end())].concat();
    let (expected, body_of) = (request.clone(), body);
    let server = FaultServer::new(move |seen, _| {
        assert_eq!(BINARY.decode(&seen.body), Ok(expected.clone()));
        bytes(body_of.clone()).into()
    });
    let (sender, frames) = channel();
    let client = server.client();
    client.advance(SESSION, request, LONG, move |frame| drop(sender.send(frame))).detach();
    let first = frames.recv_timeout(LONG).expect("a frame").expect("one that can be read").value;
    conversation.hear(&mut peer, &mut asked, &first).map(drop)
}

#[test]
fn frames_that_do_not_answer_what_was_asked_are_refused_by_the_law() {
    assert_eq!(heard(text(3, &[4, 5, 6, 7])), Ok(()));
    assert_eq!(heard(text(3, &[4, VOCABULARY])), Err(InvalidAnswer::UnknownToken { id: VOCABULARY }));
    assert_eq!(heard(text(2, &[3, 4])), Err(InvalidAnswer::BeforeReply { pos: 2 }));
    assert_eq!(heard(text(3, &[4; 9])), Err(InvalidAnswer::TooLong { end: 12, limit: 11 }));
    assert_eq!(heard(text(3, &[])), Err(InvalidAnswer::Empty));
    let Frame::Text(labelled) = text(3, &[4]) else { panic!("no text") };
    let labels = Some(Labels { pos: 3, matched: vec![true], p: vec![] });
    assert_eq!(heard(Frame::Text(Text { labels, ..labelled })), Err(InvalidAnswer::LabelsNotAsked));
}

#[test]
fn values_out_of_range_are_invalid() {
    let Frame::Text(labelled) = text(3, &[4]) else { panic!("no text") };
    for p in [f32::NAN, -0.1, 1.5] {
        let labels = Some(Labels { pos: 3, matched: vec![true], p: vec![p] });
        let frame = Frame::Text(Text { labels, ..labelled.clone() });
        assert!(refused(Answer::frames(BINARY, &[frame, end()])).contains("labels"), "{p}");
    }
}

#[test]
fn headers_that_are_too_large_are_given_up() {
    let answer = Answer::ok(BINARY, &info()).with("x-padding", "x".repeat(200_000));
    let server = FaultServer::new(move |_, _| Act::Answer(answer.clone()));
    let refused = get_info(&server.client(), LONG).map(drop);
    assert!(matches!(refused, Err(VerifierError::Unreachable { .. })), "{refused:?}");
}

//! The answer to an `advance` as it comes: frame by frame, in pieces, late, or never to its end.

use std::time::{Duration, Instant};

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{VerifierError, VerifierExt as _};
use uhlm_law::advance::{Encoding, EndReason, ErrorBody, ErrorCode, Frame, Progress};

use crate::support::script::{Act, Answer};
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, SESSION, SHORT, advance, all, end, start, text, window};

type Heard = Vec<Result<Frame, VerifierError>>;

fn frames_of(client: &HttpVerifier, silence: Duration) -> Heard {
    let (call, frames) = start(client, silence);
    call.detach();
    all(&frames).into_iter().map(|frame| frame.map(|answer| answer.value)).collect()
}

/// Serves pieces, each after a pause; `open` leaves the stream open after the last.
fn streaming(pieces: Vec<(Duration, Vec<u8>)>, open: bool) -> FaultServer {
    FaultServer::new(move |_, _| Act::Stream(BINARY.media_type(), pieces.clone(), open))
}

fn binary(frame: &Frame) -> Vec<u8> {
    BINARY.encode_frame(frame)
}

/// Serves frames in one piece, and returns what the client made of them.
fn read(frames: &[Frame]) -> Heard {
    let body = frames.iter().flat_map(binary).collect();
    frames_of(&streaming(vec![(Duration::ZERO, body)], false).client(), LONG)
}

fn is_invalid(part: Option<&Result<Frame, VerifierError>>) -> bool {
    matches!(part, Some(Err(VerifierError::InvalidAnswer { .. })))
}

#[test]
fn frames_arrive_one_by_one_in_both_encodings_and_however_they_are_cut() {
    for encoding in [Encoding::Binary, Encoding::Json] {
        let frames = [text(3, &[4, 5]), text(5, &[999]), end()];
        let body = Answer::frames(encoding, &frames).body;
        let total = body.len() as u64;
        for size in [1, 3, body.len()] {
            let pieces: Vec<_> = body.chunks(size).map(|piece| (Duration::from_millis(1), piece.to_vec())).collect();
            let server = FaultServer::new(move |seen, _| {
                assert_eq!(seen.path, format!("/v2/sessions/{SESSION}/advance"));
                assert_eq!(encoding.decode(&seen.body), Ok(window(1)));
                Act::Stream(encoding.media_type(), pieces.clone(), false)
            });
            let client = HttpVerifier::new(HttpConfig { encoding, ..server.config() }).expect("a client");
            let answers = advance(&client, LONG).expect("an answer");
            assert_eq!(answers.iter().map(|answer| answer.value.clone()).collect::<Vec<_>>(), frames);
            let up: Vec<_> = answers.iter().map(|answer| answer.bytes.up).collect();
            let down: u64 = answers.iter().map(|answer| answer.bytes.down).sum();
            assert_eq!(up, [encoding.encode(&window(1)).len() as u64, 0, 0], "only the first frame carries it");
            assert_eq!(down, total);
            assert!(answers.is_sorted_by_key(|answer| answer.elapsed) && answers[2].elapsed < LONG);
        }
    }
}

#[test]
fn a_frame_is_handed_on_before_the_next_one_comes() {
    let server = streaming(vec![(Duration::ZERO, binary(&text(3, &[4])))], true);
    let (_call, frames) = start(&server.client(), LONG);
    assert_eq!(frames.recv_timeout(LONG).expect("a frame").map(|answer| answer.value), Ok(text(3, &[4])));
}

#[test]
fn every_reason_to_end_gets_through_and_ends_it() {
    for reason in [EndReason::Superseded, EndReason::Stop, EndReason::Eog, EndReason::Max, EndReason::Context] {
        assert_eq!(read(&[Frame::End(reason)]), [Ok(Frame::End(reason))]);
    }
}

#[test]
fn an_end_is_not_kept_waiting_by_a_stream_that_stays_open() {
    let server = streaming(vec![(Duration::ZERO, binary(&end()))], true);
    let asked = Instant::now();
    assert_eq!(frames_of(&server.client(), LONG), [Ok(end())]);
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(server.abandoned(), "stream", "it is reset in the end");
}

#[test]
fn silence_before_the_first_frame_ends_it() {
    let server = streaming(vec![], true);
    assert_eq!(frames_of(&server.client(), SHORT), [Err(VerifierError::DeadlineExceeded { deadline: SHORT })]);
    assert_eq!(server.abandoned(), "stream");
    assert_eq!(server.seen().len(), 1, "a missed deadline leaves no time to ask again");
}

#[test]
fn silence_between_frames_ends_it_and_resets_the_stream() {
    let server = streaming(vec![(Duration::ZERO, binary(&text(3, &[4])))], true);
    let silent = Err(VerifierError::DeadlineExceeded { deadline: SHORT });
    assert_eq!(frames_of(&server.client(), SHORT), [Ok(text(3, &[4])), silent]);
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn a_long_stream_of_short_silences_is_not_cut() {
    let mut pieces: Vec<_> = (0..8).map(|i| (SHORT / 3, binary(&text(3 + i, &[4 + i])))).collect();
    pieces.push((Duration::ZERO, binary(&end())));
    let heard = frames_of(&streaming(pieces, false).client(), SHORT * 2);
    assert_eq!((heard.len(), heard.last()), (9, Some(&Ok(end()))));
}

#[test]
fn progress_is_handed_on_and_keeps_a_stream_for_as_long_as_it_comes() {
    let progress = |read| Frame::Progress(Progress { read, total: 3000, ahead: 0 });
    let mut pieces: Vec<_> = (0..8).map(|i| (SHORT / 3, binary(&progress(i * 400)))).collect();
    pieces.push((Duration::ZERO, [binary(&text(3, &[4])), binary(&end())].concat()));
    let heard = frames_of(&streaming(pieces, false).client(), SHORT * 2);
    let expected: Vec<_> = (0..8).map(|i| progress(i * 400)).chain([text(3, &[4]), end()]).map(Ok).collect();
    assert_eq!(heard, expected);
}

#[test]
fn a_frame_that_drips_in_is_cut_like_silence() {
    let slow: Vec<_> = binary(&text(3, &[4, 5, 6, 7])).iter().map(|byte| (SHORT / 4, vec![*byte])).collect();
    let server = streaming(slow, true);
    assert_eq!(frames_of(&server.client(), SHORT), [Err(VerifierError::DeadlineExceeded { deadline: SHORT })]);
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn frames_of_a_later_version_are_skipped_and_do_not_count_as_news() {
    let later = vec![3, 7, 1, 2];
    let body = [later.clone(), binary(&text(3, &[4])), later.clone(), binary(&end())].concat();
    let server = streaming(vec![(Duration::ZERO, body)], false);
    assert_eq!(frames_of(&server.client(), LONG), [Ok(text(3, &[4])), Ok(end())]);
    let endless = (0..100).map(|_| (SHORT / 10, later.clone())).collect();
    let server = streaming(endless, true);
    assert_eq!(frames_of(&server.client(), SHORT), [Err(VerifierError::DeadlineExceeded { deadline: SHORT })]);
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn a_dropped_call_ends_the_stream_at_the_server() {
    let server = streaming(vec![(Duration::ZERO, binary(&text(3, &[4])))], true);
    let client = server.client();
    let (call, frames) = start(&client, LONG);
    frames.recv_timeout(LONG).expect("a frame").expect("text");
    drop(call);
    assert_eq!(server.abandoned(), "stream");
    assert!(frames.recv_timeout(LONG).is_err(), "a frame came after the end");
}

#[test]
fn a_call_that_its_own_reply_drops_is_over() {
    let server = streaming((0..50).map(|i| (Duration::from_millis(5), binary(&text(3 + i, &[4 + i])))).collect(), true);
    let client = server.client();
    let (calls, held) = std::sync::mpsc::channel();
    let (sender, frames) = std::sync::mpsc::channel();
    let reply = move |frame| {
        drop(held.try_recv());
        drop(sender.send(frame));
    };
    calls.send(client.advance(SESSION, window(1), LONG, reply)).expect("held");
    assert_eq!(server.abandoned(), "stream");
    assert!(all(&frames).len() < 50);
}

#[test]
fn a_failure_half_way_keeps_what_came_before_it() {
    let body = |code| ErrorBody { code, reason: "scripted".into(), held: None };
    let failed = |code| read(&[text(3, &[4]), Frame::Failed(body(code)), text(4, &[5])]);
    let internal = Err(VerifierError::Refused(body(ErrorCode::Internal)));
    assert_eq!(failed(ErrorCode::Internal), [Ok(text(3, &[4])), internal]);
    assert_eq!(failed(ErrorCode::Gone)[1], Err(VerifierError::SessionGone));
    assert_eq!(failed(ErrorCode::Unavailable)[1], Err(VerifierError::Busy { retry_after: None }));
    let long = Frame::Failed(ErrorBody { reason: "r".repeat(5000), ..body(ErrorCode::Internal) });
    assert!(matches!(&read(&[long])[..], [Err(VerifierError::Refused(body))] if body.reason.len() == 512));
}

#[test]
fn a_failure_in_the_first_frame_is_not_asked_again() {
    let failed = Frame::Failed(ErrorBody { code: ErrorCode::Unavailable, reason: String::new(), held: None });
    let server = streaming(vec![(Duration::ZERO, binary(&failed))], false);
    assert_eq!(frames_of(&server.client(), LONG), [Err(VerifierError::Busy { retry_after: None })]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_stream_without_its_last_frame_is_invalid() {
    assert!(is_invalid(read(&[text(3, &[4])]).get(1)));
    assert!(is_invalid(read(&[]).first()));
    let mut cut = binary(&text(3, &[4]));
    cut.pop();
    assert!(is_invalid(frames_of(&streaming(vec![(Duration::ZERO, cut)], false).client(), LONG).first()));
}

#[test]
fn a_stream_that_breaks_after_its_first_frame_is_not_begun_again() {
    let body = [binary(&text(3, &[4])), vec![b'.'; 64]].concat();
    let cut_after_a_frame = Answer::new(200, BINARY.media_type(), [body, vec![0; 64]].concat());
    let server = FaultServer::new(move |_, _| Act::CutConnection(cut_after_a_frame.clone()));
    let heard = frames_of(&server.client(), LONG);
    assert_eq!(heard[0], Ok(text(3, &[4])));
    assert_eq!((heard.len(), server.seen().len()), (2, 1), "{heard:?}");
}

#[test]
fn a_stream_that_breaks_before_its_first_frame_is_begun_again_once() {
    let frames = [text(3, &[4, 5, 6, 7]), end()];
    let half = Answer::frames(BINARY, &frames[..1]);
    let whole = Answer::frames(BINARY, &frames);
    let server = FaultServer::new(move |_, before| match before {
        0 => Act::CutConnection(half.clone()),
        _ => whole.clone().into(),
    });
    let answers = advance(&server.client(), LONG).expect("the second attempt");
    let seen = server.seen();
    assert_eq!((seen.len(), answers[0].attempts), (2, 2));
    assert_eq!(seen[0].body, seen[1].body, "the same request");
    assert_eq!(answers[0].bytes.up, 2 * seen[0].body.len() as u64, "repeated bodies count");
}

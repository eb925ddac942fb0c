//! The target writing alone: a stream of parts.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Answer, Call, Continued, Verifier as _, VerifierError};
use uhlm_law::protocol::{ContinueFrame, ContinueRequest, Encoding, ErrorBody, ErrorCode, PrefixHash, Timing};

use crate::support::server::{Act, FaultServer};
use crate::support::{LONG, SESSION, SHORT};

type Parts = Receiver<Result<Answer<Continued>, VerifierError>>;

const TIMING: Timing = Timing { queue_us: 1, decode_us: 2 };

fn request() -> ContinueRequest {
    ContinueRequest { seq: 3, base: 1, base_check: PrefixHash::of(&[1]), append: vec![2], max_tokens: 8 }
}

fn start(client: &HttpVerifier, silence: Duration) -> (Call, Parts) {
    let (sender, parts) = channel();
    let call = client.continuation(SESSION, request(), silence, Box::new(move |part| drop(sender.send(part))));
    (call, parts)
}

/// Every part until the reply is dropped.
fn all(parts: &Parts) -> Vec<Result<Continued, VerifierError>> {
    let mut all = Vec::new();
    while let Ok(part) = parts.recv_timeout(LONG) {
        all.push(part.map(|answer| answer.value));
    }
    all
}

fn frame(encoding: Encoding, frame: &ContinueFrame) -> Vec<u8> {
    let body = encoding.encode(frame);
    match encoding {
        Encoding::Binary => [(body.len() as u16).to_be_bytes().to_vec(), body].concat(),
        Encoding::Json => [body, b"\n".to_vec()].concat(),
    }
}

fn tokens(ids: &[u32]) -> ContinueFrame {
    ContinueFrame::Tokens { ids: ids.to_vec() }
}

fn end() -> ContinueFrame {
    ContinueFrame::End { timing: TIMING }
}

/// Serves frames in one piece, and returns what the client made of them.
fn read(frames: &[ContinueFrame]) -> Vec<Result<Continued, VerifierError>> {
    let bytes: Vec<u8> = frames.iter().flat_map(|f| frame(Encoding::Binary, f)).collect();
    read_bytes(bytes)
}

fn read_bytes(bytes: Vec<u8>) -> Vec<Result<Continued, VerifierError>> {
    let pieces = vec![(Duration::ZERO, bytes)];
    let server = FaultServer::new(move |_, _| Act::Stream(Encoding::Binary.media_type(), pieces.clone(), false));
    let (call, parts) = start(&server.client(), LONG);
    call.detach();
    all(&parts)
}

fn is_invalid(part: Option<&Result<Continued, VerifierError>>) -> bool {
    matches!(part, Some(Err(VerifierError::InvalidAnswer { .. })))
}

#[test]
fn parts_arrive_one_by_one_in_both_encodings_and_however_they_are_cut() {
    for encoding in [Encoding::Binary, Encoding::Json] {
        let bytes: Vec<u8> = [tokens(&[3, 4]), tokens(&[999]), end()].iter().flat_map(|f| frame(encoding, f)).collect();
        let total = bytes.len() as u64;
        let pieces: Vec<_> = bytes.chunks(3).map(|piece| (Duration::from_millis(1), piece.to_vec())).collect();
        let server = FaultServer::new(move |seen, _| {
            assert!(seen.path.ends_with("/continue"));
            assert_eq!(encoding.decode(&seen.body), Ok(request()));
            Act::Stream(encoding.media_type(), pieces.clone(), false)
        });
        let client = HttpVerifier::new(HttpConfig { encoding, ..server.config() }).expect("a client");
        let (call, parts) = start(&client, LONG);
        call.detach();
        let answers: Vec<_> = parts.iter().map(|part| part.expect("a part")).collect();
        let values: Vec<_> = answers.iter().map(|answer| answer.value.clone()).collect();
        assert_eq!(values, [Continued::Tokens(vec![3, 4]), Continued::Tokens(vec![999]), Continued::End(TIMING)]);
        let up: u64 = answers.iter().map(|answer| answer.bytes.up).sum();
        let down: u64 = answers.iter().map(|answer| answer.bytes.down).sum();
        assert_eq!((up, down), (encoding.encode(&request()).len() as u64, total));
    }
}

#[test]
fn silence_between_parts_ends_it_and_resets_the_stream() {
    let pieces = vec![(Duration::ZERO, frame(Encoding::Binary, &tokens(&[3])))];
    let server = FaultServer::new(move |_, _| Act::Stream(Encoding::Binary.media_type(), pieces.clone(), true));
    let (call, parts) = start(&server.client(), SHORT);
    call.detach();
    assert_eq!(all(&parts), [Ok(Continued::Tokens(vec![3])), Err(VerifierError::DeadlineExceeded { deadline: SHORT })]);
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn a_long_stream_of_short_silences_is_not_cut() {
    let mut pieces: Vec<_> = (0..8).map(|id| (SHORT / 3, frame(Encoding::Binary, &tokens(&[id])))).collect();
    pieces.push((Duration::ZERO, frame(Encoding::Binary, &end())));
    let server = FaultServer::new(move |_, _| Act::Stream(Encoding::Binary.media_type(), pieces.clone(), false));
    let (call, parts) = start(&server.client(), SHORT * 2);
    call.detach();
    assert_eq!(all(&parts).last(), Some(&Ok(Continued::End(TIMING))));
}

#[test]
fn a_dropped_call_ends_the_stream_at_the_server() {
    let pieces = vec![(Duration::ZERO, frame(Encoding::Binary, &tokens(&[3])))];
    let server = FaultServer::new(move |_, _| Act::Stream(Encoding::Binary.media_type(), pieces.clone(), true));
    let client = server.client();
    let (call, parts) = start(&client, LONG);
    parts.recv_timeout(LONG).expect("a part").expect("tokens");
    drop(call);
    assert_eq!(server.abandoned(), "stream");
    assert!(parts.recv_timeout(LONG).is_err(), "a part came after the end");
}

#[test]
fn a_failure_half_way_keeps_what_came_before_it() {
    let body = |code| ErrorBody { code, reason: "scripted".into(), held: None };
    let failed = |code| read(&[tokens(&[3]), ContinueFrame::Failed { error: body(code) }]);
    assert_eq!(
        failed(ErrorCode::Internal),
        [Ok(Continued::Tokens(vec![3])), Err(VerifierError::Refused(body(ErrorCode::Internal)))]
    );
    assert_eq!(failed(ErrorCode::Gone)[1], Err(VerifierError::SessionGone));
}

#[test]
fn a_stream_without_its_last_frame_is_invalid() {
    assert!(is_invalid(read(&[tokens(&[3])]).get(1)));
    assert!(is_invalid(read(&[]).first()));
    let mut cut = frame(Encoding::Binary, &tokens(&[3]));
    cut.pop();
    assert!(is_invalid(read_bytes(cut).first()));
}

#[test]
fn tokens_outside_the_vocabulary_or_beyond_the_limit_are_invalid() {
    assert!(is_invalid(read(&[tokens(&[1000]), end()]).first()));
    assert!(is_invalid(read(&[tokens(&[1; 8]), tokens(&[1]), end()]).get(1)));
    assert!(is_invalid(read_bytes(vec![0, 3, 9, 9, 9]).first()));
}

#[test]
fn empty_frames_are_skipped_but_not_for_ever() {
    assert_eq!(read(&[tokens(&[]), tokens(&[3]), end()])[0], Ok(Continued::Tokens(vec![3])));
    assert!(is_invalid(read(&vec![tokens(&[]); 1025]).first()));
}

#[test]
fn a_broken_continuation_is_not_begun_again() {
    let whole = frame(Encoding::Binary, &tokens(&[3, 4, 5, 6]));
    let server = FaultServer::new(move |_, _| {
        Act::CutConnection(crate::support::server::Answer::new(200, Encoding::Binary.media_type(), whole.clone()))
    });
    let (call, parts) = start(&server.client(), LONG);
    call.detach();
    let parts = all(&parts);
    assert!(matches!(parts[..], [Err(VerifierError::Unreachable { .. })]), "{parts:?}");
    assert_eq!(server.seen().len(), 1);
}

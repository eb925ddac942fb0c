//! Answers: who listens, what is repeated, reset or late.

use super::*;

#[test]
fn the_same_request_twice_brings_the_same_tokens() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let session = open(&verifier);
    let request = first(8, &reply(8)[..4], Grants::NONE);
    let once = ask(&verifier, session, request.clone());
    let passes = decoded.load(Ordering::Acquire);
    assert_eq!(ask(&verifier, session, request), once);
    assert_eq!((once.0, decoded.load(Ordering::Acquire)), (reply(8)[..5].to_vec(), passes), "nothing is decoded again");
}

#[test]
fn of_two_that_ask_the_same_at_once_the_later_one_is_answered() {
    let (verifier, _) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (_hedged, hedged) = start(&verifier, session, first(400, &[], Grants::UNLIMITED), LONG);
    hedged.recv_timeout(LONG).expect("a frame").expect("text");
    let (text, reason) = ask(&verifier, session, first(400, &[], Grants::UNLIMITED));
    assert_eq!((text, reason), (reply(400), EndReason::Max));
    assert_eq!(all(&hedged).pop(), Some(Ok(Frame::End(EndReason::Superseded))));
}

#[test]
fn a_replica_that_is_asked_the_same_says_the_same() {
    let replicas = [local(Duration::ZERO), local(Duration::ZERO)];
    let [one, other] = replicas.each_ref().map(|verifier| {
        let session = open(verifier);
        (session, ask(verifier, session, first(30, &[], Grants::UNLIMITED)))
    });
    assert_eq!(one.1, other.1);
    let error = refusal_of(&replicas[0], other.0, then(1, &[], &[1], Grants::NONE));
    assert_eq!(error, VerifierError::SessionGone, "a session's name is known to its own verifier only");
}

#[test]
fn a_later_request_takes_over_and_an_earlier_one_only_parks() {
    let (verifier, _) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (_call, running) = start(&verifier, session, first(400, &[], Grants::UNLIMITED), LONG);
    running.recv_timeout(LONG).expect("a frame").expect("text");
    let (text, reason) = ask(&verifier, session, then(2, &[], &[], Grants::NONE));
    assert_eq!(reason, EndReason::Granted, "the grants of the first are gone");
    assert_eq!(all(&running).pop(), Some(Ok(Frame::End(EndReason::Superseded))));
    assert_eq!(text, reply(400)[..text.len()]);
    assert!(!text.is_empty() && text.len() < 400);
    let earlier = then(1, &text, &reply(400)[text.len()..text.len() + 2], Grants::UNLIMITED);
    assert_eq!(ask(&verifier, session, earlier), (vec![], EndReason::Superseded));
    // What it drafted is judged although nobody listened: the next request hears of it at once.
    let (more, _) = ask(&verifier, session, then(3, &text, &[], Grants::NONE));
    assert_eq!(more, reply(400)[text.len()..text.len() + 3]);
}

#[test]
fn a_dropped_call_takes_its_grants_back_and_leaves_the_text() {
    let (verifier, decoded) = counting(Duration::from_millis(2));
    let session = open(&verifier);
    let (call, running) = start(&verifier, session, first(400, &[], Grants::UNLIMITED), LONG);
    running.recv_timeout(LONG).expect("a frame").expect("text");
    drop(call);
    while running.recv_timeout(LONG).is_ok() {}
    let rest = || {
        std::thread::sleep(Duration::from_millis(100));
        decoded.load(Ordering::Acquire)
    };
    let mut before = rest();
    while std::mem::replace(&mut before, rest()) != before {}
    assert!(before < 400, "the target goes on for nobody: {before} tokens");
    let (text, reason) = ask(&verifier, session, then(1, &[], &[], Grants::NONE));
    assert_eq!((&text[..], reason), (&reply(400)[..text.len()], EndReason::Granted));
    assert!(!text.is_empty());
}

/// A reply that holds the target's thread up in its first frame until the gate opens.
fn gated(
    gate: Receiver<()>,
    frames: Sender<(usize, Frame)>,
    number: usize,
) -> impl FnMut(Result<Answer<Frame>, VerifierError>) + Send + 'static {
    let mut is_first = true;
    move |part| {
        if std::mem::take(&mut is_first) {
            gate.recv_timeout(LONG).expect("opened");
        }
        drop(frames.send((number, part.expect("no failure").value)));
    }
}

#[test]
fn a_call_that_is_dropped_before_its_turn_has_no_effect() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let (busy, other) = (open(&verifier), open(&verifier));
    let ((open_gate, gate), (frames, received)) = (channel(), channel());
    let reply = gated(gate, frames, 0);
    verifier.advance(busy, first(4, &[], Grants::UNLIMITED), LONG, reply).detach();
    let (call, dropped) = start(&verifier, other, first(4, &[], Grants::UNLIMITED), LONG);
    drop(call);
    open_gate.send(()).expect("held up");
    assert_eq!(received.iter().count(), 5);
    assert!(dropped.recv_timeout(LONG).is_err(), "the reply was dropped unused");
    assert_eq!(ask(&verifier, busy, then(1, &[], &[], Grants::NONE)).1, EndReason::Max);
    assert_eq!(decoded.load(Ordering::Acquire), PROMPT.len() + 3);
}

#[test]
fn sessions_take_turns() {
    let verifier = local(Duration::ZERO);
    let (one, other) = (open(&verifier), open(&verifier));
    let ((open_gate, gate), (shut, opened), (frames, received)) = (channel(), channel(), channel());
    let replies = [gated(gate, frames.clone(), 0), gated(opened, frames, 1)];
    for (session, reply) in [one, other].into_iter().zip(replies) {
        verifier.advance(session, first(40, &[], Grants::UNLIMITED), LONG, reply).detach();
    }
    // Both requests are there before the first session's first frame is let go.
    open_gate.send(()).expect("held up");
    shut.send(()).expect("not yet reached");
    let order: Vec<usize> = received.iter().map(|(number, _)| number).collect();
    let end = order.iter().rposition(|number| *number == 0).expect("the first session's end");
    assert_eq!(order.len(), 2 * 41);
    assert!(order[..end].iter().filter(|number| **number == 1).count() >= 38, "{order:?}");
}

#[test]
fn frames_are_late_by_the_round_trip_while_the_next_request_is_decoded() {
    let verifier = local(ROUND_TRIP);
    let (one, other) = (open(&verifier), open(&verifier));
    let asked = Instant::now();
    let calls = [one, other].map(|session| start(&verifier, session, first(8, &reply(8)[..4], Grants::NONE), LONG));
    for (_call, frames) in &calls {
        let first = frames.recv_timeout(LONG).expect("a frame").expect("text");
        assert!(first.elapsed >= ROUND_TRIP && first.bytes.up > 0 && first.bytes.down > 0, "{first:?}");
        let second = frames.recv_timeout(LONG).expect("a frame").expect("the end");
        assert_eq!((second.value, second.bytes.up), (Frame::End(EndReason::Granted), 0));
    }
    assert!(asked.elapsed() < 2 * ROUND_TRIP, "the round trips were added up");
}

#[test]
fn a_frame_that_would_come_too_late_is_a_missed_deadline_when_it_is_due() {
    let verifier = local(ROUND_TRIP);
    let session = open(&verifier);
    let deadline = ROUND_TRIP / 4;
    let asked = Instant::now();
    let (_call, frames) = start(&verifier, session, first(8, &[], Grants::UNLIMITED), deadline);
    assert_eq!(all(&frames), [Err(VerifierError::DeadlineExceeded { deadline })]);
    assert!(asked.elapsed() >= deadline && asked.elapsed() < ROUND_TRIP);
    // The device reset its stream with that; what was decided stays.
    assert_eq!(ask(&verifier, session, first(8, &[], Grants::UNLIMITED)), (reply(8), EndReason::Max));
}

#[test]
fn a_target_that_is_too_slow_is_silence() {
    let (verifier, _) = counting(Duration::from_millis(150));
    let session = open(&verifier);
    let deadline = Duration::from_millis(400);
    // The first pass of three tokens takes long enough; so does each of seventeen tokens of a prompt.
    let prompt = Advance { stand: (0..400).map(|i| i % 20).collect(), have: 400, ..first(8, &[], grants(1)) };
    let prompt = Advance { begin: Some(Begin { reply_start: 400, ..begin(8) }), ..prompt };
    let asked = Instant::now();
    let (_call, frames) = start(&verifier, session, prompt, deadline);
    assert_eq!(all(&frames), [Err(VerifierError::DeadlineExceeded { deadline })]);
    assert!(asked.elapsed() < Duration::from_secs(3), "the whole prompt was decoded first");
}

//! Several sessions at once, and sessions that are closed.

use uhlm_ffi::{ErrorKind, FinishReason, GenerationOptions, UhlmError};
use uhlm_testing::served::Served;

use crate::support::{
    QUESTION, at_most, chat, committed, engine, finished, greedy, heavy, one_thread, raw, rest, verifier, wait,
};

#[test]
fn two_sessions_generate_at_once() {
    let served = Served::start();
    let verifier = verifier(&served);
    let questions = [QUESTION, "Spell the word planet backwards."];
    let open = || wait(engine().open_session(Some(verifier.clone()), greedy(), None)).expect("valid");
    let alone = questions.map(|question| finished(&crate::support::reply(&open(), chat(question), at_most(200))).1);
    let sessions = questions.map(|question| (open(), question));
    let generations =
        sessions.each_ref().map(|(session, question)| session.start(chat(question), at_most(200)).expect("idle"));
    let mut events = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    // Pulled in turn, one event each.
    while open != [false, false] {
        for index in 0..2 {
            match wait(generations[index].next()).expect("no error") {
                Some(event) => events[index].push(event),
                None => open[index] = false,
            }
        }
    }
    for index in 0..2 {
        let (finish, text, _) = finished(&events[index]);
        assert_eq!((finish, &text), (FinishReason::EndOfReply, &alone[index]));
        assert_eq!(committed(&events[index]), text);
    }
}

#[test]
fn a_generation_may_follow_a_cancelled_one_at_once() {
    let session = wait(heavy().open_session(None, one_thread(), None)).expect("valid");
    for _ in 0..10 {
        let first = session.start(raw(), crate::support::endless()).expect("idle");
        let refused = session.start(raw(), at_most(10)).err();
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::Busy));
        wait(first.next()).expect("no error");
        first.cancel();
        let few = GenerationOptions { max_tokens: Some(3), ..crate::support::endless() };
        let second = session.start(raw(), few).expect("the first one is cancelled");
        assert!(session.status().expect("open").generating);
        rest(&second).1.expect("a reply without error");
        let (events, outcome) = rest(&first);
        outcome.expect("cancelling is no error");
        assert_eq!(finished(&events).0, FinishReason::Cancelled);
        session.reset().expect("idle");
    }
    // One that waits for its turn when the session is closed ends, too.
    let first = session.start(raw(), crate::support::endless()).expect("idle");
    first.cancel();
    let second = session.start(raw(), crate::support::endless()).expect("the first one is cancelled");
    session.shut_down();
    rest(&first).1.expect("cancelling is no error");
    match rest(&second) {
        (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::SessionClosed),
        (events, Ok(())) => assert_eq!(finished(&events).0, FinishReason::Cancelled),
    }
}

#[test]
fn use_after_close_is_an_error() {
    let session = wait(engine().open_session(None, greedy(), None)).expect("valid");
    let updates = session.status_updates().expect("open");
    assert!(!wait(updates.next()).expect("the present status").generating);
    session.shut_down();
    session.shut_down();
    assert_eq!(wait(updates.next()), None, "who waits for the status is let go");
    let closed = |error: Option<UhlmError>| {
        let error = error.expect("an error");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SessionClosed, false));
    };
    closed(session.start(chat(QUESTION), at_most(10)).err());
    closed(session.messages().err());
    closed(session.set_messages(Vec::new()).err());
    closed(session.reset().err());
    closed(session.status().err());
    closed(wait(session.save_calibration("never-written".into())).err());
    // A generation that is still held ends as well.
    let session = wait(engine().open_session(None, greedy(), None)).expect("valid");
    let generation = session.start(chat(QUESTION), crate::support::endless()).expect("idle");
    session.shut_down();
    assert!(rest(&generation).1.is_ok());
}

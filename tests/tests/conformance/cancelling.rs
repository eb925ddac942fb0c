//! Cancelling and closing at every moment, and what is left behind: nothing.

use std::fs;

use uhlm_ffi::{
    CloseRule, FinishReason, GenerationEvent, GenerationOptions, Mode, Role, SessionOptions, UhlmSession, UhlmVerifier,
};
use uhlm_testing::eventually::eventually;
use uhlm_testing::pair;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::served::Served;

use crate::support::{
    QUESTION, at_most, chat, committed, drawing, endless, engine, finished, greedy, heavy, in_time, one_thread, raw,
    remote, reply, rest, verifier, wait,
};

/// Asserts that the session is idle and answers.
fn assert_usable(session: &UhlmSession) {
    eventually("idle", || !session.status().expect("open").generating);
    session.reset().expect("idle");
    let (finish, text, _) = finished(&reply(session, chat(QUESTION), at_most(200)));
    assert_eq!(finish, FinishReason::EndOfReply);
    assert!(!text.is_empty());
}

#[test]
fn cancelling_before_the_first_token_stops() {
    let served = Served::start();
    let session = wait(engine().open_session(Some(verifier(&served)), greedy(), None)).expect("valid");
    for _ in 0..20 {
        let generation = session.start(chat(QUESTION), at_most(200)).expect("idle");
        generation.cancel();
        let (events, outcome) = rest(&generation);
        outcome.expect("cancelling is no error");
        assert_eq!(finished(&events).0, FinishReason::Cancelled);
    }
    assert_usable(&session);
}

#[test]
fn cancelling_at_the_first_token_stops() {
    let served = Served::start();
    let session = wait(engine().open_session(Some(verifier(&served)), greedy(), None)).expect("valid");
    for mode in [Mode::Exact, Mode::DeviceOnly] {
        // The whole reply takes some milliseconds.
        let finish = || {
            let options = GenerationOptions { mode: Some(mode), ..endless() };
            let generation = session.start(chat(QUESTION), options).expect("idle");
            while !matches!(wait(generation.next()), Ok(Some(GenerationEvent::Committed { .. }))) {}
            generation.cancel();
            let (events, outcome) = rest(&generation);
            outcome.expect("cancelling is no error");
            assert_usable(&session);
            session.reset().expect("idle");
            (mode, finished(&events).0)
        };
        in_time(finish, |(_, finish)| *finish == FinishReason::Cancelled);
    }
}

#[test]
fn cancelling_later_stops_within_one_token() {
    let session = wait(heavy().open_session(None, one_thread(), None)).expect("valid");
    // Each step takes milliseconds, so the consumer has seen all but the token that is being drafted.
    let more = || {
        session.reset().expect("idle");
        let generation = session.start(raw(), endless()).expect("idle");
        let mut seen = Vec::new();
        while seen.len() < 8 {
            seen.extend(wait(generation.next()).expect("no error"));
        }
        generation.cancel();
        let (events, outcome) = rest(&generation);
        outcome.expect("cancelling is no error");
        let is_commit = |event: &&GenerationEvent| matches!(event, GenerationEvent::Committed { .. });
        let more = events.iter().filter(is_commit).count();
        seen.extend(events);
        let (finish, text, statistics) = finished(&seen);
        assert_eq!((finish, text), (FinishReason::Cancelled, committed(&seen)));
        let all = seen.iter().filter(is_commit).count() as u64;
        assert!(statistics.drafted <= all + 1, "{} tokens drafted for {all}", statistics.drafted);
        more
    };
    // One that had been handed over, one that was being drafted.
    in_time(more, |more| *more <= 2);

    // What was committed stands in the conversation.
    let session = wait(engine().open_session(None, greedy(), None)).expect("valid");
    let generation = session.start(chat(QUESTION), endless()).expect("idle");
    wait(generation.next()).expect("no error");
    generation.cancel();
    let (events, outcome) = rest(&generation);
    outcome.expect("cancelling is no error");
    let (_, text, _) = finished(&events);
    let messages = session.messages().expect("open");
    assert_eq!(messages.last().map(|message| (message.role, message.content.clone())), Some((Role::Assistant, text)));
}

#[test]
fn cancelling_during_a_verdict_stops() {
    let served = Served::start();
    let proxy = Proxy::start(served.address());
    let verifier = UhlmVerifier::new(remote(format!("https://{}", proxy.address()), &served), None).expect("a client");
    // By the pace, a machine under load may find that the target is faster alone, and draft nothing.
    let options = SessionOptions { close: Some(CloseRule::Fixed { tokens: 4 }), ..drawing() };
    let session = wait(engine().open_session(Some(verifier), options, None)).expect("valid");
    // The verifier's session is open from here on.
    reply(&session, chat(QUESTION), at_most(20));
    session.reset().expect("idle");
    proxy.set(Weather::Stall);
    let generation = session.start(chat(QUESTION), at_most(200)).expect("idle");
    // Something was drafted, and nothing can be judged.
    while !matches!(wait(generation.next()), Ok(Some(GenerationEvent::Provisional { .. }))) {}
    generation.cancel();
    let (events, outcome) = rest(&generation);
    outcome.expect("cancelling is no error");
    let (finish, text, _) = finished(&events);
    assert_eq!((finish, text.as_str()), (FinishReason::Cancelled, ""));
    proxy.set(Weather::Clear);
    assert_usable(&session);
    eventually("nothing waits on the verifier", || served.metrics().snapshot().requests_waiting == 0);
}

#[test]
fn closing_while_generating_stops() {
    let served = Served::start();
    let session = wait(engine().open_session(Some(verifier(&served)), drawing(), None)).expect("valid");
    let generation = session.start(chat(QUESTION), at_most(400)).expect("idle");
    while !matches!(wait(generation.next()), Ok(Some(GenerationEvent::Committed { .. }))) {}
    assert_eq!(served.metrics().snapshot().sessions_open, 1);
    session.shut_down();
    let (events, outcome) = rest(&generation);
    outcome.expect("closing is no error");
    assert!(matches!(events.last(), Some(GenerationEvent::Finished { .. })));
    eventually("the verifier's session is freed", || served.metrics().snapshot().sessions_open == 0);
    eventually("its sequence, too", || served.metrics().snapshot().slots_used == 0);
}

/// Returns a number from `/proc/self/status`.
fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find(|line| line.starts_with(field)).expect("a field");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// This test runs in a process of its own, because other tests of this one start and end threads meanwhile.
#[test]
fn two_hundred_cycles_leave_nothing_behind() {
    const CHILD: &str = "UHLM_CYCLES";
    if std::env::var_os(CHILD).is_none() {
        let this = std::env::current_exe().expect("this test");
        let arguments = ["--exact", "cancelling::two_hundred_cycles_leave_nothing_behind", "--nocapture"];
        let status = std::process::Command::new(this).args(arguments).env(CHILD, "1").status().expect("started");
        assert!(status.success(), "{status}");
        return;
    }
    let served = Served::start();
    let verifier = verifier(&served);
    let questions = pair::questions("heldout");
    let cycle = |index: usize| {
        let session = wait(engine().open_session(Some(verifier.clone()), drawing(), None)).expect("valid");
        let generation = session.start(chat(&questions[index % questions.len()]), at_most(200)).expect("idle");
        for _ in 0..index % 7 {
            let _ = wait(generation.next());
        }
        generation.cancel();
        rest(&generation).1.expect("cancelling is no error");
        session.shut_down();
    };
    (0..40).for_each(cycle);
    eventually("all sessions are freed", || served.metrics().snapshot().sessions_open == 0);
    let threads = status("Threads:");
    let grown = || {
        let memory = status("VmRSS:");
        (0..200).for_each(cycle);
        eventually("all sessions are freed", || served.metrics().snapshot().sessions_open == 0);
        eventually("threads are as many as before", || status("Threads:") <= threads);
        status("VmRSS:").saturating_sub(memory)
    };
    // The allocator gives new threads arenas of their own up to a number, each of which fills once; a leak goes on.
    let grown: Vec<u64> = (0..4).map(|_| grown()).collect();
    assert!(grown.iter().any(|&kilobytes| kilobytes < 2 << 10), "{grown:?} kB more after 200 cycles each");
}

//! A device that goes on alone while its verifier is away, and is judged again afterwards.

use std::time::{Duration, Instant};

use uhlm_core::{DraftAhead, LinkState, Mode, OfflinePolicy, SessionOptions};
use uhlm_law::advance::ErrorCode;
use uhlm_law::window::CloseRule;
use uhlm_testing::faulty::{Fate, Kind};

use super::{MOMENTS, TOKENS, assert_usable, refused};
use crate::support::{LONG, consume, faulty, options, outage, session, start, unreachable};

fn goes_on(mode: Mode, kind: Kind, index: usize, fate: Fate, options: SessionOptions) {
    let verifier = faulty();
    let breaks = matches!(fate, Fate::BreakAfter(..));
    outage(&verifier, kind, index, 4, fate);
    let session = session(&verifier, options);
    let reply = consume(start(&session, TOKENS));
    let statistics = reply.complete(TOKENS);
    assert!(statistics.origins.unverified > 0, "{mode:?} {kind:?} {:?}", statistics.origins);
    assert_eq!(reply.states().first(), Some(&LinkState::Degraded));
    // A stream that breaks half-way begins well each time.
    assert!(reply.states().contains(&LinkState::Offline) || breaks);
    reply.assert_recovered();
    if mode != Mode::Opportunistic {
        reply.assert_marks();
    }
    verifier.mend();
    let next = consume(start(&session, 40));
    assert_eq!(next.complete(40).origins.unverified, 0);
    assert!(next.states().is_empty());
}

#[test]
fn a_reply_goes_on_alone_and_is_judged_again_once_the_verifier_is_back() {
    for (kind, index) in MOMENTS {
        let options = options(Mode::Exact, OfflinePolicy::GoOn);
        goes_on(Mode::Exact, kind, index, Fate::Fail(unreachable()), options);
    }
}

#[test]
fn an_opportunistic_reply_goes_on_alone_and_is_judged_again_once_the_verifier_is_back() {
    for (kind, index) in [(Kind::Open, 0), (Kind::Advance, 0), (Kind::Advance, 3)] {
        let options = options(Mode::Opportunistic, OfflinePolicy::GoOn);
        goes_on(Mode::Opportunistic, kind, index, Fate::Fail(unreachable()), options);
    }
}

#[test]
fn a_remote_only_reply_goes_on_alone_and_is_written_by_the_target_again_once_it_is_back() {
    let options = || SessionOptions { ..options(Mode::RemoteOnly, OfflinePolicy::GoOn) };
    goes_on(Mode::RemoteOnly, Kind::Open, 0, Fate::Fail(unreachable()), options());
    goes_on(Mode::RemoteOnly, Kind::Advance, 0, Fate::Fail(unreachable()), options());
    goes_on(Mode::RemoteOnly, Kind::Advance, 0, Fate::BreakAfter(5, unreachable()), options());
}

#[test]
fn a_reply_goes_on_alone_when_answers_are_lost_after_they_were_given() {
    for (kind, index) in MOMENTS {
        goes_on(Mode::Exact, kind, index, Fate::LoseReply(unreachable()), options(Mode::Exact, OfflinePolicy::GoOn));
    }
}

#[test]
fn a_reply_goes_on_alone_with_several_windows_in_flight() {
    let options = SessionOptions {
        draft_ahead: DraftAhead::Pipelined(3),
        close: CloseRule::Fixed(3),
        ..options(Mode::Exact, OfflinePolicy::GoOn)
    };
    goes_on(Mode::Exact, Kind::Advance, 3, Fate::Fail(unreachable()), options.clone());
    goes_on(Mode::Exact, Kind::Advance, 3, Fate::LoseReply(unreachable()), options);
}

#[test]
fn replies_shorter_than_the_way_to_the_verifier_bring_it_back_all_the_same() {
    let verifier = faulty();
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
    consume(start(&session, 20)).complete(20);
    verifier.set(|_| Fate::Fail(unreachable()));
    while session.status().link == LinkState::Online {
        consume(start(&session, 20)).complete(20);
    }
    // The server is back, and each verdict takes far longer than one of these replies.
    let slow = Duration::from_millis(300);
    verifier.set(move |_| Fate::Delay(slow));
    let began = Instant::now();
    while session.status().link != LinkState::Online {
        assert!(began.elapsed() < LONG, "{:?}", session.status());
        session.reset().expect("idle");
        let reply = consume(start(&session, 4));
        let (elapsed, came_back) = (reply.complete(4).elapsed, !reply.states().is_empty());
        assert!(elapsed < slow || came_back, "alone, it waits for nobody: {elapsed:?}");
    }
    assert_usable(&verifier, &session);
}

#[test]
fn an_internal_failure_of_the_target_is_left_to_the_policy() {
    goes_on(
        Mode::Exact,
        Kind::Advance,
        2,
        Fate::Fail(refused(ErrorCode::Internal)),
        options(Mode::Exact, OfflinePolicy::GoOn),
    );
}

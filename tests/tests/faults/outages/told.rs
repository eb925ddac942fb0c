//! States of the link as a reply's reader hears of them: a verifier that is busy, silent or out of reach.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uhlm_core::verifier::VerifierError;
use uhlm_core::{Event, GenerationError, LinkCause, LinkConfig, LinkState, Mode, OfflinePolicy, SessionOptions};
use uhlm_testing::eventually::eventually;
use uhlm_testing::faulty::{Fate, Kind};

use super::{TOKENS, wait};
use crate::support::{LONG, Record, SHORT, consume, faulty, impatient, options, outage, session, start, unreachable};

#[test]
fn a_busy_verifier_is_left_alone_for_as_long_as_it_asks() {
    let pause = Duration::from_millis(250);
    for (kind, policy) in [(Kind::Open, wait()), (Kind::Advance, wait()), (Kind::Advance, OfflinePolicy::GoOn)] {
        let verifier = faulty();
        let times = Arc::new(Mutex::new(Vec::new()));
        let (seen_at, mut busy) = (Arc::clone(&times), false);
        verifier.set(move |seen| {
            if busy || seen.kind == kind {
                seen_at.lock().expect("no panic").push(Instant::now());
            }
            if seen.kind == kind && !busy {
                busy = true;
                Fate::Fail(VerifierError::Busy { retry_after: Some(pause) })
            } else {
                Fate::Pass
            }
        });
        let session = session(&verifier, options(Mode::Exact, policy));
        consume(start(&session, TOKENS)).complete(TOKENS);
        let times = times.lock().expect("no panic");
        assert!(times[1] - times[0] >= pause, "asked again after {:?}", times[1] - times[0]);
    }
}

/// Returns the states of the link that were told, with their causes.
fn told(reply: &Record) -> Vec<(LinkState, Option<LinkCause>)> {
    let state = |event: &Event| if let Event::State { link, cause } = event { Some((*link, *cause)) } else { None };
    reply.events.iter().filter_map(state).collect()
}

#[test]
fn a_busy_verifier_is_told_apart_from_one_that_is_out_of_reach() {
    let busy = VerifierError::Busy { retry_after: Some(Duration::from_millis(100)) };
    for (error, cause) in [(busy, LinkCause::Busy), (unreachable(), LinkCause::Unreachable)] {
        let verifier = faulty();
        outage(&verifier, Kind::Advance, 1, 1, Fate::Fail(error));
        let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(told(&reply), [(LinkState::Degraded, Some(cause)), (LinkState::Online, None)]);
        reply.assert_marks();
        reply.assert_recovered();
    }
}

#[test]
fn a_device_that_may_go_on_alone_does_not_stand_still_until_a_busy_verifier_has_room() {
    let verifier = faulty();
    let busy = VerifierError::Busy { retry_after: Some(LONG) };
    outage(&verifier, Kind::Advance, 1, usize::MAX, Fate::Fail(busy));
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
    let began = Instant::now();
    let reply = consume(start(&session, TOKENS));
    assert!(reply.complete(TOKENS).origins.unverified > 0);
    assert!(began.elapsed() < LONG, "it took {:?}", began.elapsed());
    // An answer that was on its way may bring it back for a moment.
    let told = told(&reply);
    assert_eq!(told.first(), Some(&(LinkState::Degraded, Some(LinkCause::Busy))));
    assert!(told.iter().all(|(link, cause)| *link == LinkState::Online || *cause == Some(LinkCause::Busy)), "{told:?}");
    reply.assert_marks();
}

#[test]
fn a_verifier_is_back_only_where_it_was_said_to_be_away() {
    let verifier = faulty();
    let options = options(Mode::Exact, OfflinePolicy::GoOn);
    // Long enough for a reply to end before the next attempt.
    let pause = Duration::from_millis(400);
    let link = LinkConfig { back_off: pause, max_back_off: pause, ..options.link.clone() };
    let session = session(&verifier, SessionOptions { link, ..options });
    consume(start(&session, 20)).complete(20);
    outage(&verifier, Kind::Advance, 0, usize::MAX, Fate::Fail(unreachable()));
    let away = consume(start(&session, 20));
    assert_eq!(told(&away).first(), Some(&(LinkState::Degraded, Some(LinkCause::Unreachable))));
    away.assert_marks();
    // Known to be away: said again, before anything unverified.
    let again = consume(start(&session, 20));
    let first = again.events.iter().find(|event| !matches!(event, Event::Provisional(_)));
    assert!(matches!(first, Some(Event::State { link, .. }) if *link != LinkState::Online), "{first:?}");
    again.assert_marks();
    verifier.mend();
    eventually("it is back", || {
        let reply = consume(start(&session, 20));
        reply.assert_marks();
        told(&reply).last() == Some(&(LinkState::Online, None))
    });
    let after = consume(start(&session, 20));
    assert_eq!((told(&after), after.complete(20).origins.unverified), (vec![], 0));
}

#[test]
fn silence_has_a_grace_in_which_a_verifier_that_comes_back_costs_no_token() {
    for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
        let verifier = faulty();
        let link = LinkConfig { grace: LONG, ..impatient() };
        let session = session(&verifier, SessionOptions { link, ..options(Mode::Exact, policy) });
        consume(start(&session, 20)).complete(20);
        outage(&verifier, Kind::Advance, 0, 3, Fate::Swallow);
        let reply = consume(start(&session, TOKENS));
        assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{policy:?}");
        let states = told(&reply);
        assert_eq!(states.first(), Some(&(LinkState::Degraded, Some(LinkCause::TimedOut))), "{policy:?}");
        assert_eq!(states.last(), Some(&(LinkState::Online, None)), "{policy:?}");
    }
}

#[test]
fn after_its_grace_silence_is_left_to_the_policy() {
    let grace = Duration::from_millis(300);
    for policy in [OfflinePolicy::GoOn, OfflinePolicy::Wait(Duration::from_millis(600)), OfflinePolicy::Fail] {
        let verifier = faulty();
        let session = session(
            &verifier,
            SessionOptions { link: LinkConfig { grace, ..impatient() }, ..options(Mode::Exact, policy) },
        );
        consume(start(&session, 20)).complete(20);
        outage(&verifier, Kind::Advance, 0, usize::MAX, Fate::Swallow);
        let began = Instant::now();
        let reply = consume(start(&session, TOKENS));
        assert!(began.elapsed() >= SHORT + grace, "{policy:?}: after {:?}", began.elapsed());
        if policy == OfflinePolicy::GoOn {
            assert_eq!(reply.complete(TOKENS).origins.unverified, TOKENS as u64);
            reply.assert_marks();
        } else {
            let error = reply.error();
            let timed_out = matches!(error, GenerationError::Offline { cause: VerifierError::DeadlineExceeded { .. } });
            assert!(timed_out, "{policy:?} {error:?}");
        }
    }
}

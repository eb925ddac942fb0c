//! Silence, waiting and failing: what each policy makes of a verifier that does not answer.

use std::time::{Duration, Instant};

use uhlm_core::{Event, GenerationError, LinkState, Mode, OfflinePolicy, Origin, SessionOptions};
use uhlm_testing::eventually::eventually;
use uhlm_testing::faulty::{Fate, Kind};

use super::{MOMENTS, TOKENS, assert_usable, wait};
use crate::support::{consume, faulty, impatient, options, outage, session, start, unreachable};

#[test]
fn a_black_hole_is_noticed_at_the_deadline_and_left_to_the_policy() {
    for (kind, index) in [(Kind::Open, 0), (Kind::Advance, 2)] {
        for policy in [OfflinePolicy::GoOn, wait()] {
            let verifier = faulty();
            // One that is lost may be made up for by the next: the drafts in flight go on.
            outage(&verifier, kind, index, 3, Fate::Swallow);
            let session = session(&verifier, SessionOptions { link: impatient(), ..options(Mode::Exact, policy) });
            let reply = consume(start(&session, TOKENS));
            let statistics = reply.complete(TOKENS);
            assert!(reply.states().contains(&LinkState::Degraded), "{kind:?} {policy:?}");
            if policy == OfflinePolicy::GoOn {
                assert!(statistics.origins.unverified > 0);
            } else {
                assert_eq!(statistics.origins.unverified, 0);
            }
            // A device that writes alone does not wait for the attempt that is under way.
            verifier.mend();
            eventually("it is judged again", || consume(start(&session, 40)).complete(40).origins.unverified == 0);
        }
    }
}

#[test]
fn a_slow_answer_within_the_deadline_is_no_failure() {
    let verifier = faulty();
    outage(&verifier, Kind::Advance, 1, 2, Fate::Delay(Duration::from_millis(60)));
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::Fail));
    let reply = consume(start(&session, TOKENS));
    assert_eq!(reply.complete(TOKENS).origins.unverified, 0);
    assert!(reply.states().is_empty());
}

#[test]
fn a_waiting_reply_comes_back_without_an_unverified_token() {
    for mode in [Mode::Exact, Mode::Opportunistic] {
        for (kind, index) in MOMENTS {
            for fate in [Fate::Fail(unreachable()), Fate::LoseReply(unreachable())] {
                let verifier = faulty();
                outage(&verifier, kind, index, 4, fate);
                let session = session(&verifier, options(mode, wait()));
                let reply = consume(start(&session, TOKENS));
                assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{mode:?} {kind:?} {index}");
                reply.assert_recovered();
            }
        }
    }
}

#[test]
fn a_waiting_remote_only_reply_comes_back() {
    for (kind, fate) in [
        (Kind::Open, Fate::Fail(unreachable())),
        (Kind::Advance, Fate::Fail(unreachable())),
        (Kind::Advance, Fate::BreakAfter(5, unreachable())),
    ] {
        let verifier = faulty();
        outage(&verifier, kind, 0, 3, fate);
        let session = session(&verifier, options(Mode::RemoteOnly, wait()));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(reply.complete(TOKENS).origins.target, TOKENS as u64);
        reply.assert_recovered();
    }
}

#[test]
fn waiting_ends_at_its_limit_with_what_was_committed_kept() {
    let limit = Duration::from_millis(300);
    let moments = MOMENTS.map(|(kind, index)| (Mode::Exact, kind, index));
    let remote = [(Mode::RemoteOnly, Kind::Open, 0), (Mode::RemoteOnly, Kind::Advance, 0)];
    for (mode, kind, index) in moments.into_iter().chain(remote) {
        let verifier = faulty();
        outage(&verifier, kind, index, usize::MAX, Fate::Fail(unreachable()));
        let session = session(&verifier, options(mode, OfflinePolicy::Wait(limit)));
        let began = Instant::now();
        let reply = consume(start(&session, TOKENS));
        assert_eq!(*reply.error(), GenerationError::Offline { cause: unreachable() }, "{mode:?} {kind:?}");
        assert!(began.elapsed() >= limit);
        let kept = session.messages().last().map(|message| message.content.clone()).unwrap_or_default();
        assert_eq!(kept, reply.text, "{mode:?} {kind:?}");
        // The next one waits from its own beginning.
        let again = consume(start(&session, TOKENS));
        assert!(matches!(again.error(), GenerationError::Offline { .. }));
        assert_usable(&verifier, &session);
    }
}

#[test]
fn failing_is_immediate_and_typed_at_every_moment() {
    let moments = MOMENTS.map(|(kind, index)| (Mode::Exact, kind, index));
    let remote = [(Mode::RemoteOnly, Kind::Open, 0), (Mode::RemoteOnly, Kind::Advance, 0)];
    for (mode, kind, index) in moments.into_iter().chain(remote) {
        let verifier = faulty();
        outage(&verifier, kind, index, 1, Fate::Fail(unreachable()));
        let session = session(&verifier, options(mode, OfflinePolicy::Fail));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(*reply.error(), GenerationError::Offline { cause: unreachable() }, "{mode:?} {kind:?}");
        assert_eq!(reply.states(), [LinkState::Degraded]);
        assert!(reply.events.iter().all(|e| !matches!(e, Event::Committed { origin: Origin::Unverified, .. })));
        assert_eq!(verifier.count(Kind::Open), 1, "nothing is tried again");
        // Until its pause is over the link is not tried, and the answer is the same at once.
        eventually("the pause is over", || match consume(start(&session, 10)).outcome {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, GenerationError::Offline { cause: unreachable() });
                false
            }
        });
        assert_usable(&verifier, &session);
    }
}

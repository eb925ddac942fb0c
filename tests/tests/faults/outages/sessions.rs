//! A verifier that has lost the session, or holds other tokens than the device thinks.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::verifier::VerifierError;
use uhlm_core::{GenerationError, Mode, OfflinePolicy};
use uhlm_testing::faulty::{Fate, Kind, Seen};

use super::TOKENS;
use crate::support::{consume, faulty, options, outage, session, start};

#[test]
fn an_evicted_session_is_opened_again_and_nothing_is_lost() {
    for (mode, kind, index) in [
        (Mode::Exact, Kind::Advance, 0),
        (Mode::Exact, Kind::Advance, 1),
        (Mode::Exact, Kind::Advance, 4),
        (Mode::Opportunistic, Kind::Advance, 1),
    ] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            let evicting = Arc::downgrade(&verifier);
            verifier.set(move |seen| {
                if seen.kind == kind
                    && seen.index == index
                    && let Some(verifier) = evicting.upgrade()
                {
                    verifier.evict();
                }
                Fate::Pass
            });
            let session = session(&verifier, options(mode, policy));
            let reply = consume(start(&session, TOKENS));
            let statistics = reply.complete(TOKENS);
            assert_eq!((statistics.opens, statistics.origins.unverified), (2, 0), "{kind:?} {index}");
            assert!(reply.states().is_empty());
        }
    }
}

#[test]
fn an_evicted_session_is_opened_again_for_a_continuation_and_for_the_next_reply() {
    let verifier = faulty();
    let session = session(&verifier, options(Mode::RemoteOnly, OfflinePolicy::Fail));
    verifier.set(|seen| match seen {
        Seen { kind: Kind::Advance, index: 0, .. } => Fate::BreakAfter(7, VerifierError::SessionGone),
        _ => Fate::Pass,
    });
    assert_eq!(consume(start(&session, TOKENS)).complete(TOKENS).opens, 2);
    verifier.evict();
    assert_eq!(consume(start(&session, TOKENS)).complete(TOKENS).opens, 1);
}

#[test]
fn a_desynchronised_verifier_gets_the_missing_tokens() {
    for held in [0, 2, 1000] {
        let verifier = faulty();
        outage(&verifier, Kind::Advance, 2, 1, Fate::Fail(VerifierError::Desync { held }));
        let session = session(&verifier, options(Mode::Exact, OfflinePolicy::Fail));
        let reply = consume(start(&session, TOKENS));
        let statistics = reply.complete(TOKENS);
        assert_eq!((statistics.opens, statistics.resent), (1, 1));
    }
}

#[test]
fn desynchronisation_without_end_is_left_to_the_policy() {
    for error in [VerifierError::Desync { held: 0 }, VerifierError::SessionGone] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Wait(Duration::from_millis(200)), OfflinePolicy::Fail] {
            let verifier = faulty();
            let astray = error.clone();
            verifier.set(move |seen| if seen.kind == Kind::Open { Fate::Pass } else { Fate::Fail(astray.clone()) });
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, 60));
            if policy == OfflinePolicy::GoOn {
                assert_eq!(reply.complete(60).origins.unverified, 60);
            } else {
                assert_eq!(*reply.error(), GenerationError::Offline { cause: error.clone() });
            }
            assert!(verifier.count(Kind::Open) < 60, "{} sessions", verifier.count(Kind::Open));
            // A session that is gone needs no closing.
            assert!(verifier.left_open() <= 1 || error == VerifierError::SessionGone);
        }
    }
}

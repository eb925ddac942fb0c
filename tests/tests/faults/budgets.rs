//! Budgets while the verifier fails: what was sent counts, and what may not be sent is not waited for.

use uhlm_core::{Budget, GenerationError, Mode, OfflinePolicy, SessionOptions};
use uhlm_testing::faulty::{Fate, Kind};

use crate::support::{LONG, consume, faulty, impatient, options, session, start, unreachable};

#[test]
fn a_request_that_is_never_answered_counts_with_its_bytes() {
    let verifier = faulty();
    verifier.set(|seen| if seen.kind == Kind::Advance { Fate::Swallow } else { Fate::Pass });
    let options = SessionOptions { link: impatient(), ..options(Mode::Exact, OfflinePolicy::GoOn) };
    let session = session(&verifier, options);
    let statistics = consume(start(&session, 40)).complete(40).clone();
    assert_eq!(statistics.origins.verified + statistics.origins.target, 0, "{statistics:?}");
    assert!(statistics.body_up > 0 && session.totals().body_up >= statistics.body_up, "{statistics:?}");
}

#[test]
fn a_verifier_that_may_not_be_asked_again_is_not_waited_for() {
    let verifier = faulty();
    verifier.set(|_| Fate::Fail(unreachable()));
    let offline = OfflinePolicy::Wait(10 * LONG);
    let budget = Budget { requests: Some(2), ..Budget::default() };
    let options = SessionOptions { budget, ..options(Mode::Exact, offline) };
    let reply = consume(start(&session(&verifier, options), 20));
    assert!(matches!(reply.error(), GenerationError::BudgetSpent), "{:?}", reply.outcome);
}

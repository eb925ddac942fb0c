//! A verifier that fails, for every policy and at every moment.

mod alone;
mod policies;
mod refusals;
mod sessions;
mod told;

use uhlm_core::verifier::VerifierError;
use uhlm_core::{OfflinePolicy, Session};
use uhlm_law::advance::{ErrorBody, ErrorCode};
use uhlm_testing::faulty::{Faulty, Kind};

use crate::support::{LONG, consume, start};

const TOKENS: usize = 150;

/// Moments of a judged reply at which a call fails.
const MOMENTS: [(Kind, usize); 4] = [(Kind::Open, 0), (Kind::Advance, 0), (Kind::Advance, 1), (Kind::Advance, 4)];

fn wait() -> OfflinePolicy {
    OfflinePolicy::Wait(LONG)
}

fn refused(code: ErrorCode) -> VerifierError {
    VerifierError::Refused(ErrorBody { code, reason: "no".into(), held: None })
}

/// Asserts that the session writes a second reply, with everything in order.
fn assert_usable(verifier: &Faulty, session: &Session) {
    verifier.mend();
    let next = consume(start(session, 40));
    let statistics = next.complete(40);
    assert!(statistics.origins.verified + statistics.origins.target > 0);
}

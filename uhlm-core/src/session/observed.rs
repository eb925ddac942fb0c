//! The target as a reply has observed it.

use std::time::Instant;

use uhlm_law::pace::Rhythm;

/// Observations of the target's passes since the reply began.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Time at which the target last told of a pass, and what was known of its passes then.
    pub(super) last_heard: Option<(Instant, Rhythm)>,
    /// Number of passes that were told of in verifier sessions before the one that is open, which counts from 0.
    pub(super) passes_before: u64,
    /// Time at which the first request went out, and the number of tokens that the target has to read for it.
    pub(super) first_asked: Option<(Instant, usize)>,
}

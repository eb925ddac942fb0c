//! Decides how many tokens a pass of the engine may have.
//!
//! A pass cannot be broken off, and while it lasts nobody else is served. An owner that is alone decides for itself how
//! long its devices wait; as soon as there are two, a pass takes no longer than a target time, so that nobody's long
//! prompts and many streams keep another's verdicts waiting. The code here is pure: it is told what was measured
//! ([`super::times`]) and who is there.

use super::costs::RowCosts;
use super::times::Times;

/// Smallest number of tokens to which a pass is cut: a window of usual length is judged in one pass.
const LEAST_TOKENS: usize = 32;
/// Multiple of the shortest pass's time that any pass may take, however short the target time is: an engine cannot do
/// better.
const STRETCH: f64 = 2.0;
/// Share of a pass's time that scoring its costly rows may add.
const COSTLY_SHARE: f64 = 0.08;
/// Smallest number of costly rows to which a pass is cut.
const LEAST_COSTLY: usize = 8;

/// The load at the moment when a pass is filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Whether a device waits for a pass that is short.
    pub(super) short: bool,
    /// Whether owners other than those of the long prompts are at work, or were lately.
    pub(super) others: bool,
}

/// The limits of one pass, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Largest number of tokens in all.
    pub(super) tokens: usize,
    /// Largest number of tokens of long prompts, all of them together.
    pub(super) prefill: usize,
    /// Tokens kept for long prompts, where there are any.
    pub(super) reserved: usize,
    /// Largest number of tokens of sessions whose rows are costly to score, all of them together.
    pub(super) costly: usize,
}

impl Budget {
    /// Makes the budget of a pass of at most `batch` tokens. `target` is the time that a pass may take when more than
    /// one owner is there, in seconds.
    pub(super) fn new(times: &Times, costs: &RowCosts, batch: usize, target: f64, load: Load) -> Self {
        let (tokens, costly) = if load.others {
            let seconds = target.max(STRETCH * times.at(1).unwrap_or(0.0));
            let tokens = times.within(seconds, batch).max(LEAST_TOKENS).min(batch);
            (tokens, costs.within(seconds * COSTLY_SHARE, tokens).max(LEAST_COSTLY))
        } else {
            (batch, batch)
        };
        let part = (tokens / 8).max(1);
        let prefill = if load.short { part } else { tokens };
        Self { tokens, prefill: prefill.min(times.piece(batch)).max(1), reserved: part, costly }
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::tests::engine;
    use super::*;

    const ALONE: Load = Load { short: false, others: false };
    const SHARED: Load = Load { short: true, others: true };

    /// Returns measurements of an engine whose rows cost nothing.
    fn free() -> RowCosts {
        RowCosts::default()
    }

    #[test]
    fn a_pass_that_owners_share_takes_no_longer_than_its_target() {
        let times = engine(0.020, 0.0005);
        let budget = Budget::new(&times, &free(), 512, 0.060, SHARED);
        assert!((78..=82).contains(&budget.tokens), "{budget:?}");
        assert_eq!((budget.prefill, budget.reserved), (budget.tokens / 8, budget.tokens / 8));
        let alone = Budget { tokens: 512, prefill: 512, reserved: 64, costly: 512 };
        assert_eq!(Budget::new(&times, &free(), 512, 0.060, ALONE), alone);
    }

    #[test]
    fn rows_that_are_costly_to_score_add_a_twelfth_to_a_pass_that_owners_share() {
        let mut costs = free();
        costs.observe(8, 0, 0.0);
        costs.observe(64, 64, 64.0 * 0.000_4);
        let times = engine(0.020, 0.0005);
        assert_eq!(Budget::new(&times, &costs, 512, 0.060, SHARED).costly, 11);
        assert_eq!(Budget::new(&times, &costs, 512, 0.060, ALONE).costly, 512);
        costs.observe(1, 1, 10.0);
        assert_eq!(Budget::new(&times, &costs, 512, 0.060, SHARED).costly, LEAST_COSTLY);
    }

    #[test]
    fn an_engine_slower_than_the_target_still_judges_windows_whole() {
        let times = engine(0.120, 0.040);
        assert_eq!(Budget::new(&times, &free(), 512, 0.060, SHARED).tokens, LEAST_TOKENS);
        assert_eq!(Budget::new(&times, &free(), 16, 0.060, SHARED).tokens, 16, "an engine of short passes");
    }

    #[test]
    fn an_engine_for_which_tokens_are_free_fills_its_passes() {
        assert_eq!(Budget::new(&engine(0.020, 0.0), &free(), 512, 0.060, SHARED).tokens, 512);
        let unknown = Budget::new(&Times::default(), &free(), 512, 0.060, SHARED);
        assert_eq!(unknown.tokens, 512, "and one of which nothing is known");
    }
}

//! Estimates how long a request that arrives now waits for its turn, so that one that cannot be in time is refused at
//! once and not when its device has given it up.
//!
//! What is ahead of a request is what its owner's sessions have to decode, and as much of every other owner's: owners
//! take turns. How long the target takes over the request's own tokens does not count; a long prompt is no reason to be
//! refused. The code here is pure.

use std::collections::HashMap;

use super::budget::Budget;
use super::times::Times;
use crate::owner::Owner;

/// The work of one owner's sessions that wait for a pass.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    /// Number of tokens of passes that devices wait for, of sessions that have their place.
    short: usize,
    /// Number of tokens of long prompts.
    long: usize,
    /// Number of sessions that wait for a place in the engine.
    unplaced: usize,
}

/// A request that arrives, as far as its place in the order goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) owner: Owner,
    /// Number of tokens to decode for it.
    pub(super) tokens: usize,
    /// Whether they are a long prompt.
    pub(super) is_long: bool,
    /// Whether its session has to wait for a place in the engine.
    pub(super) is_unplaced: bool,
}

/// The work that waits for the target.
#[derive(Clone, Debug, Default)]
pub(super) struct Forecast {
    owners: HashMap<Owner, Ahead>,
    /// Limits of the last pass; `None` before the first.
    budget: Option<Budget>,
}

impl Forecast {
    /// Takes note that nothing waits.
    pub(super) fn clear(&mut self) {
        self.owners.clear();
    }

    /// Begins anew, with the limits of the next pass.
    pub(super) fn begin(&mut self, budget: Budget) {
        self.clear();
        self.budget = Some(budget);
    }

    /// Adds work that waits.
    pub(super) fn add(&mut self, arrival: &Arrival) {
        let ahead = self.owners.entry(arrival.owner).or_default();
        if arrival.is_unplaced {
            // Its tokens are nobody's business before it has a place.
            ahead.unplaced += 1;
        } else {
            *(if arrival.is_long { &mut ahead.long } else { &mut ahead.short }) += arrival.tokens;
        }
    }

    /// Takes work off that was done.
    pub(super) fn done(&mut self, owner: Owner, tokens: usize, is_long: bool) {
        let Some(ahead) = self.owners.get_mut(&owner) else { return };
        let left = if is_long { &mut ahead.long } else { &mut ahead.short };
        *left = left.saturating_sub(tokens);
    }

    /// Sums up what comes before a request: all that `of` says of its owner, and of every other one at most that and
    /// the request's own `amount`.
    fn before(&self, owner: Owner, amount: usize, of: impl Fn(&Ahead) -> usize) -> usize {
        let own = self.owners.get(&owner).map_or(0, &of);
        let others = self.owners.iter().filter(|(other, _)| **other != owner);
        own + others.map(|(_, ahead)| of(ahead).min(own + amount)).sum::<usize>()
    }

    /// Returns the number of passes that are full before the request has a part in one.
    pub(super) fn passes_before(&self, arrival: &Arrival) -> usize {
        let Some(budget) = self.budget else { return 0 };
        let is_read = self.owners.values().any(|ahead| ahead.long > 0);
        if arrival.is_long {
            return self.before(arrival.owner, arrival.tokens, |ahead| ahead.long) / budget.prefill.max(1);
        }
        let reserved = if is_read { budget.reserved } else { 0 };
        let tokens = budget.tokens.saturating_sub(reserved).max(1);
        self.before(arrival.owner, arrival.tokens, |ahead| ahead.short) / tokens
    }

    /// Returns the time of one of the passes before the request, in seconds; 0 while nothing is known of it.
    pub(super) fn pass_seconds(&self, arrival: &Arrival, times: &Times) -> f64 {
        let Some(budget) = self.budget else { return 0.0 };
        // Where long prompts are read, a pass has no more tokens than may be read in one, and those that are short.
        let short: usize = self.owners.values().map(|ahead| ahead.short).sum();
        let tokens = if arrival.is_long { budget.tokens.min(budget.prefill + short) } else { budget.tokens };
        times.at(tokens).unwrap_or(0.0)
    }

    /// Tells whether a session of `owner` waits for a place in the engine.
    pub(super) fn has_unplaced(&self, owner: Owner) -> bool {
        self.owners.get(&owner).is_some_and(|ahead| ahead.unplaced > 0)
    }

    /// Returns the number of sessions that get a place in the engine before one of `owner` that asks now.
    pub(super) fn places_before(&self, owner: Owner) -> usize {
        self.before(owner, 1, |ahead| ahead.unplaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);

    fn arrival(owner: Owner, tokens: usize, is_long: bool) -> Arrival {
        Arrival { owner, tokens, is_long, is_unplaced: false }
    }

    fn forecast() -> Forecast {
        let mut forecast = Forecast::default();
        forecast.begin(Budget { tokens: 100, prefill: 20, reserved: 20, costly: 100 });
        forecast
    }

    #[test]
    fn an_owner_waits_for_its_own_requests_and_for_others_only_as_long_as_for_its_own() {
        let mut forecast = forecast();
        (0..100).for_each(|_| forecast.add(&arrival(B, 10, false)));
        assert_eq!(forecast.passes_before(&arrival(B, 10, false)), 10);
        assert_eq!(forecast.passes_before(&arrival(A, 10, false)), 0);
        (0..30).for_each(|_| forecast.add(&arrival(A, 10, false)));
        assert_eq!(forecast.passes_before(&arrival(A, 10, false)), 6);
        forecast.done(A, 200, false);
        assert_eq!(forecast.passes_before(&arrival(A, 10, false)), 2);
    }

    #[test]
    fn long_prompts_wait_for_long_prompts_alone() {
        let mut forecast = forecast();
        (0..10).for_each(|_| forecast.add(&arrival(B, 1000, true)));
        assert_eq!(forecast.passes_before(&arrival(B, 10, false)), 0);
        assert_eq!(forecast.passes_before(&arrival(B, 400, true)), 500);
        assert_eq!(forecast.passes_before(&arrival(A, 400, true)), 20);
    }

    #[test]
    fn a_slow_engine_reads_long_prompts_in_passes_that_are_not_full() {
        let mut times = Times::default();
        [64, 512].into_iter().for_each(|tokens| times.observe(tokens, tokens as f64 / 60.0));
        let mut forecast = Forecast::default();
        forecast.begin(Budget { tokens: 512, prefill: 64, reserved: 64, costly: 512 });
        forecast.add(&arrival(B, 640, true));
        let (long, short) = (arrival(B, 640, true), arrival(B, 10, false));
        assert_eq!(forecast.passes_before(&long), 10);
        assert!((forecast.pass_seconds(&long, &times) - 64.0 / 60.0).abs() < 1e-6);
        assert!((forecast.pass_seconds(&short, &times) - 512.0 / 60.0).abs() < 1e-6);
    }

    #[test]
    fn places_are_given_to_owners_in_turn() {
        let mut forecast = forecast();
        let unplaced = |owner| Arrival { is_unplaced: true, ..arrival(owner, 1, false) };
        (0..50).for_each(|_| forecast.add(&unplaced(B)));
        assert_eq!((forecast.places_before(B), forecast.places_before(A)), (50, 1));
        assert!(forecast.has_unplaced(B) && !forecast.has_unplaced(A));
    }
}

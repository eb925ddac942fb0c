//! Divides the tokens of one pass among the sessions that wait for it.
//!
//! Owners take turns of a few tokens each, the one that has had least of the target first; so do the sessions of one
//! owner. Passes that devices wait for come first, then long prompts within the budget for them, then tokens that the
//! target writes ahead for a device that may have use for them. The code here is pure: it knows no engine and no slots,
//! and is told how long a pass may be.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use uhlm_law::advance::SessionId;

use super::budget::Budget;
use super::fair::TOKEN;
use crate::owner::Owner;

/// Largest number of tokens that one session gets before its owner's turn is over.
const TURN: usize = 16;

/// Urgency of a session's pass, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// A device waits for the pass.
    Short,
    /// A device waits for the pass, and knows that its prompt takes time.
    Long,
    /// No device waits for the pass, but one may have use for it.
    Spare,
}

/// The tokens that one session wants of a pass, and what decides when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) owner: Owner,
    /// Counter of the owner, in weighted tokens; the owner with the smallest goes first.
    pub(super) owner_served: u64,
    /// Counter of the session, in weighted tokens, to be compared with those of its owner's other sessions.
    pub(super) session_served: u64,
    pub(super) urgency: Urgency,
    /// Whether the session was passed over so often that it goes before its owner's other sessions.
    pub(super) waited: bool,
    /// Time at which the pass became possible.
    pub(super) ready: Instant,
    /// Number of tokens still to be decoded.
    pub(super) tokens: usize,
    /// Largest number of them that this pass takes.
    pub(super) most: usize,
    /// Whether most of them have rows that are costly to score.
    pub(super) costly: bool,
}

impl Want {
    /// Returns the round in which the session takes part: one that was passed over often takes part in the first.
    fn round(&self) -> Urgency {
        if self.waited { Urgency::Short } else { self.urgency }
    }
}

/// The tokens of a pass that one session gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Index of the session's `Want` in the list that was divided.
    pub(super) want: usize,
    pub(super) tokens: usize,
}

/// Divides a pass among `wants`. The parts come in the order in which they were given out.
pub(super) fn divide(wants: &[Want], budget: &Budget) -> Vec<Part> {
    let (given, prefill, costly) = (vec![0; wants.len()], budget.prefill, budget.costly);
    let mut division = Division { wants, given, order: Vec::new(), spent: BTreeMap::new(), prefill, costly };
    let has_long = wants.iter().any(|want| want.urgency == Urgency::Long);
    let reserved = if has_long { budget.reserved.min(budget.tokens.saturating_sub(1)) } else { 0 };
    let mut left = budget.tokens - reserved;
    left = division.serve(Urgency::Short, left) + reserved;
    left = division.serve(Urgency::Long, left);
    // Tokens that are kept for long prompts and not used are anybody's.
    left = division.serve(Urgency::Short, left);
    division.serve(Urgency::Spare, left);
    let Division { order, given, .. } = division;
    order.into_iter().map(|want| Part { want, tokens: given[want] }).collect()
}

struct Division<'a> {
    wants: &'a [Want],
    given: Vec<usize>,
    order: Vec<usize>,
    /// Weighted tokens that each owner has got in this pass, as its counter will count them.
    spent: BTreeMap<Owner, u64>,
    /// Number of tokens of long prompts that the pass may still take.
    prefill: usize,
    /// Number of tokens of sessions with costly rows that the pass may still take.
    costly: usize,
}

impl Division<'_> {
    /// Gives out at most `places` to the wants of one round; returns how many are left.
    fn serve(&mut self, round: Urgency, mut places: usize) -> usize {
        let mut waiting: Vec<usize> =
            (0..self.wants.len()).filter(|&i| self.wants[i].round() == round && self.open(i) > 0).collect();
        let by_session = |want: &Want| (Reverse(want.waited), want.session_served, want.ready);
        waiting.sort_by_key(|&i| by_session(&self.wants[i]));
        let mut queues: BTreeMap<Owner, VecDeque<usize>> = BTreeMap::new();
        waiting.into_iter().for_each(|i| queues.entry(self.wants[i].owner).or_default().push_back(i));
        let mut turns: BTreeSet<(u64, Instant, Owner)> =
            queues.values().filter_map(|queue| queue.front()).map(|&i| self.turn(i)).collect();
        while places > 0
            && let Some((_, _, owner)) = turns.pop_first()
        {
            let Some(queue) = queues.get_mut(&owner) else { continue };
            let Some(i) = queue.pop_front() else { continue };
            let (is_long, is_costly) = (self.wants[i].urgency == Urgency::Long, self.wants[i].costly);
            let prefill = if is_long { self.prefill } else { places };
            let costly = if is_costly { self.costly } else { places };
            let tokens = self.open(i).min(TURN).min(places).min(prefill).min(costly);
            if tokens > 0 {
                places -= tokens;
                self.prefill -= if is_long { tokens } else { 0 };
                self.costly -= if is_costly { tokens } else { 0 };
                if self.given[i] == 0 {
                    self.order.push(i);
                }
                self.given[i] += tokens;
                *self.spent.entry(owner).or_default() += TOKEN * tokens as u64;
                if self.open(i) > 0 {
                    queue.push_back(i);
                }
            }
            if let Some(&next) = queue.front() {
                turns.insert(self.turn(next));
            }
        }
        places
    }

    /// Returns the number of tokens that the session of want `i` still wants of this pass.
    fn open(&self, i: usize) -> usize {
        self.wants[i].tokens.min(self.wants[i].most) - self.given[i]
    }

    /// Returns the place in the order of turns of the owner whose next session is that of want `i`.
    fn turn(&self, i: usize) -> (u64, Instant, Owner) {
        let want = &self.wants[i];
        let spent = self.spent.get(&want.owner).copied().unwrap_or(0);
        (want.owner_served.saturating_add(spent), want.ready, want.owner)
    }
}

/// The part of the engine's pass that one session has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) session: SessionId,
    pub(super) slot: u32,
    /// Index of its first token in the engine's pass.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Whether the tokens are a part of a long prompt.
    pub(super) is_long: bool,
}

/// The sessions that wait for a pass and, in the same order, what each of them wants.
pub(super) struct Waiting {
    pub(super) ids: Vec<SessionId>,
    pub(super) wants: Vec<Want>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);

    fn want(owner: Owner, urgency: Urgency, tokens: usize, ready: Instant) -> Want {
        Want {
            owner,
            owner_served: 0,
            session_served: 0,
            urgency,
            waited: false,
            ready,
            tokens,
            most: usize::MAX,
            costly: false,
        }
    }

    fn budget(tokens: usize, prefill: usize, reserved: usize) -> Budget {
        Budget { tokens, prefill, reserved, costly: tokens }
    }

    /// Returns the number of tokens that each want gets.
    fn given(wants: &[Want], budget: &Budget) -> Vec<usize> {
        let mut given = vec![0; wants.len()];
        divide(wants, budget).iter().for_each(|part| given[part.want] = part.tokens);
        given
    }

    #[test]
    fn a_window_is_judged_whole_beside_any_number_of_streams_of_another_owner() {
        let now = Instant::now();
        let mut wants = vec![want(B, Urgency::Short, 1, now); 64];
        wants.push(want(A, Urgency::Short, 9, now));
        let given = given(&wants, &budget(20, 0, 0));
        assert_eq!(given[64], 9);
        assert_eq!(given[..64].iter().sum::<usize>(), 11);
    }

    #[test]
    fn two_owners_with_more_than_fits_have_half_each_and_who_had_more_has_less() {
        let now = Instant::now();
        let wants = [want(A, Urgency::Short, 256, now), want(B, Urgency::Short, 256, now)];
        assert_eq!(given(&wants, &budget(128, 0, 0)), [64, 64]);
        let ahead = [Want { owner_served: 32 * TOKEN, ..wants[0] }, wants[1]];
        assert_eq!(given(&ahead, &budget(128, 0, 0)), [48, 80]);
    }

    #[test]
    fn long_prompts_share_one_budget_and_have_what_is_kept_for_them() {
        let now = Instant::now();
        let mut wants = vec![want(B, Urgency::Long, 2000, now); 8];
        wants.push(want(A, Urgency::Long, 2000, now));
        wants.extend([want(A, Urgency::Short, 500, now); 2]);
        let given = given(&wants, &budget(128, 32, 32));
        assert_eq!(given[..9].iter().sum::<usize>(), 32, "all of them together");
        assert_eq!(given[8], 0, "its owner has had its part by judging");
        assert_eq!(given[9..].iter().sum::<usize>(), 96);
    }

    #[test]
    fn eight_long_prompts_of_one_owner_and_one_of_another_are_read_evenly() {
        let now = Instant::now();
        let mut wants = vec![want(B, Urgency::Long, 2000, now); 8];
        wants.push(want(A, Urgency::Long, 2000, now));
        let given = given(&wants, &budget(512, 128, 64));
        assert_eq!((given[8], given[..8].iter().sum::<usize>()), (64, 64));
    }

    #[test]
    fn what_nobody_waits_for_gets_what_is_left_and_who_waited_long_goes_first() {
        let now = Instant::now();
        let mut wants = [want(A, Urgency::Short, 1, now), want(A, Urgency::Spare, 1, now)];
        assert_eq!(given(&wants, &budget(1, 0, 0)), [1, 0]);
        assert_eq!(given(&wants, &budget(2, 0, 0)), [1, 1]);
        wants[1].waited = true;
        assert_eq!(given(&wants, &budget(1, 0, 0)), [0, 1]);
    }

    #[test]
    fn a_session_gets_no_more_than_this_pass_takes_of_it() {
        let now = Instant::now();
        let wants = [Want { most: 2, ..want(A, Urgency::Short, 9, now) }, want(B, Urgency::Short, 9, now)];
        assert_eq!(given(&wants, &budget(64, 0, 0)), [2, 9]);
    }

    #[test]
    fn sessions_with_costly_rows_share_the_limit_for_them_and_leave_the_rest_to_others() {
        let now = Instant::now();
        let mut wants = vec![Want { costly: true, ..want(B, Urgency::Short, 256, now) }; 16];
        wants.push(want(A, Urgency::Short, 9, now));
        let given = given(&wants, &Budget { costly: 12, ..budget(32, 0, 0) });
        assert_eq!((given[..16].iter().sum::<usize>(), given[16]), (12, 9));
    }

    #[test]
    fn whatever_is_wanted_somebody_gets_something_and_nobody_more_than_there_is() {
        let now = Instant::now();
        for tokens in [1, 2, 7, 64] {
            for urgency in [Urgency::Short, Urgency::Long, Urgency::Spare] {
                for beside in [Urgency::Short, Urgency::Long, Urgency::Spare] {
                    let wants = [want(A, urgency, 100, now), want(B, beside, 3, now)];
                    let given = given(&wants, &budget(tokens, tokens.div_ceil(8), tokens.div_ceil(8)));
                    let sum: usize = given.iter().sum();
                    assert!(sum > 0 && sum <= tokens, "{urgency:?} beside {beside:?}: {given:?}");
                }
            }
        }
    }
}

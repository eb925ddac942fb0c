//! Decides which session makes room when the engine's slots or its cache are full.
//!
//! An owner that has less than its share takes from the owner that has most beyond its own, from sessions at rest
//! first, then from what the target writes ahead and from prompts half read. An owner that has its share makes room
//! among its own sessions, or takes from sessions that nobody has used for a while. So no owner that keeps to its share
//! is unloaded for another's sake while it is at work.
//!
//! A session whose device was served a moment ago and will be back in another is at work too. Among equals it gives way
//! only when that is due ([`super::rotation`]), and then the one goes that had its place longest. The code here is
//! pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::owner::Owner;

/// A resource of which an engine has a limited amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Slots,
    Tokens,
}

/// The state of a session that has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// The session waits for no pass, and has not for a while.
    Rest,
    /// The session waits for no pass, but its last one was a moment ago.
    Paused,
    /// The target writes for it by itself, which can be given up.
    Writing,
    /// Its prompt is half read, which can be given up.
    Reading,
    /// A device waits for its verdict, or it is in the pass that is being filled.
    Pinned,
}

/// The amount of one resource of the engine that one session holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    pub(super) owner: Owner,
    /// Number of slots, or of tokens in the cache.
    pub(super) amount: usize,
    pub(super) work: Work,
    /// Time at which the session was last used.
    pub(super) used: Instant,
    /// Time since which it has its slot.
    pub(super) placed: Instant,
}

/// The amount that is divided, and the rules by which it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    /// Number of slots, or of tokens in the cache, in all.
    pub(super) capacity: usize,
    /// Largest part of it that one owner may have.
    pub(super) each: usize,
    /// Time after its last use in which a session is left alone by an owner that has its share already.
    pub(super) keep: Duration,
    pub(super) now: Instant,
    /// Whether a session at work may give way to one that is no worse off by its owner's share.
    pub(super) may_turn: bool,
}

/// Tells whether an owner has as much as one owner may have, even if some is left.
pub(super) fn is_at_quota(asker: Owner, holdings: &[Holding], division: &Division) -> bool {
    holdings.iter().filter(|h| h.owner == asker).map(|h| h.amount).sum::<usize>() >= division.each
}

/// Returns the index of the holding that makes room for `asker`; `None` if none does.
pub(super) fn victim(asker: Owner, holdings: &[Holding], division: &Division) -> Option<usize> {
    let mut held: BTreeMap<Owner, usize> = BTreeMap::from([(asker, 0)]);
    holdings.iter().for_each(|holding| *held.entry(holding.owner).or_default() += holding.amount);
    let share = (division.capacity / held.len()).max(1);
    let has = held[&asker];
    let oldest = |work: Work, eligible: &dyn Fn(&Holding) -> bool| {
        let fits = |(_, holding): &(usize, &Holding)| holding.work == work && holding.amount > 0 && eligible(holding);
        holdings.iter().enumerate().filter(fits).min_by_key(|(_, holding)| holding.used).map(|(i, _)| i)
    };
    let in_turn = |eligible: &dyn Fn(&Holding) -> bool| {
        let is_paused = |holding: &Holding| holding.work == Work::Paused && holding.amount > 0;
        let fits = |(_, holding): &(usize, &Holding)| is_paused(holding) && eligible(holding);
        let longest = holdings.iter().enumerate().filter(fits).min_by_key(|(_, holding)| holding.placed);
        longest.map(|(i, _)| i).filter(|_| division.may_turn)
    };
    let is_own = |holding: &Holding| holding.owner == asker;
    let own = || oldest(Work::Rest, &is_own).or_else(|| in_turn(&is_own));
    if has >= division.each {
        return own();
    }
    let stale = |holding: &Holding| division.now.saturating_duration_since(holding.used) >= division.keep;
    if has >= share {
        return own().or_else(|| oldest(Work::Rest, &stale));
    }
    let mut above: Vec<_> = held.iter().filter(|(owner, amount)| **amount > share && **owner != asker).collect();
    above.sort_by_key(|(_, amount)| std::cmp::Reverse(**amount));
    let of = |work| above.iter().find_map(|(owner, _)| oldest(work, &|holding| holding.owner == **owner));
    let of_who_has_most = [Work::Rest, Work::Paused, Work::Writing, Work::Reading].into_iter().find_map(of);
    of_who_has_most.or_else(own).or_else(|| oldest(Work::Rest, &|_| true)).or_else(|| in_turn(&|_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);
    const C: Owner = Owner::Token([3; 32]);

    struct Scene {
        start: Instant,
        holdings: Vec<Holding>,
    }

    impl Scene {
        fn new() -> Self {
            Self { start: Instant::now(), holdings: Vec::new() }
        }

        fn with(mut self, owner: Owner, count: usize, work: Work, used: u64) -> Self {
            let used = self.start + Duration::from_secs(used);
            let placed = |i| self.start + Duration::from_secs(i as u64);
            self.holdings.extend((0..count).map(|i| Holding { owner, amount: 1, work, used, placed: placed(i) }));
            self
        }

        fn victim(&self, asker: Owner, each: usize) -> Option<&Holding> {
            self.victim_if(asker, each, false)
        }

        fn victim_if(&self, asker: Owner, each: usize, may_turn: bool) -> Option<&Holding> {
            let (now, keep) = (self.start + Duration::from_secs(100), Duration::from_secs(30));
            let division = Division { capacity: self.holdings.len(), each, keep, now, may_turn };
            victim(asker, &self.holdings, &division).map(|i| &self.holdings[i])
        }
    }

    #[test]
    fn who_has_nothing_takes_from_who_hoards_even_if_all_of_it_is_at_work() {
        let scene = Scene::new().with(B, 60, Work::Writing, 99).with(C, 4, Work::Rest, 0);
        let victim = scene.victim(A, usize::MAX).expect("a victim");
        assert_eq!((victim.owner, victim.work), (B, Work::Writing), "C has no more than its share");
        let scene = scene.with(B, 1, Work::Rest, 98);
        assert_eq!(scene.victim(A, usize::MAX).map(|v| (v.owner, v.work)), Some((B, Work::Rest)), "rest goes first");
    }

    #[test]
    fn who_hoards_unloads_its_own_sessions_and_nobody_elses_that_was_used_lately() {
        let scene = Scene::new().with(B, 60, Work::Rest, 99).with(A, 4, Work::Rest, 90);
        assert_eq!(scene.victim(B, usize::MAX).map(|victim| victim.owner), Some(B));
        let scene = Scene::new().with(B, 60, Work::Writing, 99).with(A, 4, Work::Rest, 90);
        assert!(scene.victim(B, usize::MAX).is_none());
        let scene = Scene::new().with(B, 60, Work::Writing, 99).with(A, 4, Work::Rest, 60);
        assert_eq!(scene.victim(B, usize::MAX).map(|victim| victim.owner), Some(A), "unused for 40 s");
    }

    #[test]
    fn one_owner_alone_unloads_the_session_that_it_has_not_used_for_longest() {
        let scene = Scene::new().with(A, 2, Work::Rest, 50).with(A, 1, Work::Rest, 20).with(A, 1, Work::Pinned, 1);
        let victim = scene.victim(A, usize::MAX).expect("a victim");
        assert_eq!(victim.used, scene.start + Duration::from_secs(20));
    }

    #[test]
    fn a_quota_holds_although_others_are_at_rest() {
        let scene = Scene::new().with(A, 2, Work::Writing, 99).with(B, 10, Work::Rest, 0);
        assert!(scene.victim(A, 2).is_none());
        let division = Division { capacity: 100, each: 2, keep: Duration::ZERO, now: scene.start, may_turn: true };
        assert!(is_at_quota(A, &scene.holdings, &division) && !is_at_quota(C, &scene.holdings, &division));
    }

    #[test]
    fn who_is_at_work_gives_way_to_an_equal_only_in_its_turn_and_to_who_has_less_than_its_share_at_once() {
        let alone = Scene::new().with(A, 4, Work::Paused, 99).with(A, 2, Work::Pinned, 99);
        assert!(alone.victim(A, usize::MAX).is_none());
        let turn = alone.victim_if(A, usize::MAX, true).expect("its turn");
        assert_eq!((turn.work, turn.placed), (Work::Paused, alone.start), "who had its place longest");
        let many = Scene::new().with(B, 1, Work::Paused, 99).with(C, 1, Work::Pinned, 99);
        assert!(many.victim(A, usize::MAX).is_none(), "nobody has more than its share");
        assert_eq!(many.victim_if(A, usize::MAX, true).map(|v| v.owner), Some(B));
        let hoard = Scene::new().with(B, 8, Work::Paused, 99).with(A, 1, Work::Pinned, 99);
        assert_eq!(hoard.victim(A, usize::MAX).map(|v| v.owner), Some(B));
    }

    #[test]
    fn with_more_owners_than_there_is_to_share_who_has_nothing_still_gets_something() {
        let scene = Scene::new().with(B, 1, Work::Rest, 10).with(C, 1, Work::Rest, 20);
        assert_eq!(scene.victim(A, usize::MAX).map(|victim| victim.owner), Some(B));
    }
}

//! Counts how much of the target each owner and each of its sessions has had, by virtual token counters (VTC, arXiv
//! 2401.00588).
//!
//! A counter grows by the work that the target did for its holder (reading, judging, writing ahead and scoring), each
//! kind with its weight. The holder with the smallest counter goes first. A holder that was away comes back with at
//! least the smallest counter of those at work, so that nobody saves up; and no owner at work falls behind the others
//! by more than [`LAG`], so that one that could not be served for other reasons does not take everything afterwards.
//! Work is counted in tokens and not in seconds: one pass that the machine was slow at says nothing about who asked for
//! it. The code here is pure.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::owner::Owner;

/// The bytes of a session's name.
pub(crate) type SessionKey = [u8; 16];

/// Weight of a token that goes through the target.
pub(super) const TOKEN: u64 = 4;
/// Weight of a row that is scored: its winner is found.
pub(super) const ROW: u64 = 1;
/// Weight of the mask of a row whose generation has a grammar. It may take the target's thread a few milliseconds, as a
/// token's share of a pass does.
pub(super) const MASK: u64 = 4;
/// Weight of a row whose distribution is wanted as well.
pub(super) const LABELLED_ROW: u64 = 4;
/// Largest lag of one owner's counter behind another's while both are at work, in weighted tokens: the work of a few
/// passes.
const LAG: u64 = 256 * TOKEN;
/// Number of counters of one level above which those of holders that are away begin to be forgotten.
const REMEMBERED: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// Weighted work that was done for the holder, raised when the holder comes back from being away.
    served: u64,
    is_busy: bool,
}

/// Counters of one level: those of all owners, or of all sessions of one owner.
#[derive(Debug)]
struct Counters<K> {
    of: HashMap<K, Counter>,
    /// Counters of the holders that are at work, in ascending order.
    busy: BTreeSet<(u64, K)>,
    /// Counter of the holder that was at work last, for the time while nobody is.
    left: u64,
}

impl<K> Default for Counters<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), busy: BTreeSet::new(), left: 0 }
    }
}

impl<K: Copy + Ord + Hash> Counters<K> {
    fn floor(&self) -> u64 {
        self.busy.first().map_or(self.left, |(served, _)| *served)
    }

    fn arrive(&mut self, key: K) {
        let floor = self.floor();
        let counter = self.of.entry(key).or_default();
        if !counter.is_busy {
            *counter = Counter { served: counter.served.max(floor), is_busy: true };
            self.busy.insert((counter.served, key));
        }
    }

    fn leave(&mut self, key: K) {
        let Some(counter) = self.of.get_mut(&key).filter(|counter| counter.is_busy) else { return };
        counter.is_busy = false;
        self.left = counter.served;
        self.busy.remove(&(counter.served, key));
        if self.of.len() > REMEMBERED {
            let floor = self.floor();
            self.of.retain(|_, counter| counter.is_busy || counter.served > floor);
            if self.of.len() > 2 * REMEMBERED {
                self.of.retain(|_, counter| counter.is_busy);
            }
        }
    }

    fn set(&mut self, key: K, change: impl FnOnce(u64) -> u64) {
        let counter = self.of.entry(key).or_default();
        let served = change(counter.served);
        if counter.is_busy {
            self.busy.remove(&(counter.served, key));
            self.busy.insert((served, key));
        }
        counter.served = served;
    }

    fn charge(&mut self, key: K, work: u64) {
        self.set(key, |served| served.saturating_add(work));
    }

    fn served(&self, key: K) -> u64 {
        self.of.get(&key).map_or(0, |counter| counter.served)
    }

    /// Lifts the counters of holders at work that lag behind the largest one by more than `lag`.
    fn bound(&mut self, lag: u64) {
        let Some(most) = self.busy.last().map(|(served, _)| *served) else { return };
        let least = most.saturating_sub(lag);
        while let Some((_, key)) = self.busy.first().copied().filter(|(served, _)| *served < least) {
            self.set(key, |_| least);
        }
    }
}

/// The counters of owners, and of the sessions of each.
#[derive(Debug, Default)]
pub(crate) struct Fair {
    owners: Counters<Owner>,
    sessions: HashMap<Owner, Counters<SessionKey>>,
}

impl Fair {
    /// Takes note that a session has work, if it had none.
    pub(crate) fn arrive(&mut self, owner: Owner, session: SessionKey) {
        self.sessions.entry(owner).or_default().arrive(session);
        self.owners.arrive(owner);
    }

    /// Takes note that a session has no work, if it had some.
    pub(crate) fn leave(&mut self, owner: Owner, session: SessionKey) {
        let Some(sessions) = self.sessions.get_mut(&owner) else { return };
        sessions.leave(session);
        if sessions.busy.is_empty() {
            self.owners.leave(owner);
        }
    }

    /// Forgets a session that has ended. The counter of its owner stays as it is.
    pub(crate) fn forget(&mut self, owner: Owner, session: SessionKey) {
        self.leave(owner, session);
        if let Some(sessions) = self.sessions.get_mut(&owner) {
            sessions.of.remove(&session);
            if sessions.of.is_empty() {
                self.sessions.remove(&owner);
            }
        }
    }

    /// Charges a session, and its owner, with work that the target has done.
    pub(crate) fn charge(&mut self, owner: Owner, session: SessionKey, work: u64) {
        self.owners.charge(owner, work);
        if let Some(sessions) = self.sessions.get_mut(&owner) {
            sessions.charge(session, work);
        }
    }

    /// Lifts the counters of owners at work that lag behind the largest one by more than [`LAG`].
    pub(crate) fn bound(&mut self) {
        self.owners.bound(LAG);
    }

    /// Returns the counter of an owner.
    pub(crate) fn of_owner(&self, owner: Owner) -> u64 {
        self.owners.served(owner)
    }

    /// Returns the counter of a session, to be compared with those of its owner's other sessions.
    pub(crate) fn of_session(&self, owner: Owner, session: SessionKey) -> u64 {
        self.sessions.get(&owner).map_or(0, |sessions| sessions.served(session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);

    /// Serves whoever has had least, so often; returns how often each was served.
    fn serve(fair: &mut Fair, sessions: &[(Owner, u8)], times: usize) -> Vec<usize> {
        let mut served = vec![0; sessions.len()];
        for _ in 0..times {
            let key = |i: &usize| {
                let (owner, session) = sessions[*i];
                (fair.of_owner(owner), fair.of_session(owner, [session; 16]))
            };
            let next = (0..sessions.len()).min_by_key(key).expect("sessions");
            let (owner, session) = sessions[next];
            fair.charge(owner, [session; 16], 1);
            served[next] += 1;
        }
        served
    }

    #[test]
    fn an_owner_with_many_sessions_gets_no_more_than_one_with_one() {
        let mut fair = Fair::default();
        let sessions: Vec<_> = (0..9).map(|i| (if i == 0 { A } else { B }, i)).collect();
        sessions.iter().for_each(|(owner, i)| fair.arrive(*owner, [*i; 16]));
        let served = serve(&mut fair, &sessions, 160);
        assert_eq!(served[0], 80);
        assert_eq!(served[1..], [10; 8], "and its sessions share that evenly");
    }

    #[test]
    fn who_was_away_has_saved_up_nothing_and_who_worked_alone_owes_nothing() {
        let mut fair = Fair::default();
        fair.arrive(A, [1; 16]);
        fair.arrive(B, [2; 16]);
        fair.leave(B, [2; 16]);
        fair.charge(A, [1; 16], 5000);
        fair.arrive(B, [2; 16]);
        assert_eq!(fair.of_owner(A), fair.of_owner(B));
        assert_eq!(serve(&mut fair, &[(A, 1), (B, 2)], 10), [5, 5]);
    }

    #[test]
    fn a_session_that_is_closed_and_opened_again_does_not_shed_what_its_owner_has_had() {
        let mut fair = Fair::default();
        fair.arrive(A, [1; 16]);
        fair.arrive(B, [2; 16]);
        fair.charge(A, [1; 16], 100);
        fair.forget(A, [1; 16]);
        fair.arrive(A, [3; 16]);
        assert!(fair.of_owner(A) >= fair.of_owner(B) + 100);
    }

    #[test]
    fn who_could_not_be_served_does_not_take_everything_afterwards() {
        let mut fair = Fair::default();
        fair.arrive(A, [1; 16]);
        fair.arrive(B, [2; 16]);
        fair.charge(A, [1; 16], 60_000);
        fair.bound();
        assert_eq!(fair.of_owner(A) - fair.of_owner(B), LAG);
    }

    #[test]
    fn owners_that_come_and_go_are_not_remembered_for_ever() {
        let mut fair = Fair::default();
        for i in 0..20_000u32 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&i.to_le_bytes());
            let owner = Owner::Token(token);
            fair.arrive(owner, [0; 16]);
            fair.charge(owner, [0; 16], u64::from(i % 7));
            fair.forget(owner, [0; 16]);
        }
        assert!(fair.owners.of.len() <= 2 * REMEMBERED + 1 && fair.sessions.is_empty());
    }
}

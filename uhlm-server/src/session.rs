//! The table of sessions: who owns one, what it holds, what it waits for, and which one has to go when room is short.
//!
//! Lives on the scheduler's thread; nothing here is shared.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use uhlm_law::verification::TargetSequence;

use crate::auth::Owner;
use crate::scheduler::job::{Active, Job};
use crate::session_id::SessionId;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) owner: Owner,
    pub(crate) sequence: TargetSequence,
    /// Its sequence in the engine, while it has one.
    pub(crate) slot: Option<u32>,
    /// Requests that wait, in order of arrival.
    pub(crate) waiting: VecDeque<Job>,
    /// The request that is being decoded.
    pub(crate) active: Option<Active>,
    pub(crate) last_use: Instant,
}

impl Session {
    fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty()
    }
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Table {
    sessions: HashMap<SessionId, Session>,
    limit: usize,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self { sessions: HashMap::new(), limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.sessions.len() >= self.limit
    }

    /// Adds a session under a fresh name.
    pub(crate) fn open(&mut self, owner: Owner, sequence: TargetSequence, now: Instant) -> Option<SessionId> {
        let id = SessionId::random()?;
        let session = Session { owner, sequence, slot: None, waiting: VecDeque::new(), active: None, last_use: now };
        self.sessions.insert(id, session);
        Some(id)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// The session, if it exists and belongs to `owner`: to anybody else it does not exist.
    pub(crate) fn owned(&mut self, id: SessionId, owner: Owner) -> Option<&mut Session> {
        self.sessions.get_mut(&id).filter(|session| session.owner == owner)
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.sessions.remove(&id)
    }

    /// Sessions whose next request can be looked at.
    pub(crate) fn waiting(&self) -> Vec<SessionId> {
        let is_waiting = |session: &Session| session.active.is_none() && !session.waiting.is_empty();
        self.iter().filter(|(_, session)| is_waiting(session)).map(|(id, _)| id).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (SessionId, &mut Session)> {
        self.sessions.iter_mut().map(|(id, session)| (*id, session))
    }

    /// The session that was idle longest: the one to evict.
    pub(crate) fn longest_idle(&self) -> Option<SessionId> {
        self.longest_unused(|session| session.is_idle())
    }

    /// The session with a slot that was unused longest and is not being decoded: the one whose cache can go.
    pub(crate) fn longest_unused_slot(&self) -> Option<SessionId> {
        self.longest_unused(|session| session.slot.is_some() && session.active.is_none())
    }

    fn longest_unused(&self, eligible: impl Fn(&Session) -> bool) -> Option<SessionId> {
        self.iter().filter(|(_, session)| eligible(session)).min_by_key(|(_, s)| s.last_use).map(|(id, _)| id)
    }

    /// Sessions that nothing came from since `idle` ago.
    pub(crate) fn expired(&self, idle: Duration, now: Instant) -> Vec<SessionId> {
        let is_expired = |session: &Session| session.is_idle() && now.duration_since(session.last_use) >= idle;
        self.iter().filter(|(_, session)| is_expired(session)).map(|(id, _)| id).collect()
    }

    /// When the next idle session expires.
    pub(crate) fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.iter().filter(|(_, session)| session.is_idle()).map(|(_, session)| session.last_use + idle).min()
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::sampling::{SamplingChain, SamplingParams};

    use super::*;

    fn sequence() -> TargetSequence {
        TargetSequence::new(SamplingChain::new(SamplingParams::default()).expect("valid"), 1, 10, 64)
    }

    #[test]
    fn the_session_unused_longest_goes_first_and_busy_ones_stay() {
        let mut table = Table::new(3);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = table.open(None, sequence(), at(0)).expect("opened");
        let second = table.open(None, sequence(), at(1)).expect("opened");
        assert_eq!(table.longest_idle(), Some(first));
        if let Some(session) = table.get_mut(first) {
            session.last_use = at(2);
        }
        assert_eq!(table.longest_idle(), Some(second));
        assert_eq!(table.longest_unused_slot(), None, "none has a slot");
        assert_eq!(table.expired(Duration::from_secs(5), at(6)), [second]);
        assert_eq!(table.next_expiry(Duration::from_secs(5)), Some(at(6)));
    }

    #[test]
    fn a_session_does_not_exist_for_another_owner() {
        use uhlm_law::protocol::Digest;
        let mut table = Table::new(1);
        let owner = Some(Digest([1; 32]));
        let id = table.open(owner, sequence(), Instant::now()).expect("opened");
        assert!(table.owned(id, owner).is_some());
        assert!(table.owned(id, Some(Digest([2; 32]))).is_none());
        assert!(table.owned(id, None).is_none());
    }
}

//! The table of sessions: who owns one, what it holds, who listens, and which one has to go when room is short.
//!
//! Lives on the scheduler's thread; nothing here is shared. What a session decides is [`TargetSession`]'s.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uhlm_law::advance::{Drawing, Limits, Progress, Sent, SessionId, StreamId, TargetSession};
use uhlm_law::pass_times::Acceptance;

use crate::auth::Owner;
use crate::metrics::Metrics;
use crate::scheduler::job::{Active, Listener};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) owner: Owner,
    pub(crate) target: TargetSession,
    /// Chain and noise of its generation; `None` before the first.
    pub(crate) drawing: Option<Drawing>,
    /// Its sequence in the engine, while it has one.
    pub(crate) slot: Option<u32>,
    /// The pass that it was planned, from there until its rows are scored.
    pub(crate) active: Option<Active>,
    /// Whether something has happened since it was last asked what it does next.
    pub(crate) stirred: bool,
    /// When its last request arrived.
    pub(crate) arrived: Instant,
    /// When what makes its next pass possible was there.
    pub(crate) ready: Instant,
    pub(crate) last_use: Instant,
    /// How often its drafted tokens stand.
    pub(crate) acceptance: Acceptance,
    /// Answers that are not complete.
    listeners: Vec<Listener>,
    /// Frames that go out with the next [`Self::flush`].
    outbox: Vec<Sent>,
    streams: u64,
}

impl Session {
    fn new(owner: Owner, limits: Limits, now: Instant) -> Self {
        Self {
            owner,
            target: TargetSession::new(limits),
            drawing: None,
            slot: None,
            active: None,
            stirred: false,
            arrived: now,
            ready: now,
            last_use: now,
            acceptance: Acceptance::new(),
            listeners: Vec::new(),
            outbox: Vec::new(),
            streams: 0,
        }
    }

    /// Tells whether it has nothing to do and nobody listens.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_none() && self.listeners.is_empty() && !self.stirred
    }

    /// Returns the name of the next answer.
    pub(crate) fn next_stream(&mut self) -> StreamId {
        self.streams += 1;
        StreamId(self.streams)
    }

    /// Leaves word for who listens.
    pub(crate) fn report(&self, progress: Progress) {
        self.listeners.iter().for_each(|listener| listener.gauge.set(progress));
    }

    pub(crate) fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Keeps frames for the next [`Self::flush`].
    pub(crate) fn say(&mut self, sent: impl IntoIterator<Item = Sent>) {
        self.outbox.extend(sent);
    }

    /// Hands over what waits to go out, all frames of an answer at once, so that they go out in one write.
    pub(crate) fn flush(&mut self, metrics: &Metrics) {
        let mut outbox = std::mem::take(&mut self.outbox);
        if outbox.is_empty() {
            return;
        }
        for listener in std::mem::take(&mut self.listeners) {
            let frames = outbox.extract_if(.., |sent| sent.stream == listener.stream).map(|sent| sent.frame).collect();
            self.listeners.extend(listener.send(frames, metrics));
        }
    }

    /// Takes answers out that nobody waits for any more, and returns their names.
    pub(crate) fn take_abandoned(&mut self) -> Vec<StreamId> {
        self.listeners.extract_if(.., |listener| listener.is_abandoned()).map(|listener| listener.stream).collect()
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

    /// Adds a session under a name that nobody else has.
    pub(crate) fn open(&mut self, id: SessionId, owner: Owner, limits: Limits, now: Instant) {
        self.sessions.insert(id, Session::new(owner, limits, now));
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Returns the session, if it exists and belongs to `owner`: to anybody else it does not exist.
    pub(crate) fn owned(&mut self, id: SessionId, owner: Owner) -> Option<&mut Session> {
        self.sessions.get_mut(&id).filter(|session| session.owner == owner)
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.sessions.remove(&id)
    }

    /// Returns the sessions that have not been asked what they do next since something happened to them.
    pub(crate) fn stirred(&self) -> Vec<SessionId> {
        self.iter().filter(|(_, session)| session.stirred).map(|(id, _)| id).collect()
    }

    /// Tells whether a session has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.iter().any(|(_, session)| session.active.is_some() || session.stirred)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (SessionId, &mut Session)> {
        self.sessions.iter_mut().map(|(id, session)| (*id, session))
    }

    /// Returns the session that was idle longest: the one to evict.
    pub(crate) fn longest_idle(&self) -> Option<SessionId> {
        self.longest_unused(Session::is_idle)
    }

    /// Returns the session with a slot that was unused longest and has no pass: the one whose cache can go.
    pub(crate) fn longest_unused_slot(&self) -> Option<SessionId> {
        self.longest_unused(|session| session.slot.is_some() && session.active.is_none())
    }

    fn longest_unused(&self, eligible: impl Fn(&Session) -> bool) -> Option<SessionId> {
        self.iter().filter(|(_, session)| eligible(session)).min_by_key(|(_, s)| s.last_use).map(|(id, _)| id)
    }

    /// Returns the sessions that nothing came from since `idle` ago.
    pub(crate) fn expired(&self, idle: Duration, now: Instant) -> Vec<SessionId> {
        let is_expired = |session: &Session| session.is_idle() && now.duration_since(session.last_use) >= idle;
        self.iter().filter(|(_, session)| is_expired(session)).map(|(id, _)| id).collect()
    }

    /// Returns when the next idle session expires.
    pub(crate) fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.iter().filter(|(_, session)| session.is_idle()).map(|(_, session)| session.last_use + idle).min()
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::protocol::Digest;

    use super::*;

    const LIMITS: Limits = Limits { vocabulary_size: 10, context: 64, max_draft: 8 };

    #[test]
    fn the_session_unused_longest_goes_first_and_busy_ones_stay() {
        let mut table = Table::new(3);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (first, second) = (SessionId([1; 16]), SessionId([2; 16]));
        table.open(first, None, LIMITS, at(0));
        table.open(second, None, LIMITS, at(1));
        assert_eq!(table.longest_idle(), Some(first));
        if let Some(session) = table.get_mut(first) {
            session.last_use = at(2);
        }
        assert_eq!(table.longest_idle(), Some(second));
        assert_eq!(table.longest_unused_slot(), None, "none has a slot");
        assert_eq!(table.expired(Duration::from_secs(5), at(6)), [second]);
        assert_eq!(table.next_expiry(Duration::from_secs(5)), Some(at(6)));
        if let Some(session) = table.get_mut(second) {
            session.stirred = true;
        }
        assert_eq!(table.longest_idle(), Some(first), "who has something to do is not idle");
        assert_eq!(table.stirred(), [second]);
    }

    #[test]
    fn a_session_does_not_exist_for_another_owner() {
        let mut table = Table::new(1);
        let owner = Some(Digest([1; 32]));
        let id = SessionId([1; 16]);
        table.open(id, owner, LIMITS, Instant::now());
        assert!(table.owned(id, owner).is_some());
        assert!(table.owned(id, Some(Digest([2; 32]))).is_none());
        assert!(table.owned(id, None).is_none());
    }
}

//! One session: its owner, what it holds, the pass that it waits for, and its listeners.
//!
//! Lives on the scheduler's thread; nothing here is shared. What a session decides is [`TargetSession`]'s, which
//! sessions there are is in [`table`].

pub(crate) mod table;

use std::time::Instant;

use uhlm_law::advance::{Drawing, Limits, Progress, Sent, StreamId, TargetSession};
use uhlm_law::pass_times::Acceptance;

use crate::metrics::Metrics;
use crate::owner::Owner;
use crate::scheduler::job::{Active, Listener};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) owner: Owner,
    pub(crate) target: TargetSession,
    /// Chain and noise of the session's generation; `None` before the first.
    pub(crate) drawing: Option<Drawing>,
    /// The session's sequence in the engine; `None` while it has none.
    pub(crate) slot: Option<u32>,
    /// Time at which it got that.
    pub(crate) placed: Instant,
    /// The pass that is planned for the session, until its rows are scored.
    pub(crate) active: Option<Active>,
    /// Whether something has happened since the session was last asked what it does next.
    pub(crate) stirred: bool,
    /// Time at which the last request of the session arrived.
    pub(crate) arrived: Instant,
    /// Time at which the session's next pass became possible.
    pub(crate) ready: Instant,
    /// Time at which the session was last used: of its last request, or of the last pass that was made for it.
    pub(crate) last_use: Instant,
    /// Running estimate of how often the session's drafted tokens are accepted.
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
            placed: now,
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

    /// Tells whether the session has nothing to do and nobody listens to it.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_none() && self.listeners.is_empty() && !self.stirred
    }

    /// Tells whether a pass of the engine had no room for the session since its own became possible.
    pub(crate) fn was_passed_over(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.passed_over > 0)
    }

    /// Returns the name of the next answer.
    pub(crate) fn next_stream(&mut self) -> StreamId {
        self.streams += 1;
        StreamId(self.streams)
    }

    /// Reports progress to all listeners.
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

    /// Removes the answers that nobody waits for any more, and returns their names.
    pub(crate) fn take_abandoned(&mut self) -> Vec<StreamId> {
        self.listeners.extract_if(.., |listener| listener.is_abandoned()).map(|listener| listener.stream).collect()
    }
}

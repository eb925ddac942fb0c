//! The work that reaches a local verifier, with whoever waits for the answers.

use std::time::{Duration, Instant};

use uhlm_core::verifier::{Reply, Request};
use uhlm_law::advance::SessionId;
use uhlm_law::cancel::Cancel;

/// When a request was made and until when its answer is of use.
pub(super) struct Ticket {
    pub(super) asked: Instant,
    /// Time until the answer, or the longest silence of a stream.
    pub(super) deadline: Duration,
    /// Raised once nobody waits any more.
    pub(super) cancel: Cancel,
}

impl Ticket {
    pub(super) fn new(deadline: Duration, cancel: Cancel) -> Self {
        Self { asked: Instant::now(), deadline, cancel }
    }
}

/// A request with its reply.
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) request: Request,
    pub(super) reply: Reply,
}

/// A message to the thread that owns the sequences.
pub(super) enum Work {
    Asked(Box<Asked>),
    /// The call of a request was dropped.
    Dropped,
    TakeCache(SessionId),
    Restart,
}

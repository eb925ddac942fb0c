//! What reaches a local verifier, with whoever waits for the answers.

use std::time::{Duration, Instant};

use uhlm_core::verifier::{FrameReply, Reply, VerifierError};
use uhlm_law::advance::{Advance, Info, Open, Opened, SessionId};
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

/// A request to take a session's text further.
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) request: Advance,
    pub(super) reply: FrameReply,
}

/// What the thread that owns the sequences is told.
pub(super) enum Work {
    Info(Ticket, Reply<Info>),
    Open(Ticket, Open, Reply<Opened>),
    Advance(SessionId, Box<Asked>),
    /// The call of a stream was dropped.
    Dropped,
    Close(SessionId),
    TakeCache(SessionId),
    Restart,
}

impl Work {
    /// Answers with a failure.
    pub(super) fn fail(self, error: VerifierError) {
        match self {
            Self::Info(_, reply) => reply(Err(error)),
            Self::Open(_, _, reply) => reply(Err(error)),
            Self::Advance(_, mut asked) => (asked.reply)(Err(error)),
            Self::Dropped | Self::Close(_) | Self::TakeCache(_) | Self::Restart => {}
        }
    }
}

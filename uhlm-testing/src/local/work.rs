//! The requests that reach a local verifier, with whoever waits for their answers.

use std::time::{Duration, Instant};

use uhlm_core::verifier::{ContinueReply, Reply, VerifierError};
use uhlm_law::cancel::Cancel;
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse,
};

/// When a request was made and until when its answer is of use.
pub(super) struct Ticket {
    pub(super) asked: Instant,
    pub(super) deadline: Duration,
    /// `None` where the deadline lies beyond what the clock can say.
    pub(super) expires: Option<Instant>,
    pub(super) cancel: Cancel,
}

impl Ticket {
    pub(super) fn new(deadline: Duration, cancel: Cancel) -> Self {
        let asked = Instant::now();
        Self { asked, deadline, expires: asked.checked_add(deadline), cancel }
    }
}

/// A window to judge.
pub(super) struct Verify {
    pub(super) ticket: Ticket,
    pub(super) request: VerifyRequest,
    pub(super) reply: Reply<VerifyResponse>,
}

/// One request, with whoever waits for its answer.
pub(super) enum Work {
    Info(Ticket, Reply<Info>),
    Open(Ticket, OpenRequest, Reply<OpenResponse>),
    Verify(String, Verify),
    Draws(String, Ticket, DrawsRequest, Reply<DrawsResponse>),
    Continue(String, Ticket, ContinueRequest, ContinueReply),
    Close(String),
}

impl Work {
    /// Answers with a failure.
    pub(super) fn fail(self, error: VerifierError) {
        match self {
            Self::Info(_, reply) => reply(Err(error)),
            Self::Open(_, _, reply) => reply(Err(error)),
            Self::Verify(_, verify) => (verify.reply)(Err(error)),
            Self::Draws(_, _, _, reply) => reply(Err(error)),
            Self::Continue(_, _, _, mut reply) => reply(Err(error)),
            Self::Close(_) => {}
        }
    }
}

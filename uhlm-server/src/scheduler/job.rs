//! What the scheduler is asked to do, and the request that a session is being decoded for.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uhlm_law::protocol::{
    ContinueFrame, ContinueRequest, DrawsRequest, DrawsResponse, ErrorBody, Timing, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::SamplingChain;
use uhlm_law::verification::Plan;

use crate::auth::Owner;
use crate::metrics::Metrics;
use crate::session_id::SessionId;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, ErrorBody>>;

/// Frames of a continuation. Unbounded, but a continuation is no longer than a context.
pub(crate) type Frames = mpsc::UnboundedReceiver<ContinueFrame>;

/// What goes over the channel to the scheduler.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new session.
    Open { owner: Owner, chain: SamplingChain, seed: u64, reply: Reply<SessionId> },
    /// The end of a session.
    Close { owner: Owner, session: SessionId, reply: Reply<()> },
    /// A request of a session.
    Job { owner: Owner, session: SessionId, job: Job },
    /// Refuse what waits and end.
    Stop,
}

/// A place in the queue, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Place {
    /// Takes one, if there is one.
    pub(crate) fn take(queue: &Arc<Semaphore>, metrics: &Arc<Metrics>) -> Option<Self> {
        let permit = Arc::clone(queue).try_acquire_owned().ok()?;
        metrics.requests_waiting.inc();
        Some(Self { _permit: permit, metrics: Arc::clone(metrics) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.requests_waiting.dec();
    }
}

/// A request of a session that waits for its turn.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) arrived: Instant,
    /// Since when it is known that its predecessor is missing.
    pub(crate) early_since: Option<Instant>,
    pub(crate) place: Place,
}

/// The requests that wait their turn.
#[derive(Debug)]
pub(crate) enum Work {
    Verify { request: VerifyRequest, reply: Reply<VerifyResponse> },
    Draws { request: DrawsRequest, reply: Reply<DrawsResponse> },
    Continue { request: ContinueRequest, reply: Reply<Frames> },
}

impl Job {
    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.work {
            Work::Verify { reply, .. } => reply.is_closed(),
            Work::Draws { reply, .. } => reply.is_closed(),
            Work::Continue { reply, .. } => reply.is_closed(),
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(self, error: ErrorBody) {
        drop(self.place);
        // A client that went away needs no answer.
        match self.work {
            Work::Verify { reply, .. } => drop(reply.send(Err(error))),
            Work::Draws { reply, .. } => drop(reply.send(Err(error))),
            Work::Continue { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// The request that a session is being decoded for.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) answer: Answer,
    pub(crate) arrived: Instant,
    /// When its first token went into a pass.
    pub(crate) begun: Option<Instant>,
    pub(crate) plan: Plan,
    /// How many of the plan's tokens the engine holds.
    pub(crate) done: usize,
    /// Passes that had no room for it, one after the other.
    pub(crate) passed_over: u32,
    pub(crate) place: Place,
}

/// Who gets what comes of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Verify { request: VerifyRequest, reply: Reply<VerifyResponse> },
    Continue { seq: u32, step: u64, max_tokens: u64, frames: mpsc::UnboundedSender<ContinueFrame> },
}

impl Active {
    pub(crate) fn new(answer: Answer, plan: Plan, arrived: Instant, place: Place) -> Self {
        Self { answer, arrived, begun: None, plan, done: 0, passed_over: 0, place }
    }

    /// Tokens still to be decoded.
    pub(crate) fn remaining(&self) -> usize {
        self.plan.tokens.len() - self.done
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.answer {
            Answer::Verify { reply, .. } => reply.is_closed(),
            Answer::Continue { frames, .. } => frames.is_closed(),
        }
    }

    pub(crate) fn refuse(self, error: ErrorBody) {
        drop(self.place);
        match self.answer {
            Answer::Verify { reply, .. } => drop(reply.send(Err(error))),
            Answer::Continue { frames, .. } => drop(frames.send(ContinueFrame::Failed { error })),
        }
    }

    /// Time spent so far.
    pub(crate) fn timing(&self) -> Timing {
        let begun = self.begun.unwrap_or_else(Instant::now);
        let micros = |duration: std::time::Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        Timing { queue_us: micros(begun.duration_since(self.arrived)), decode_us: micros(begun.elapsed()) }
    }
}

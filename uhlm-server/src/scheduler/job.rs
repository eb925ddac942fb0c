//! The requests to the scheduler, the answers that are not complete, and the pass that a session waits for.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use uhlm_law::advance::{Advance, ErrorBody, Frame, PassTiming, Plan, Row, SessionId, StreamId};
use uhlm_law::grammar::Constraint;
use uhlm_law::sampling::TokenId;

use super::pulse::Gauge;
use crate::metrics::Metrics;
use crate::owner::Owner;
use crate::owner::pool::{Full, Held, Pool};

pub(crate) type Reply<T> = oneshot::Sender<Result<T, ErrorBody>>;
/// The other end of a [`Reply`].
pub(crate) type Awaited<T> = oneshot::Receiver<Result<T, ErrorBody>>;

/// The frames of an answer; those that go out together come together. Unbounded, but an answer is no longer than a
/// context.
pub(crate) type Frames = mpsc::UnboundedReceiver<Vec<Frame>>;

/// A request to the scheduler.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new session, under a name that nobody else has.
    Open { owner: Owner, session: SessionId, reply: Reply<()> },
    /// The question whether there is a session.
    Find { owner: Owner, session: SessionId, reply: Reply<()> },
    /// The end of a session.
    Close { owner: Owner, session: SessionId, reply: Reply<()> },
    /// A request of a session.
    Advance(Box<Call>),
}

impl Command {
    /// Answers with an error.
    pub(super) fn refuse(self, error: &ErrorBody) {
        // A client that went away needs no answer.
        match self {
            Self::Open { reply, .. } | Self::Find { reply, .. } | Self::Close { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Self::Advance(call) => call.refuse(error.clone()),
        }
    }
}

/// A request of a session.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) owner: Owner,
    pub(crate) session: SessionId,
    pub(crate) request: Advance,
    /// State of the grammar with which the request begins a generation; `None` without one.
    pub(crate) constraint: Option<Box<dyn Constraint>>,
    pub(crate) arrived: Instant,
    pub(crate) reply: Reply<Frames>,
    /// The gauge that the scheduler keeps up to date with its progress.
    pub(crate) gauge: Arc<Gauge>,
    /// The room that the request's body takes, given back when this is dropped.
    pub(crate) _room: Option<Held>,
}

impl Call {
    /// Answers with an error.
    pub(crate) fn refuse(self, error: ErrorBody) {
        // A client that went away needs no answer.
        let _ = self.reply.send(Err(error));
    }
}

/// A place in the queue, held by the future of a request and given back when that is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _held: Held,
    metrics: Arc<Metrics>,
}

impl Place {
    /// Takes a place in the queue for `owner`.
    ///
    /// # Errors
    /// [`Full`], which tells whether the owner's places or all of them are taken.
    pub(crate) fn take(queue: &Pool, owner: Owner, metrics: &Arc<Metrics>) -> Result<Self, Full> {
        let held = queue.take(owner, 1)?;
        metrics.requests_waiting.inc();
        Ok(Self { _held: held, metrics: Arc::clone(metrics) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.requests_waiting.dec();
    }
}

/// The way to the client that gets the frames of one answer.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) stream: StreamId,
    pub(crate) frames: mpsc::UnboundedSender<Vec<Frame>>,
    pub(crate) gauge: Arc<Gauge>,
}

impl Listener {
    /// Tells whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.frames.is_closed()
    }

    /// Hands frames over; returns the listener unless the last of them completes the answer.
    pub(crate) fn send(self, frames: Vec<Frame>, metrics: &Metrics) -> Option<Self> {
        frames.iter().for_each(|frame| metrics.frame(frame));
        let Some(last) = frames.last() else { return Some(self) };
        let is_last = last.is_last();
        // A client that went away is noticed by the sweep.
        let _ = self.frames.send(frames);
        (!is_last).then_some(self)
    }
}

/// A pass that a session waits for.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) plan: Plan,
    /// Number of tokens that the engine keeps of the session's sequence.
    pub(crate) start: usize,
    /// Tokens to decode after those.
    pub(crate) tokens: Vec<TokenId>,
    /// Number of `tokens` that the engine holds already.
    pub(crate) done: usize,
    /// The rows that are scored.
    pub(crate) rows: Vec<Row>,
    /// Whether the rows that are scored settle the pass, so that no more tokens need to be decoded.
    pub(crate) settled: bool,
    /// Time at which the pass became possible.
    pub(crate) ready: Instant,
    /// Time at which the pass was planned, or had its last tokens decoded: it waits since then.
    pub(crate) moved: Instant,
    /// Time at which its first token went into a pass of the engine; `None` before that.
    pub(crate) begun: Option<Instant>,
    /// Number of passes of the engine in a row that had no room for it.
    pub(crate) passed_over: u32,
}

impl Active {
    pub(crate) fn new(plan: Plan, ready: Instant, now: Instant) -> Self {
        Self {
            start: plan.keep,
            tokens: plan.tokens.clone(),
            done: 0,
            rows: Vec::with_capacity(plan.rows),
            settled: false,
            ready,
            moved: now,
            begun: None,
            passed_over: 0,
            plan,
        }
    }

    /// Returns the number of tokens still to be decoded.
    pub(crate) fn remaining(&self) -> usize {
        if self.settled { 0 } else { self.tokens.len() - self.done }
    }

    /// Returns the number of the remaining tokens that come before the first one with a row.
    pub(crate) fn before_rows(&self) -> usize {
        self.remaining().saturating_sub(self.plan.rows)
    }

    /// Returns the number of tokens that the engine holds of the session's sequence.
    pub(crate) fn held(&self) -> usize {
        self.start + self.done
    }

    /// Returns the indices of the rows that belong to the tokens of `range`.
    pub(crate) fn rows_of(&self, range: Range<usize>) -> Range<usize> {
        let before = self.tokens.len() - self.plan.rows;
        range.start.saturating_sub(before)..range.end.saturating_sub(before)
    }

    /// Returns the time from when the pass became possible until it began. What [`Self::timing`] says of waiting counts
    /// from the session's last request instead, which many passes may follow.
    pub(crate) fn waited(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| begun.saturating_duration_since(self.ready))
    }

    /// Returns the time spent up to `now`, where the session's last request came at `arrived`.
    pub(crate) fn timing(&self, arrived: Instant, now: Instant) -> PassTiming {
        let begun = self.begun.unwrap_or(now);
        PassTiming::new(now.saturating_duration_since(begun), begun.checked_duration_since(arrived))
    }
}

/// The part of a session in the engine's last pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Had {
    pub(super) session: SessionId,
    pub(super) rows: usize,
    /// Number of tokens that it was expected to gain.
    pub(super) tokens: f64,
}

//! One turn of the scheduler: take what arrived, drop what nobody waits for, admit, decode, answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use uhlm_law::model::ModelError;
use uhlm_law::protocol::{ContinueFrame, ErrorBody, ErrorCode};
use uhlm_law::sampling::SamplingChain;
use uhlm_law::verification::{Plan, TargetSequence};

use super::cache::Cache;
use super::error;
use super::job::{Active, Answer, Command};
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::{Ended, Metrics};
use crate::session::Table;
use crate::session_id::SessionId;
use crate::target::Target;

/// Requests of one session that may wait: a device has a few windows in flight, and a repeat of each.
const WAITING_PER_SESSION: usize = 32;

fn gone() -> ErrorBody {
    error(ErrorCode::Gone, "there is no such session")
}

/// All state of the scheduler's thread.
pub(super) struct Worker {
    pub(super) target: Box<dyn Target>,
    pub(super) cache: Cache,
    pub(super) table: Table,
    pub(super) metrics: Arc<Metrics>,
    limits: Limits,
    context: usize,
}

impl Worker {
    pub(super) fn new(target: Box<dyn Target>, limits: Limits, context: usize, metrics: Arc<Metrics>) -> Self {
        let cache = Cache::new(target.as_ref(), Arc::clone(&metrics));
        Self { target, cache, table: Table::new(limits.sessions), metrics, limits, context }
    }

    /// Works until it is told to stop or the engine cannot go on.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match self.receive(commands).and_then(|more| if more { self.turn().map(|()| true) } else { Ok(false) }) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "the target cannot go on");
                    break;
                }
            }
        }
        let stopping = error(ErrorCode::Unavailable, "the server is shutting down");
        for (_, session) in self.table.iter_mut() {
            session.waiting.drain(..).for_each(|job| job.refuse(stopping.clone()));
            if let Some(active) = session.active.take() {
                active.refuse(stopping.clone());
            }
        }
    }

    /// Takes everything that arrived; waits for it when there is nothing to decode. `false` when told to stop.
    fn receive(&mut self, commands: &Receiver<Command>) -> Result<bool, ModelError> {
        let busy = self.table.iter().any(|(_, session)| session.active.is_some());
        if !busy {
            let first = match self.next_deadline() {
                Some(at) => commands.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(command) => {
                    if !self.handle(command)? {
                        return Ok(false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
        while let Ok(command) = commands.try_recv() {
            if !self.handle(command)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// When something must happen although nothing arrives.
    fn next_deadline(&self) -> Option<Instant> {
        let early = self.table.iter().flat_map(|(_, s)| &s.waiting).filter_map(|job| job.early_since).min();
        let expiry = self.table.next_expiry(self.limits.session_idle);
        early.map(|since| since + self.limits.early_wait).into_iter().chain(expiry).min()
    }

    fn handle(&mut self, command: Command) -> Result<bool, ModelError> {
        match command {
            Command::Open { owner, chain, seed, reply } => {
                // A client that went away never learns the name: nothing is opened for it.
                if !reply.is_closed() {
                    let opened = self.open(owner, chain, seed)?;
                    if let (Ok(id), Err(_)) = (&opened, reply.send(opened.clone())) {
                        self.remove(*id, Ended::Closed, &gone())?;
                    }
                }
            }
            Command::Close { owner, session, reply } => {
                let answer = match self.table.owned(session, owner) {
                    Some(_) => Ok(self.remove(session, Ended::Closed, &gone())?),
                    None => Err(gone()),
                };
                let _ = reply.send(answer);
            }
            Command::Job { owner, session, job } => match self.table.owned(session, owner) {
                None => job.refuse(gone()),
                Some(session) if session.waiting.len() >= WAITING_PER_SESSION => {
                    job.refuse(error(ErrorCode::Unavailable, "too many requests of this session are waiting"));
                }
                Some(session) => {
                    session.last_use = job.arrived;
                    session.waiting.push_back(job);
                }
            },
            Command::Stop => return Ok(false),
        }
        Ok(true)
    }

    fn open(
        &mut self,
        owner: Owner,
        chain: SamplingChain,
        seed: u64,
    ) -> Result<Result<SessionId, ErrorBody>, ModelError> {
        if self.table.is_full() {
            let Some(idle) = self.table.longest_idle() else {
                return Ok(Err(error(ErrorCode::Unavailable, "all sessions are busy")));
            };
            tracing::info!(session = ?idle, "evicted to make room");
            self.remove(idle, Ended::Evicted, &gone())?;
        }
        let vocabulary = self.target.info().vocabulary_size as usize;
        let sequence = TargetSequence::new(chain, seed, vocabulary, self.context);
        let Some(id) = self.table.open(owner, sequence, Instant::now()) else {
            return Ok(Err(error(ErrorCode::Internal, "the system gives no random numbers")));
        };
        self.metrics.sessions_opened.inc();
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = ?id, "opened");
        Ok(Ok(id))
    }

    /// Ends a session; what it waits for is answered with `answer`.
    fn remove(&mut self, id: SessionId, reason: Ended, answer: &ErrorBody) -> Result<(), ModelError> {
        let Some(session) = self.table.remove(id) else { return Ok(()) };
        self.metrics.session_ended(reason);
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = ?id, ?reason, "ended");
        if let Some(slot) = session.slot {
            self.cache.release(self.target.as_mut(), slot)?;
        }
        session.waiting.into_iter().for_each(|job| job.refuse(answer.clone()));
        if let Some(active) = session.active {
            active.refuse(answer.clone());
        }
        Ok(())
    }

    /// Gives the slot of the session that was unused longest back; `false` when every slot is at work. The session
    /// stays: its tokens are decoded again when it needs them.
    pub(super) fn unload_one(&mut self) -> Result<bool, ModelError> {
        let Some(id) = self.table.longest_unused_slot() else { return Ok(false) };
        if let Some(session) = self.table.get_mut(id)
            && let Some(slot) = session.slot.take()
        {
            session.sequence.cache_lost(0);
            self.cache.release(self.target.as_mut(), slot)?;
            self.metrics.sessions_unloaded.inc();
            tracing::debug!(session = ?id, "unloaded");
        }
        Ok(true)
    }

    fn turn(&mut self) -> Result<(), ModelError> {
        let now = Instant::now();
        self.sweep(now)?;
        self.admit_all(now)?;
        self.pass()?;
        // A verdict may be what an early request, or a repeat, was waiting for.
        self.admit_all(now)
    }

    /// Drops requests that nobody waits for, refuses those that waited too long, ends sessions that are not used.
    fn sweep(&mut self, now: Instant) -> Result<(), ModelError> {
        let (early_wait, queue_wait) = (self.limits.early_wait, self.limits.queue_wait);
        for (id, session) in self.table.iter_mut() {
            let begun = session.active.as_ref().is_some_and(|active| active.begun.is_some());
            if let Some(active) = session.active.take_if(|active| active.is_abandoned()) {
                tracing::debug!(session = ?id, done = active.done, "abandoned");
                self.metrics.requests_abandoned.inc();
            }
            let overdue = |arrived: Instant| now.duration_since(arrived) >= queue_wait;
            if let Some(active) = session.active.take_if(|active| !begun && overdue(active.arrived)) {
                active.refuse(error(ErrorCode::Unavailable, "no room for the decode"));
            }
            let held = session.sequence.tokens().len() as u32;
            for job in std::mem::take(&mut session.waiting) {
                if job.is_abandoned() {
                    self.metrics.requests_abandoned.inc();
                } else if job.early_since.is_some_and(|since| now.duration_since(since) >= early_wait) {
                    let reason = "the request before this one did not arrive";
                    job.refuse(ErrorBody { held: Some(held), ..error(ErrorCode::Desync, reason) });
                } else if overdue(job.arrived) {
                    job.refuse(error(ErrorCode::Unavailable, "the session's other requests take too long"));
                } else {
                    session.waiting.push_back(job);
                }
            }
        }
        for id in self.table.expired(self.limits.session_idle, now) {
            self.remove(id, Ended::Expired, &gone())?;
        }
        Ok(())
    }

    /// Answers a request whose tokens are all decoded; its first row is token `first` of the last pass.
    pub(super) fn finish(&mut self, id: SessionId, first: usize) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let Some(active) = session.active.take() else { return Ok(()) };
        let timing = active.timing();
        let target = self.target.as_mut();
        let chain = session.sequence.chain().clone();
        match active.answer {
            Answer::Verify { ref request, .. } => {
                let judged = session.sequence.complete(request, &active.plan, timing, |i, history| {
                    target.distribution(first + i, &chain, history).map_err(internal)
                });
                if let Ok(verdict) = &judged {
                    self.metrics.verdict(&verdict.outcome, verdict.probs.len());
                }
                let begun = active.begun.unwrap_or(active.arrived);
                self.metrics.timing(begun.duration_since(active.arrived), begun.elapsed());
                let keep = session.sequence.decoded();
                if let Some(slot) = session.slot {
                    self.cache.truncate(target, slot, keep)?;
                }
                session.last_use = Instant::now();
                drop(active.place);
                if let Answer::Verify { reply, .. } = active.answer {
                    // A client that went away asks again and gets this verdict from the sequence's memory.
                    let _ = reply.send(judged);
                }
            }
            Answer::Continue { seq, step, max_tokens, ref frames } => {
                let row = target.distribution(first, &chain, session.sequence.tokens());
                let p = match row {
                    Ok(p) => p,
                    Err(error) => {
                        active.refuse(internal(error));
                        return Ok(());
                    }
                };
                let token = session.sequence.extend_continuation(seq, step, &p);
                self.metrics.continued.inc();
                let _ = frames.send(ContinueFrame::Tokens { ids: vec![token] });
                session.last_use = Instant::now();
                if target.is_end(token) || step + 1 == max_tokens || !session.sequence.has_room() {
                    drop(active.place);
                    let _ = frames.send(ContinueFrame::End { timing });
                    return Ok(());
                }
                let plan = Plan { start: session.sequence.tokens().len() - 1, tokens: vec![token], rows: 1 };
                let answer = Answer::Continue { seq, step: step + 1, max_tokens, frames: frames.clone() };
                session.active = Some(Active { answer, plan, done: 0, passed_over: 0, ..active });
            }
        }
        Ok(())
    }
}

pub(super) fn internal(failure: ModelError) -> ErrorBody {
    tracing::error!(error = %failure, "the target failed");
    error(ErrorCode::Internal, failure.to_string())
}

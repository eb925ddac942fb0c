//! One turn of the scheduler: take what arrived, drop what nobody waits for, admit, decode, answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use tokio::sync::mpsc;
use uhlm_core::model::ModelError;
use uhlm_core::protocol::{ContinueFrame, DrawsResponse, ErrorBody, ErrorCode};
use uhlm_core::sampling::SamplingChain;
use uhlm_core::verification::{Admission, Plan, TargetSequence};

use super::cache::Cache;
use super::error;
use super::job::{Active, Answer, Command, Job, Work};
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::{Ended, Metrics};
use crate::session::{Session, SessionId, Table};
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
        let cache = Cache::new(target.as_ref());
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
            self.gauges();
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
                    self.gauges();
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
                self.gauges();
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
        tracing::debug!(session = ?id, "opened");
        Ok(Ok(id))
    }

    /// Ends a session; what it waits for is answered with `answer`.
    fn remove(&mut self, id: SessionId, reason: Ended, answer: &ErrorBody) -> Result<(), ModelError> {
        let Some(session) = self.table.remove(id) else { return Ok(()) };
        self.metrics.session_ended(reason);
        tracing::debug!(session = ?id, ?reason, "ended");
        session.waiting.into_iter().for_each(|job| job.refuse(answer.clone()));
        if let Some(active) = session.active {
            active.refuse(answer.clone());
        }
        session.slot.map_or(Ok(()), |slot| self.cache.release(self.target.as_mut(), slot))
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
        for id in self.table.ids() {
            self.admit(id, now)?;
        }
        self.pass()?;
        // What waited for the verdicts of this pass may begin now. Nothing else would wake the thread for it.
        for id in self.table.ids() {
            self.admit(id, now)?;
        }
        self.gauges();
        Ok(())
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

    /// Answers what a session waits for until something needs a decode or only early requests are left.
    fn admit(&mut self, id: SessionId, now: Instant) -> Result<(), ModelError> {
        while let Some(session) = self.table.get_mut(id).filter(|session| session.active.is_none()) {
            let Some((job, admission)) = next_job(session, now) else { break };
            session.last_use = now;
            if let Some(active) = begin(session, job, admission, &self.metrics) {
                session.active = Some(active);
                self.reuse(id)?;
                let nothing_to_decode = |active: &Active| active.remaining() == 0;
                if self.table.get(id).and_then(|s| s.active.as_ref()).is_some_and(nothing_to_decode) {
                    self.finish(id, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Rolls a session's slot back to what its request builds on, and takes what the slot holds beyond that if it is
    /// what the request would have decoded.
    fn reuse(&mut self, id: SessionId) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let (Some(active), Some(slot)) = (&mut session.active, session.slot) else { return Ok(()) };
        let plan = &mut active.plan;
        let prefix = &session.sequence.tokens()[..plan.start];
        // The rows must be computed in this request's own pass.
        let most = plan.start + plan.tokens.len() - plan.rows;
        let keep = self.cache.common(slot, prefix.iter().chain(&plan.tokens)).min(most);
        if keep < plan.start {
            plan.tokens = prefix[keep..].iter().chain(&plan.tokens).copied().collect();
            plan.start = keep;
        }
        active.done = keep - plan.start;
        self.cache.truncate(self.target.as_mut(), slot, keep)
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

    fn gauges(&self) {
        let waiting = |s: &Session| s.waiting.len() + usize::from(s.active.is_some());
        let m = &self.metrics;
        m.sessions_open.set(self.table.len() as i64);
        m.slots_used.set(self.cache.slots_used() as i64);
        m.cached_tokens.set(self.cache.used() as i64);
        m.requests_waiting.set(self.table.iter().map(|(_, s)| waiting(s)).sum::<usize>() as i64);
    }
}

pub(super) fn internal(failure: ModelError) -> ErrorBody {
    tracing::error!(error = %failure, "the target failed");
    error(ErrorCode::Internal, failure.to_string())
}

/// The first waiting request that is not early, with what the sequence says to it if it is a window.
fn next_job(session: &mut Session, now: Instant) -> Option<(Job, Option<Result<Admission, ErrorBody>>)> {
    for i in 0..session.waiting.len() {
        let job = session.waiting.get_mut(i)?;
        let admission = match &job.work {
            Work::Verify { request, .. } => match session.sequence.admit(request) {
                Ok(Admission::Early) => {
                    job.early_since.get_or_insert(now);
                    continue;
                }
                admission => Some(admission),
            },
            _ => None,
        };
        return session.waiting.remove(i).map(|job| (job, admission));
    }
    None
}

/// Answers a request at once, or returns what must be decoded for it.
fn begin(
    session: &mut Session,
    job: Job,
    admission: Option<Result<Admission, ErrorBody>>,
    metrics: &Metrics,
) -> Option<Active> {
    let Job { work, arrived, permit, .. } = job;
    match work {
        Work::Verify { request, reply } => {
            let answer = match admission? {
                Ok(Admission::Decode(plan)) => {
                    return Some(Active::new(Answer::Verify { request, reply }, plan, arrived, permit));
                }
                Ok(Admission::Repeat(verdict)) => Ok(verdict),
                Ok(Admission::Void(verdict)) => {
                    session.sequence.complete_void(&verdict);
                    metrics.verdict(&verdict.outcome, 0);
                    Ok(verdict)
                }
                Ok(Admission::Early) => Err(error(ErrorCode::Internal, "an early request was taken")),
                Err(refusal) => Err(refusal),
            };
            let _ = reply.send(answer);
            None
        }
        Work::Draws { request, reply } => {
            let _ = reply.send(session.sequence.more_draws(&request).map(|draws| DrawsResponse { draws }));
            None
        }
        Work::Continue { request, reply } => {
            let begun = session.sequence.begin_continuation(
                request.seq,
                request.base as usize,
                request.base_check,
                &request.append,
            );
            match begun {
                Ok(plan) => {
                    let (frames, receiver) = mpsc::unbounded_channel();
                    reply.send(Ok(receiver)).ok()?;
                    let max_tokens = u64::from(request.max_tokens);
                    let answer = Answer::Continue { seq: request.seq, step: 0, max_tokens, frames };
                    Some(Active::new(answer, plan, arrived, permit))
                }
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                    None
                }
            }
        }
    }
}

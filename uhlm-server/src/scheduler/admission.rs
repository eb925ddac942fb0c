//! From a waiting request to what must be decoded for it, or to its answer where nothing must.

use std::time::Instant;

use tokio::sync::mpsc;
use uhlm_law::model::ModelError;
use uhlm_law::protocol::{DrawsResponse, ErrorBody, ErrorCode};
use uhlm_law::verification::Admission;

use super::error;
use super::job::{Active, Answer, Job, Work};
use super::worker::Worker;
use crate::metrics::Metrics;
use crate::session::Session;
use crate::session_id::SessionId;

impl Worker {
    /// Looks at every session whose next request can be looked at.
    pub(super) fn admit_all(&mut self, now: Instant) -> Result<(), ModelError> {
        self.table.waiting().into_iter().try_for_each(|id| self.admit(id, now))
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
    let Job { work, arrived, place, .. } = job;
    match work {
        Work::Verify { request, reply } => {
            let answer = match admission? {
                Ok(Admission::Decode(plan)) => {
                    return Some(Active::new(Answer::Verify { request, reply }, plan, arrived, place));
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
            drop(place);
            let _ = reply.send(answer);
            None
        }
        Work::Draws { request, reply } => {
            drop(place);
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
                    Some(Active::new(answer, plan, arrived, place))
                }
                Err(refusal) => {
                    drop(place);
                    let _ = reply.send(Err(refusal));
                    None
                }
            }
        }
    }
}

//! One turn of the scheduler: it drops what nobody waits for, asks every session that stirred (to which something
//! happened) what it does next, and decodes.

use std::time::Instant;

use tokio::sync::mpsc;
use uhlm_law::advance::{Advance, Drawing, ErrorBody, ErrorCode, GenerationEnding, Next, Sent, SessionId, StreamId};
use uhlm_law::grammar::Constraint;
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_law::sampling::SamplingError;

use super::forecast::Arrival;
use super::job::{Active, Call, Listener};
use super::worker::{Worker, gone};
use crate::metrics::{Ended, Limit};
use crate::session::Session;
use crate::session_id::Short;

impl Worker {
    pub(super) fn turn(&mut self) -> Result<(), ModelError> {
        self.sweep(self.clock.now())?;
        for id in self.table.stirred() {
            self.plan(id)?;
        }
        self.pass()
    }

    /// Hands a request to its session.
    pub(super) fn accept(&mut self, mut call: Call) {
        if call.reply.is_closed() {
            self.metrics.requests_abandoned.inc();
            return;
        }
        if let Some(refusal) = self.comes_too_late(&call) {
            return call.refuse(refusal);
        }
        let Some(session) = self.table.owned(call.session, call.owner) else { return call.refuse(gone()) };
        let (vocabulary, stream, constraint) =
            (self.target.vocabulary(), session.next_stream(), call.constraint.take());
        match take(session, vocabulary, stream, &call.request, constraint) {
            Err(refusal) => call.refuse(refusal),
            Ok(sent) => {
                let (frames, receiver) = mpsc::unbounded_channel();
                session.listen(Listener { stream, frames, gauge: call.gauge });
                session.say(sent);
                session.stirred = true;
                // A pass that was planned without the request and has not begun may be another one now: a draft does
                // not wait for what the target would have written without one.
                if session.active.as_ref().is_some_and(|active| active.begun.is_none()) {
                    give_up(session);
                }
                (session.arrived, session.ready, session.last_use) = (call.arrived, call.arrived, call.arrived);
                // A client that went away in this moment is found by the sweep.
                let _ = call.reply.send(Ok(receiver));
            }
        }
    }

    /// Refuses a request whose turn does not come before its deadline. A session that waits for a pass already has its
    /// place in the order.
    fn comes_too_late(&mut self, call: &Call) -> Option<ErrorBody> {
        let batch = self.target.info().batch_size;
        let session = self.table.owned(call.session, call.owner).filter(|session| session.active.is_none())?;
        let (owner, is_unplaced) = (session.owner, session.slot.is_none());
        // Without a place, all of its text is to be decoded.
        let given = if is_unplaced { call.request.draft_start() as usize } else { call.request.stand.len() };
        let tokens = (given + call.request.draft.len()).max(1);
        let arrival = Arrival { owner, tokens, is_long: tokens > (batch / 8).max(1), is_unplaced };
        let passes = self.forecast.passes_before(&arrival) as f64 * self.forecast.pass_seconds(&arrival, &self.times);
        let places = self.forecast.places_before(owner);
        let waits = is_unplaced && !self.finds_place(owner, tokens);
        let place = if waits { self.rotation.place_in(places, self.clock.now()) } else { 0.0 };
        if passes + place > call.request.deadline().as_secs_f64() {
            return Some(ErrorBody::new(
                ErrorCode::Unavailable,
                "the target does not come to this before its deadline",
            ));
        }
        self.forecast.add(&arrival);
        None
    }

    /// Asks a session what it does next, until it waits for a pass or for a request, and sends what it says.
    pub(super) fn plan(&mut self, id: SessionId) -> Result<(), ModelError> {
        loop {
            let (width, now) = (self.width(id), self.clock.now());
            let Some(session) = self.table.get_mut(id) else { break };
            session.stirred = false;
            if session.active.is_some() {
                break;
            }
            match session.target.next(width) {
                Next::Pass(plan) => {
                    session.active = Some(Active::new(plan, session.ready, now));
                    self.reuse(id)?;
                    let is_complete = |active: &Active| active.remaining() == 0;
                    if self.table.get(id).and_then(|session| session.active.as_ref()).is_some_and(is_complete) {
                        self.complete(id)?;
                    }
                }
                Next::End(sent) => session.say([sent]),
                Next::Busy | Next::Idle => break,
            }
        }
        if let Some(session) = self.table.get_mut(id) {
            session.flush(&self.metrics);
        }
        Ok(())
    }

    /// Rolls a session's slot back to what its pass builds on, and takes what the slot holds beyond that if it is what
    /// the pass would have decoded.
    pub(super) fn reuse(&mut self, id: SessionId) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let (Some(active), Some(slot)) = (&mut session.active, session.slot) else { return Ok(()) };
        let prefix = &session.target.text().ids()[..active.start];
        // Tokens that have a row are decoded again.
        let most = active.start + active.tokens.len() - active.plan.rows;
        let keep = self.cache.common(slot, prefix.iter().chain(&active.tokens)).min(most);
        if keep < active.start {
            active.tokens = prefix[keep..].iter().chain(&active.tokens).copied().collect();
            active.start = keep;
        }
        active.done = keep - active.start;
        self.cache.truncate(self.target.as_mut(), slot, keep)
    }

    /// Resets answers that nobody waits for, gives up passes that serve nobody, refuses those that waited too long,
    /// ends sessions that are not used.
    fn sweep(&mut self, now: Instant) -> Result<(), ModelError> {
        for key in self.inbox.take_left() {
            self.reset_abandoned(SessionId(key));
        }
        for id in self.table.waiting() {
            let queue_wait = self.limits.queue_wait;
            // A pass whose tokens are decoded, however slowly, waits for no room.
            let is_overdue =
                |active: &Active| active.passed_over > 0 && now.saturating_duration_since(active.moved) >= queue_wait;
            let Some(session) = self.table.get(id) else { continue };
            let is_unwanted = !session.target.pass_is_wanted();
            if !is_unwanted && !session.active.as_ref().is_some_and(is_overdue) {
                continue;
            }
            let Some(session) = self.table.get_mut(id) else { continue };
            if is_unwanted {
                give_up(session);
            } else {
                self.metrics.by.reached(Limit::QueueWait);
                fail(session, ErrorBody::new(ErrorCode::Unavailable, "no room for the decode"));
            }
        }
        for id in self.table.expired(self.limits.session_idle, now) {
            self.remove(id, Ended::Expired)?;
        }
        Ok(())
    }

    /// Resets the answers of a session that nobody waits for any more.
    fn reset_abandoned(&mut self, id: SessionId) {
        let Some(session) = self.table.get_mut(id) else { return };
        for stream in session.take_abandoned() {
            self.metrics.requests_abandoned.inc();
            let was_heard = session.target.stream() == Some(stream);
            session.target.reset(stream);
            session.stirred = true;
            if was_heard {
                tracing::debug!(session = %Short(id), "abandoned");
                give_up(session);
            }
        }
    }
}

/// Hands a request to a session, and takes up the chain, the noise and the grammar of the generation that it begins.
/// `constraint` is the state of that grammar, if it has one.
pub(super) fn take(
    session: &mut Session,
    vocabulary: &dyn Vocabulary,
    stream: StreamId,
    request: &Advance,
    constraint: Option<Box<dyn Constraint>>,
) -> Result<Vec<Sent>, ErrorBody> {
    let refused = |invalid: SamplingError| {
        let is_missing = invalid == SamplingError::Unconstrained;
        let code = if is_missing { ErrorCode::Unsupported } else { ErrorCode::Malformed };
        ErrorBody::new(code, invalid.to_string())
    };
    let begin = request.begin.as_ref();
    let mut drawing = begin.map(|begin| Drawing::constrained(begin, constraint)).transpose().map_err(refused)?;
    let ending = GenerationEnding::new(vocabulary, drawing.as_mut().or(session.drawing.as_mut()));
    let sent = session.target.accept(stream, request, &ending)?;
    let is_new = |drawing: &Drawing| session.target.begin().is_some_and(|begin| drawing.is_of(begin));
    if let Some(drawing) = drawing.filter(is_new) {
        session.drawing = Some(drawing);
    }
    Ok(sent)
}

/// Gives up the pass that a session waits for. The tokens of it that the engine holds stay there.
pub(super) fn give_up(session: &mut Session) {
    if let Some(active) = session.active.take() {
        session.target.pass_abandoned(active.held());
        session.stirred = true;
    }
}

/// Ends the pass that a session waits for, and the answer with it.
pub(super) fn fail(session: &mut Session, error: ErrorBody) {
    session.active = None;
    let sent = session.target.pass_failed(error);
    session.say(sent);
    session.stirred = true;
}

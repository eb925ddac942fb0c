//! Runs the modelled target: decides which session is next, when its pass ends, and which frames leave.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uhlm_law::advance::{
    Advance, ErrorBody, ErrorCode, Frame, Info, MAX_DRAFT, Next, PassTiming, Plan, Refusal, Row, Sent, SessionId,
    StreamId, TextEnding,
};
use uhlm_law::pass_times::PassTimes;

use super::Shared;
use super::ledger::Ledger;
use super::session::Session;
use super::stream::Stream;
use crate::channel::{Direction, Link, Place};
use crate::models::TargetModel;

/// The state of the modelled verifier.
pub(super) struct Engine {
    link: Link,
    sessions: HashMap<SessionId, Session>,
    opened: u64,
    streams: HashMap<StreamId, Stream>,
    next_stream: u64,
    /// Queue of the sessions that may have something to do.
    ready: VecDeque<SessionId>,
    /// Times of passes, as the target would measure them.
    pass_times: PassTimes,
    /// Whether a pass is under way.
    is_busy: bool,
    pub(super) prompt: u64,
    pub(super) ledger: Ledger,
}

impl Engine {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            sessions: HashMap::new(),
            opened: 0,
            streams: HashMap::new(),
            next_stream: 0,
            ready: VecDeque::new(),
            pass_times: PassTimes::new(),
            is_busy: false,
            prompt: 0,
            ledger: Ledger::default(),
        }
    }

    /// Bills a message and returns the time when it arrives; `token` is the length of the conversation by then.
    pub(super) fn arrival(&mut self, direction: Direction, at: Duration, bytes: u64, token: usize) -> Duration {
        let place = Place { prompt: self.prompt, token: token as u64 };
        self.link_arrival(direction, at, bytes, place)
    }

    /// Bills a message that belongs to `place` and returns the time when it arrives.
    pub(super) fn link_arrival(&mut self, direction: Direction, at: Duration, bytes: u64, place: Place) -> Duration {
        match direction {
            Direction::Up => self.ledger.up += bytes,
            Direction::Down => self.ledger.down += bytes,
        }
        self.link.arrival(direction, at, bytes, place)
    }

    pub(super) fn open(&mut self, model: &dyn TargetModel, info: &Info) -> Result<SessionId, ErrorBody> {
        let failed = |error: uhlm_law::model::ModelError| internal(error.to_string());
        let session = Session::new(model, info.limits).map_err(failed)?;
        self.opened += 1;
        let id = SessionId(u128::from(self.opened).to_be_bytes());
        self.sessions.insert(id, session);
        Ok(id)
    }

    pub(super) fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    pub(super) fn register(&mut self, stream: Stream) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        self.streams.insert(id, stream);
        id
    }
}

fn internal(reason: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, reason)
}

impl Shared {
    /// Takes a request that has arrived.
    pub(super) fn accept(self: &Arc<Self>, session: SessionId, stream: StreamId, request: &Advance) {
        let now = self.clock.time();
        let mut engine = self.engine();
        let ending = TextEnding(self.target.language().vocabulary());
        let accepted = match engine.sessions.get_mut(&session) {
            Some(session) => session.law.accept(stream, request, &ending),
            None => Err(Refusal::Gone),
        };
        match accepted {
            Ok(sent) => {
                self.say(&mut engine, sent, now);
                if let Some(session) = engine.sessions.get_mut(&session) {
                    session.arrived = now;
                }
                engine.ready.push_back(session);
                self.work(&mut engine, now);
            }
            Err(refusal) => {
                let frame = Frame::Failed(ErrorBody::from(refusal));
                self.say(&mut engine, vec![Sent { stream, frame }], now);
            }
        }
    }

    /// Drops an answer that the device has given up.
    pub(super) fn reset(self: &Arc<Self>, session: SessionId, stream: StreamId) {
        let mut engine = self.engine();
        engine.streams.remove(&stream);
        if let Some(session) = engine.sessions.get_mut(&session) {
            session.law.reset(stream);
        }
    }

    /// Sends frames that leave at `now`.
    fn say(&self, engine: &mut Engine, sent: Vec<Sent>, now: Duration) {
        let vocabulary = self.target.language().vocabulary().size();
        for Sent { stream: id, frame } in sent {
            let Some(stream) = engine.streams.get(&id) else { continue };
            let (session, place) = (stream.session, stream.place);
            let body = self.billing.text(&frame, vocabulary);
            let bytes = if stream.has_begun { self.billing.frame(body) } else { self.billing.answer(body) };
            let due = engine.link_arrival(Direction::Down, now, bytes, place);
            let is_last = frame.is_last();
            let Some(stream) = engine.streams.get_mut(&id) else { continue };
            let is_heard = stream.deliver(&self.clock, due, body, frame);
            if is_last || !is_heard {
                engine.streams.remove(&id);
            }
            if !is_heard && let Some(session) = engine.sessions.get_mut(&session) {
                session.law.reset(id);
            }
        }
    }

    /// Begins the next pass if the target is free.
    fn work(self: &Arc<Self>, engine: &mut Engine, now: Duration) {
        while !engine.is_busy
            && let Some(id) = engine.ready.pop_front()
        {
            let Some(session) = engine.sessions.get_mut(&id) else { continue };
            // As on the server, where the text comes anyway, a drafted token is judged only if that makes the text come
            // faster.
            let width = if session.law.runs_ahead() {
                engine.pass_times.width_that_pays(session.acceptance.get(), MAX_DRAFT)
            } else {
                MAX_DRAFT
            };
            match session.law.next(width) {
                Next::Idle | Next::Busy => {}
                Next::End(sent) => self.say(engine, vec![sent], now),
                Next::Pass(plan) => {
                    let rows = session.rows(self.target.as_ref(), &plan);
                    engine.ledger.passes += u64::from(!plan.tokens.is_empty());
                    engine.ledger.processed += plan.tokens.len() as u64;
                    let span = self.costs.target(plan.tokens.len(), plan.rows);
                    engine.pass_times.observe(plan.tokens.len(), span.as_secs_f64());
                    engine.is_busy = true;
                    let then = Arc::clone(self);
                    let rows = rows.map_err(|error| internal(error.to_string()));
                    self.clock.at(now + span, move || then.pass_ended(id, &plan, rows, span));
                }
            }
        }
    }

    fn pass_ended(self: &Arc<Self>, id: SessionId, plan: &Plan, rows: Result<Vec<Row>, ErrorBody>, span: Duration) {
        let now = self.clock.time();
        let mut engine = self.engine();
        engine.is_busy = false;
        let ending = TextEnding(self.target.language().vocabulary());
        if let Some(session) = engine.sessions.get_mut(&id) {
            let timing = PassTiming::new(span, (now - span).checked_sub(session.arrived));
            let before = session.law.text().len();
            let sent = match rows {
                Ok(rows) => {
                    let sent = session.law.pass_ended(&rows, Some(timing), &ending);
                    let decided = session.law.text().tail(before);
                    plan.judged(decided).for_each(|stood| session.acceptance.observe(stood));
                    sent
                }
                Err(error) => session.law.pass_failed(error),
            };
            self.say(&mut engine, sent, now);
            engine.ready.push_back(id);
        }
        self.work(&mut engine, now);
    }
}

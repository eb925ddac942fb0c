//! The replicas of a bed's verifier: their sessions, the order of their work, and the results of their passes.
//!
//! Decides nothing about the text: requests and passes are handled by `uhlm_law`. Sessions have one name on all
//! replicas, and each replica knows only what it was told itself, as behind a load balancer that sends a session's
//! requests to any of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uhlm_law::advance::{
    Advance, Drawing, ErrorBody, ErrorCode, Frame, Limits, Next, PassTiming, Plan, Refusal, Row, Sent, StreamId,
    TargetSession, TextEnding,
};
use uhlm_law::model::{Decoder as _, LanguageModel as _, ModelError, Sequence};
use uhlm_law::sampling::Scratch;

use crate::synthetic::SyntheticModel;

/// One session on one replica.
struct Held {
    /// State of the protocol.
    law: TargetSession,
    /// Time at which the last request arrived.
    arrived: Duration,
    engine: Box<dyn Sequence>,
}

/// A machine that runs the target model.
#[derive(Default)]
struct Replica {
    sessions: BTreeMap<u128, Held>,
    /// Names of the sessions that may have work to do.
    ready: VecDeque<u128>,
    is_busy: bool,
    /// Number of restarts so far: a pass that was begun before one has no end.
    life: u64,
}

/// All replicas of the verifier.
pub(super) struct Server {
    model: Arc<SyntheticModel>,
    limits: Limits,
    replicas: Vec<Replica>,
    /// Names of the sessions that are open.
    names: BTreeSet<u128>,
    /// Number of sessions opened so far, which is the name of the last one.
    opened: u128,
}

/// A pass that was begun; the caller decides when it ends.
pub(super) struct Begun {
    pub(super) replica: usize,
    pub(super) tokens: usize,
    session: u128,
    life: u64,
    rows: Vec<Row>,
}

fn failed(error: &dyn std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string())
}

impl Held {
    fn new(model: &Arc<SyntheticModel>, limits: Limits) -> Result<Self, ModelError> {
        let engine = Arc::clone(model).sequence(limits.context, 1)?;
        Ok(Self { law: TargetSession::new(limits), arrived: Duration::ZERO, engine })
    }

    /// Decodes a pass, and draws its rows up to the one that settles it.
    fn rows(&mut self, model: &SyntheticModel, plan: &Plan) -> Result<Vec<Row>, ErrorBody> {
        let begin = self.law.begin().ok_or_else(|| failed(&"a pass of no generation"))?;
        let mut drawing = Drawing::new(begin).map_err(|error| failed(&error))?;
        let (mut scratch, mut rows) = (Scratch::default(), Vec::new());
        self.engine.truncate(plan.keep).map_err(|error| failed(&error))?;
        for (i, token) in plan.tokens.iter().enumerate() {
            self.engine.decode(&[*token], &|| false).map_err(|error| failed(&error))?;
            let left = plan.tokens.len() - i;
            // A row that settles the pass makes the later ones worthless, and the server decodes them all the same.
            let is_settled = rows.len().checked_sub(1).is_some_and(|row| {
                let drawn: &Row = &rows[row];
                plan.settles(row, drawn.winner)
            });
            if left <= plan.rows && !is_settled {
                let next = drawing.rows(self.law.text(), plan, rows.len()..rows.len() + 1, model.vocabulary());
                let drawn =
                    next.draw(&mut rows, |draw| draw.of_logits(self.engine.logits(), &mut scratch, model.token_keys()));
                drawn.map_err(|error| failed(&error))?;
            }
        }
        Ok(rows)
    }
}

impl Server {
    pub(super) fn new(model: Arc<SyntheticModel>, limits: Limits, replicas: usize) -> Self {
        let replicas = (0..replicas).map(|_| Replica::default()).collect();
        Self { model, limits, replicas, names: BTreeSet::new(), opened: 0 }
    }

    pub(super) fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// Opens a session on a replica; returns its name.
    pub(super) fn open(&mut self, replica: usize) -> Result<u128, ErrorBody> {
        let held = Held::new(&self.model, self.limits).map_err(|error| failed(&error))?;
        self.opened += 1;
        self.names.insert(self.opened);
        self.replicas[replica].sessions.insert(self.opened, held);
        Ok(self.opened)
    }

    /// Returns how often a replica was started again.
    pub(super) fn life(&self, replica: usize) -> u64 {
        self.replicas[replica].life
    }

    /// Tells whether a replica is at work on an answer.
    pub(super) fn is_answering(&self, replica: usize, stream: u64) -> bool {
        self.replicas[replica].sessions.values().any(|held| held.law.stream() == Some(StreamId(stream)))
    }

    /// Returns how many sessions are open.
    pub(super) fn left_open(&self) -> usize {
        self.names.len()
    }

    pub(super) fn close(&mut self, session: u128) {
        self.names.remove(&session);
        self.replicas.iter_mut().for_each(|replica| drop(replica.sessions.remove(&session)));
    }

    /// Takes a request; returns the frames that are to be sent at once.
    pub(super) fn accept(
        &mut self,
        replica: usize,
        session: u128,
        stream: StreamId,
        request: &Advance,
        now: Duration,
    ) -> Vec<Sent> {
        let answered = |frame| vec![Sent { stream, frame }];
        let is_open = self.names.contains(&session);
        let here = &mut self.replicas[replica];
        if is_open && !here.sessions.contains_key(&session) {
            match Held::new(&self.model, self.limits) {
                Ok(held) => drop(here.sessions.insert(session, held)),
                Err(error) => return answered(Frame::Failed(failed(&error))),
            }
        }
        let accepted = match here.sessions.get_mut(&session) {
            Some(held) => {
                held.arrived = now;
                held.law.accept(stream, request, &TextEnding(self.model.vocabulary()))
            }
            None => Err(Refusal::Gone),
        };
        match accepted {
            Ok(sent) => {
                here.ready.push_back(session);
                sent
            }
            Err(refusal) => answered(Frame::Failed(ErrorBody::from(refusal))),
        }
    }

    /// Takes note that an answer was given up. It belongs to one session; to the others its reset means nothing.
    pub(super) fn reset(&mut self, replica: usize, stream: u64) {
        self.replicas[replica].sessions.values_mut().for_each(|held| held.law.reset(StreamId(stream)));
    }

    /// Begins the next pass of a replica that has none; appends the frames that are to be sent at once to `sent`.
    pub(super) fn work(&mut self, replica: usize, sent: &mut Vec<Sent>) -> Option<Begun> {
        let model = Arc::clone(&self.model);
        let here = &mut self.replicas[replica];
        while !here.is_busy {
            let session = here.ready.pop_front()?;
            let Some(held) = here.sessions.get_mut(&session) else { continue };
            match held.law.next(usize::MAX) {
                Next::Idle | Next::Busy => {}
                Next::End(end) => sent.push(end),
                Next::Pass(plan) => match held.rows(&model, &plan) {
                    Ok(rows) => {
                        here.is_busy = true;
                        let tokens = plan.tokens.len();
                        return Some(Begun { replica, tokens, session, life: here.life, rows });
                    }
                    Err(error) => sent.extend(held.law.pass_failed(error)),
                },
            }
        }
        None
    }

    /// Ends a pass that took `span`, by a failure if `fails`; returns the frames that are to be sent.
    pub(super) fn ended(&mut self, begun: &Begun, span: Duration, now: Duration, fails: bool) -> Vec<Sent> {
        let here = &mut self.replicas[begun.replica];
        if here.life != begun.life {
            return Vec::new();
        }
        here.is_busy = false;
        let Some(held) = here.sessions.get_mut(&begun.session) else { return Vec::new() };
        here.ready.push_back(begun.session);
        if fails {
            return held.law.pass_failed(failed(&"the engine failed"));
        }
        let timing = PassTiming::new(span, now.saturating_sub(span).checked_sub(held.arrived));
        held.law.pass_ended(&begun.rows, Some(timing), &TextEnding(self.model.vocabulary()))
    }

    /// Starts a replica again, without its sessions. Where there is another one, their names stay known.
    pub(super) fn restart(&mut self, replica: usize) {
        let here = &mut self.replicas[replica];
        *here = Replica { life: here.life + 1, ..Replica::default() };
        if self.replicas.len() == 1 {
            self.forget();
        }
    }

    /// Forgets every session, as a server does that has no room for them.
    pub(super) fn forget(&mut self) {
        self.names.clear();
        self.replicas.iter_mut().for_each(|replica| replica.sessions.clear());
    }

    /// Gives the caches of a replica's sessions away.
    pub(super) fn evict(&mut self, replica: usize) {
        for held in self.replicas[replica].sessions.values_mut() {
            // A pass under way brings nothing then; what follows says why it is not asked for its outcome.
            if held.engine.truncate(0).is_ok() {
                held.law.cache_lost(0);
            }
        }
    }
}

//! The thread that owns every sequence of a local verifier.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use uhlm_core::verifier::{Part, Request, VerifierError};
use uhlm_law::advance::{
    Advance, Encoding, ErrorBody, ErrorCode, Info, Limits, Next, Open, Opened, PassTiming, Plan, SessionId, StreamId,
    TargetSession, TextEnding,
};
use uhlm_law::model::{LanguageModel, ModelError, Sequence};
use uhlm_law::sampling::SamplingError;

use super::postman::Postman;
use super::session::{Pass, Session, model_error};
use super::stream::Stream;
use super::work::{Asked, Work};

/// Makes the engine's side of a session; called once for each session that opens.
pub type SequenceFactory = Box<dyn FnMut() -> Result<Box<dyn Sequence>, ModelError> + Send>;

/// Tokens that are decoded between two looks at what has arrived.
const CHUNK: usize = 64;

/// Everything that the thread owns.
pub(super) struct Worker {
    info: Info,
    model: Arc<dyn LanguageModel>,
    factory: SequenceFactory,
    postman: Postman,
    inbox: Receiver<Work>,
    sessions: HashMap<SessionId, Session>,
    /// The upper half of session names, so that those of another verifier are unknown here.
    names: u64,
    opened: u64,
    streams: u64,
}

impl Worker {
    pub(super) fn new(
        info: Info,
        model: Arc<dyn LanguageModel>,
        factory: SequenceFactory,
        postman: Postman,
        inbox: Receiver<Work>,
    ) -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(1);
        let names = NAMES.fetch_add(1, Ordering::Relaxed);
        Self { info, model, factory, postman, inbox, sessions: HashMap::new(), names, opened: 0, streams: 0 }
    }

    /// Works until every sender is gone and nothing is left to do.
    pub(super) fn run(mut self) {
        loop {
            self.take_arrived();
            let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
            // Every session has its turn, so this is no search for the first.
            let busy = ids.into_iter().filter(|&id| self.turn(id)).count();
            if busy == 0 {
                match self.inbox.recv() {
                    Ok(work) => self.take(work),
                    Err(_) => return,
                }
            }
        }
    }

    /// Takes what has arrived, and what was dropped or waited for too long.
    fn take_arrived(&mut self) {
        while let Ok(work) = self.inbox.try_recv() {
            self.take(work);
        }
        let now = Instant::now();
        self.sessions.values_mut().for_each(|session| session.reset_lost(&self.postman, now));
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Asked(asked) => self.asked(*asked),
            // What was dropped is looked for before the next pass; this only wakes the thread.
            Work::Dropped => {}
            Work::TakeCache(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    // An engine that cannot forget is as empty as one that did: the next pass says so.
                    drop(session.engine.truncate(0));
                    session.target.cache_lost(0);
                }
            }
            Work::Restart => {
                let error = VerifierError::Unreachable { reason: "the verifier has started again".into() };
                self.sessions.drain().for_each(|(_, session)| session.fail(&self.postman, &error));
            }
        }
    }

    fn open(&mut self, request: &Open) -> Result<Opened, ErrorBody> {
        self.info.admits(request)?;
        let engine = (self.factory)().map_err(|error| model_error(&error))?;
        let capacity = u32::try_from(engine.capacity()).unwrap_or(u32::MAX);
        let limits = Limits { context: capacity.min(self.info.limits.context), ..self.info.limits };
        self.opened += 1;
        let session = SessionId((u128::from(self.names) << 64 | u128::from(self.opened)).to_be_bytes());
        self.sessions.insert(session, Session::new(TargetSession::new(limits), engine));
        Ok(Opened { session, info: Info { limits, ..self.info.clone() } })
    }

    /// Answers a request, or begins to, unless its call was dropped before its turn.
    fn asked(&mut self, asked: Asked) {
        let Asked { ticket, request, reply } = asked;
        if ticket.cancel.is_cancelled() {
            return;
        }
        let body = request.body(Encoding::Binary);
        let mut answer = Stream::new(ticket, reply, body.len() as u64);
        match request {
            Request::Info => {
                answer.send(&self.postman, Ok(Part::Info(self.info.clone())));
            }
            Request::Vocabulary(_) => {
                let body = ErrorBody::new(ErrorCode::Gone, "there is no such vocabulary");
                answer.send(&self.postman, Err(body.into()));
            }
            Request::Open(open) => {
                let opened = self.open(&open).map(Part::Opened).map_err(VerifierError::from);
                answer.send(&self.postman, opened);
            }
            Request::Advance(id, _) => self.advance(id, &body, answer),
            Request::Close(id) => {
                if let Some(session) = self.sessions.remove(&id) {
                    session.fail(&self.postman, &VerifierError::SessionGone);
                }
            }
        }
    }

    fn advance(&mut self, id: SessionId, body: &[u8], answer: Stream) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return answer.fail(&self.postman, VerifierError::SessionGone);
        };
        // A call that was dropped before this one was made is reset before this one is taken.
        session.reset_lost(&self.postman, Instant::now());
        // Read as a server reads it, so that what no server takes is refused here too.
        let request: Advance = match Encoding::Binary.decode(body) {
            Ok(request) => request,
            Err(error) => {
                let body = ErrorBody::new(ErrorCode::Malformed, error.to_string());
                return answer.fail(&self.postman, body.into());
            }
        };
        self.streams += 1;
        let stream = StreamId(self.streams);
        match session.target.accept(stream, &request, &TextEnding(self.model.vocabulary())) {
            Ok(sent) => {
                session.streams.insert(stream, answer);
                session.arrived = Instant::now();
                session.send(&self.postman, sent);
            }
            Err(refused) => answer.fail(&self.postman, ErrorBody::from(refused).into()),
        }
    }

    /// Does what a session does next; returns whether there was anything.
    fn turn(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        match session.target.next(usize::MAX) {
            Next::Pass(plan) => {
                self.pass(id, plan);
                true
            }
            Next::End(sent) => {
                session.send(&self.postman, vec![sent]);
                true
            }
            Next::Busy | Next::Idle => false,
        }
    }

    fn pass(&mut self, id: SessionId, plan: Plan) {
        let Err(error) = self.try_pass(id, plan) else { return };
        if let Some(session) = self.sessions.get_mut(&id) {
            let sent = session.target.pass_failed(error);
            session.send(&self.postman, sent);
        }
    }

    /// Works through a pass, unless what it rests on is replaced meanwhile.
    fn try_pass(&mut self, id: SessionId, plan: Plan) -> Result<(), ErrorBody> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let began = Instant::now();
        session.engine.truncate(plan.keep).map_err(|error| model_error(&error))?;
        // Everything up to the first row in large pieces, then one token a row: rows after the settled one are not
        // decoded.
        let tokens = plan.tokens.clone();
        let (lead, single) = tokens.split_at((tokens.len() + 1).saturating_sub(plan.rows.max(1)));
        let mut left = tokens.len();
        let model = Arc::clone(&self.model);
        let mut pass = Pass::new(&session.target, plan).map_err(|error| sampling_error(&error))?;
        for piece in lead.chunks(CHUNK).chain(single.chunks(1)) {
            self.take_arrived();
            let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
            if !session.target.pass_is_wanted() {
                session.target.pass_abandoned(session.engine.len());
                return Ok(());
            }
            session.engine.decode(piece, &|| false).map_err(|error| model_error(&error))?;
            left -= piece.len();
            let is_settled =
                left < pass.plan.rows && pass.next(session, &*model).map_err(|error| sampling_error(&error))?;
            if is_settled {
                break;
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let timing = PassTiming::new(began.elapsed(), began.checked_duration_since(session.arrived));
        let sent = session.target.pass_ended(&pass.done, Some(timing), &TextEnding(model.vocabulary()));
        session.send(&self.postman, sent);
        Ok(())
    }
}

fn sampling_error(error: &SamplingError) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string())
}

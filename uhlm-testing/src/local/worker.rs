//! The thread that owns every sequence of a local verifier.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use uhlm_core::verifier::{Answer, BodyBytes, ContinueReply, Continued, VerifierError};
use uhlm_law::protocol::{
    ContinueFrame, ContinueRequest, DrawsResponse, ErrorBody, ErrorCode, Info, OpenRequest, OpenResponse, Timing,
};
use uhlm_law::sampling::{SamplingChain, TokenId};
use uhlm_law::verification::TargetSequence;

use super::postman::{Postman, encoded};
use super::session::{Session, model_error, refusal};
use super::work::{Ticket, Verify, Work};
use super::{SequenceFactory, micros_since};

/// Everything that the thread owns.
pub(super) struct Worker {
    info: Info,
    is_end: Box<dyn Fn(TokenId) -> bool + Send>,
    factory: SequenceFactory,
    postman: Postman,
    sessions: HashMap<String, Session>,
    /// The upper half of session names, so that those of another verifier are unknown here.
    names: u64,
    opened: u64,
}

impl Worker {
    pub(super) fn new(
        info: Info,
        is_end: Box<dyn Fn(TokenId) -> bool + Send>,
        factory: SequenceFactory,
        postman: Postman,
    ) -> Self {
        Self { info, is_end, factory, postman, sessions: HashMap::new(), names: uhlm_core::seed::fresh(), opened: 0 }
    }

    /// Works until every sender is gone.
    pub(super) fn run(mut self, inbox: &Receiver<Work>) {
        loop {
            let expires = self.sessions.values().flat_map(|s| &s.early).filter_map(|v| v.ticket.expires).min();
            let work = match expires {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match work {
                Ok(work) => self.work(work),
                Err(RecvTimeoutError::Timeout) => self.expire(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Ends the early windows whose deadline has passed.
    fn expire(&mut self) {
        let now = Instant::now();
        for session in self.sessions.values_mut() {
            for late in session.early.extract_if(.., |v| v.ticket.expires.is_some_and(|at| at <= now)) {
                let deadline = late.ticket.deadline;
                refuse(&self.postman, late, VerifierError::DeadlineExceeded { deadline });
            }
        }
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Info(ticket, reply) => self.postman.answer(&ticket, &(), Ok(self.info.clone()), reply),
            Work::Open(ticket, request, reply) => {
                let response = if ticket.cancel.is_cancelled() {
                    Err(VerifierError::Cancelled)
                } else {
                    self.open(&request).map_err(VerifierError::from)
                };
                self.postman.answer(&ticket, &request, response, reply);
            }
            Work::Verify(name, verify) => self.verify(&name, verify),
            Work::Draws(name, ticket, request, reply) => {
                let draws = self.sessions.get(&name).map(|session| session.target.more_draws(&request));
                let response = match draws {
                    None => Err(VerifierError::SessionGone),
                    Some(draws) => draws.map(|draws| DrawsResponse { draws }).map_err(VerifierError::from),
                };
                self.postman.answer(&ticket, &request, response, reply);
            }
            Work::Continue(name, ticket, request, reply) => self.write_on(&name, &ticket, &request, reply),
            Work::Close(name) => {
                for waiting in self.sessions.remove(&name).into_iter().flat_map(|session| session.early) {
                    refuse(&self.postman, waiting, VerifierError::SessionGone);
                }
            }
        }
    }

    fn open(&mut self, request: &OpenRequest) -> Result<OpenResponse, ErrorBody> {
        if request.vocabulary != self.info.vocabulary {
            return Err(refusal(ErrorCode::Unsupported, "the models have different vocabularies"));
        }
        if request.grammar.is_some() {
            return Err(refusal(ErrorCode::Unsupported, "this verifier has no grammars"));
        }
        let chain = SamplingChain::new(request.sampling.clone())
            .map_err(|error| refusal(ErrorCode::Malformed, error.to_string()))?;
        let engine = (self.factory)().map_err(|error| model_error(&error))?;
        let context = engine.capacity().min(self.info.context as usize);
        let target = TargetSequence::new(chain, request.seed, self.info.vocabulary_size as usize, context);
        self.opened += 1;
        let name = format!("{:016x}{:016x}", self.names, self.opened);
        self.sessions.insert(name.clone(), Session::new(target, engine));
        Ok(OpenResponse { session: name, info: self.info.clone() })
    }

    /// Judges a window, and then those that waited for its verdict.
    fn verify(&mut self, name: &str, verify: Verify) {
        let Some(session) = self.sessions.get_mut(name) else {
            return refuse(&self.postman, verify, VerifierError::SessionGone);
        };
        let mut next = Some(verify);
        while let Some(verify) = next.take() {
            if !verify.ticket.cancel.is_cancelled() {
                let Some(verdict) = session.judge(&verify) else {
                    return session.early.push(verify);
                };
                let Verify { ticket, request, reply } = verify;
                self.postman.answer(&ticket, &request, verdict.map_err(VerifierError::from), reply);
            }
            next = session.next_early();
        }
    }

    fn write_on(&mut self, name: &str, ticket: &Ticket, request: &ContinueRequest, reply: ContinueReply) {
        let began = Instant::now();
        let mut outbox =
            Outbox { postman: &self.postman, ticket, reply: Arc::new(Mutex::new(reply)), up: encoded(request) };
        let Some(session) = self.sessions.get_mut(name) else {
            return outbox.send(Err(VerifierError::SessionGone), 0);
        };
        let written = session.write_on(request, &*self.is_end, &ticket.cancel, |id| {
            let frame = encoded(&ContinueFrame::Tokens { ids: vec![id] });
            outbox.send(Ok(Continued::Tokens(vec![id])), FRAME_LENGTH + frame);
        });
        let timing = Timing { queue_us: 0, decode_us: micros_since(began) };
        let frame = encoded(&ContinueFrame::End { timing });
        outbox.send(written.map(|()| Continued::End(timing)).map_err(VerifierError::from), FRAME_LENGTH + frame);
    }
}

/// Bytes before each frame on the wire.
const FRAME_LENGTH: u64 = 2;

/// Sends the parts of one continuation.
struct Outbox<'a> {
    postman: &'a Postman,
    ticket: &'a Ticket,
    reply: Arc<Mutex<ContinueReply>>,
    /// Bytes that went up and were not reported yet: the first part carries them.
    up: u64,
}

impl Outbox<'_> {
    fn send(&mut self, part: Result<Continued, VerifierError>, down: u64) {
        let bytes = BodyBytes { up: std::mem::take(&mut self.up), down };
        let (asked, cancel, reply) = (self.ticket.asked, self.ticket.cancel.clone(), Arc::clone(&self.reply));
        self.postman.later(Box::new(move || {
            if !cancel.is_cancelled() {
                let answer = part.map(|value| Answer { value, bytes, elapsed: asked.elapsed(), attempts: 1 });
                // A reply that panicked is not called again by this thread, which its panic ended.
                (*reply.lock().unwrap_or_else(PoisonError::into_inner))(answer);
            }
        }));
    }
}

fn refuse(postman: &Postman, verify: Verify, error: VerifierError) {
    postman.answer(&verify.ticket, &verify.request, Err(error), verify.reply);
}

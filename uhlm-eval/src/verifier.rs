//! A verifier in virtual time: the real target judges, the clock and the channel say when its answer is there.
//!
//! What a request means and what the verdict is comes from `uhlm_law::verification`, as on the server. A request is
//! judged the moment it is sent, on the session's own thread; its answer is delivered at the time at which the modelled
//! link and the modelled target would have brought it. That is sound because one session's requests reach a server in
//! the order they were sent, over one connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_core::verifier::{Answer, BodyBytes, Call, ContinueReply, Continued, Reply, Verifier, VerifierError};
use uhlm_law::cancel::Cancel;
use uhlm_law::chat::DraftModel as _;
use uhlm_law::model::ModelError;
use uhlm_law::protocol::{
    ContinueFrame, ContinueRequest, DrawsRequest, DrawsResponse, ErrorBody, ErrorCode, Info, OpenRequest, OpenResponse,
    PROTOCOL, Timing, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::SamplingChain;
use uhlm_law::verification::{Admission, Plan, TargetSequence};

use crate::billing::{Billing, encoded};
use crate::channel::{Channel, Direction, Link, Place};
use crate::clock::VirtualClock;
use crate::pair::{CONTEXT, ComputeTimes, Pair};
use crate::target::Target;

/// What a method cost on the link and on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Bytes to the verifier, headers and all.
    pub up: u64,
    /// Bytes to the device.
    pub down: u64,
    /// Messages to the verifier.
    pub messages: u64,
    /// Forward passes of the target.
    pub passes: u64,
    /// Tokens in those passes.
    pub processed: u64,
}

impl Ledger {
    /// Adds another one's counts.
    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.messages += other.messages;
        self.passes += other.passes;
        self.processed += other.processed;
    }
}

/// The target behind a modelled link.
pub struct SimulatedVerifier {
    clock: Arc<VirtualClock>,
    pair: Pair,
    times: ComputeTimes,
    billing: Billing,
    state: Mutex<State>,
}

struct State {
    sessions: HashMap<String, TargetSession>,
    link: Link,
    /// When the target is free.
    busy: Duration,
    prompt: u64,
    ledger: Ledger,
}

struct TargetSession {
    sequence: TargetSequence,
    target: Target,
}

impl std::fmt::Debug for SimulatedVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedVerifier").field("times", &self.times).finish_non_exhaustive()
    }
}

/// A message that reached the verifier.
struct Arrived {
    sent: Duration,
    at: Duration,
    deadline: Duration,
    body: u64,
    place: Place,
}

impl SimulatedVerifier {
    /// A verifier with no session. `seed` fixes what the channel does.
    #[must_use]
    pub fn new(
        pair: Pair,
        clock: Arc<VirtualClock>,
        channel: &Channel,
        times: ComputeTimes,
        billing: Billing,
        seed: u64,
    ) -> Self {
        let state = State {
            sessions: HashMap::new(),
            link: channel.open(seed),
            busy: Duration::ZERO,
            prompt: 0,
            ledger: Ledger::default(),
        };
        Self { clock, pair, times, billing, state: Mutex::new(state) }
    }

    /// Everything that follows belongs to this prompt; returns what was spent since the last call.
    pub fn begin(&self, prompt: u64) -> Ledger {
        let mut state = self.state();
        state.prompt = prompt;
        std::mem::take(&mut state.ledger)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn info(&self) -> Info {
        Info {
            protocol: PROTOCOL.into(),
            model: self.pair.target.name().to_owned(),
            fingerprint: self.pair.target.fingerprint(),
            vocabulary: self.pair.target.vocabulary_hash(),
            vocabulary_size: self.pair.vocabulary_size() as u32,
            context: CONTEXT,
        }
    }

    fn send(&self, state: &mut State, body: u64, token: usize, deadline: Duration) -> Arrived {
        let (sent, bytes) = (self.clock.time(), self.billing.request(body));
        let place = Place { prompt: state.prompt, token: token as u64 };
        state.ledger.up += bytes;
        state.ledger.messages += 1;
        Arrived { sent, at: state.link.arrival(Direction::Up, sent, bytes, place), deadline, body, place }
    }

    /// The target works for `span` on something that arrived at `at`; returns when it began and when it is done.
    fn compute(state: &mut State, at: Duration, span: Duration) -> (Duration, Duration) {
        let began = if span.is_zero() { at } else { at.max(state.busy) };
        if !span.is_zero() {
            state.busy = began + span;
        }
        (began, began + span)
    }

    /// Delivers an answer that left the verifier at `left`, unless the device's deadline comes first.
    fn answer<T: Send + 'static>(
        &self,
        state: &mut State,
        arrived: &Arrived,
        left: Duration,
        body: u64,
        mut result: Result<T, VerifierError>,
        reply: Reply<T>,
    ) -> Call {
        let bytes = self.billing.answer(body);
        state.ledger.down += bytes;
        let mut due = state.link.arrival(Direction::Down, left, bytes, arrived.place);
        if due > arrived.sent + arrived.deadline {
            due = arrived.sent + arrived.deadline;
            result = Err(VerifierError::DeadlineExceeded { deadline: arrived.deadline });
        }
        let (cancel, seen) = (Cancel::new(), BodyBytes { up: arrived.body, down: body });
        let (given_up, elapsed) = (cancel.clone(), due - arrived.sent);
        self.clock.at(due, move || {
            if !given_up.is_cancelled() {
                reply(result.map(|value| Answer { value, bytes: seen, elapsed, attempts: 1 }));
            }
        });
        Call::new(move || cancel.cancel())
    }
}

impl Verifier for SimulatedVerifier {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        let mut state = self.state();
        let (arrived, info) = (self.send(&mut state, 0, 0, deadline), self.info());
        let at = arrived.at;
        self.answer(&mut state, &arrived, at, encoded(&info), Ok(info), reply)
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        let mut state = self.state();
        let arrived = self.send(&mut state, encoded(&request), 0, deadline);
        let opened = self.open_session(&mut state, &request).map_err(VerifierError::from);
        let body = opened.as_ref().map_or(0, encoded);
        let at = arrived.at;
        self.answer(&mut state, &arrived, at, body, opened, reply)
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        let mut guard = self.state();
        let state = &mut *guard;
        let vocabulary = self.pair.vocabulary_size();
        let reach = request.base as usize + request.append.len() + request.draft.len();
        let arrived = self.send(state, self.billing.verify_request(&request, vocabulary), reach, deadline);
        let judged = match state.sessions.get_mut(session) {
            None => Err(VerifierError::SessionGone),
            Some(session) => session.judge(&request).map_err(VerifierError::from),
        };
        let tokens = judged.as_ref().map_or(0, |(_, plan)| plan.as_ref().map_or(0, |plan| plan.tokens.len()));
        state.ledger.passes += u64::from(tokens > 0);
        state.ledger.processed += tokens as u64;
        let (began, left) = Self::compute(state, arrived.at, self.times.target(tokens));
        let verdict = judged.map(|(mut verdict, plan)| {
            if plan.is_some() {
                verdict.timing = Timing { queue_us: micros(began - arrived.at), decode_us: micros(left - began) };
            }
            verdict
        });
        let body = verdict.as_ref().map_or(0, |verdict| self.billing.verify_response(verdict, vocabulary));
        self.answer(state, &arrived, left, body, verdict, reply)
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        let mut guard = self.state();
        let state = &mut *guard;
        let held = state.sessions.get(session).map_or(0, |session| session.sequence.tokens().len());
        let arrived = self.send(state, encoded(&request), held, deadline);
        let response = match state.sessions.get(session) {
            None => Err(VerifierError::SessionGone),
            Some(session) => session.sequence.more_draws(&request).map_err(VerifierError::from),
        };
        let response = response.map(|draws| DrawsResponse { draws });
        let body = response.as_ref().map_or(0, encoded);
        let at = arrived.at;
        self.answer(state, &arrived, at, body, response, reply)
    }

    fn continuation(&self, session: &str, request: ContinueRequest, deadline: Duration, reply: ContinueReply) -> Call {
        let mut guard = self.state();
        let state = &mut *guard;
        let base = request.base as usize + request.append.len();
        let arrived = self.send(state, encoded(&request), base, deadline);
        let written = match state.sessions.get_mut(session) {
            None => Err(VerifierError::SessionGone),
            Some(session) => {
                let is_end = |id| self.pair.target.vocabulary().is_end(id);
                session.write_on(&request, is_end).map_err(VerifierError::from)
            }
        };
        let cancel = Cancel::new();
        let reply = Arc::new(Mutex::new(reply));
        let mut parts = Vec::new();
        let mut left = arrived.at;
        match written {
            Err(error) => parts.push((left, 0, Err(error))),
            Ok((prompt, ids)) => {
                for (i, id) in ids.into_iter().enumerate() {
                    let tokens = if i == 0 { prompt } else { 1 };
                    state.ledger.passes += 1;
                    state.ledger.processed += tokens as u64;
                    left = Self::compute(state, left, self.times.target(tokens)).1;
                    let body = encoded(&ContinueFrame::Tokens { ids: vec![id] });
                    parts.push((left, body, Ok(Continued::Tokens(vec![id]))));
                }
                let timing = Timing { queue_us: 0, decode_us: micros(left - arrived.at) };
                parts.push((left, encoded(&ContinueFrame::End { timing }), Ok(Continued::End(timing))));
            }
        }
        for (i, (left, body, part)) in parts.into_iter().enumerate() {
            let bytes = if i == 0 { self.billing.answer(body) } else { self.billing.frame(body) };
            state.ledger.down += bytes;
            let place = Place { token: arrived.place.token + i as u64, ..arrived.place };
            let due = state.link.arrival(Direction::Down, left, bytes, place);
            let seen = BodyBytes { up: if i == 0 { arrived.body } else { 0 }, down: body };
            let (given_up, reply, elapsed) = (cancel.clone(), Arc::clone(&reply), due - arrived.sent);
            self.clock.at(due, move || {
                if !given_up.is_cancelled() {
                    let answer = part.map(|value| Answer { value, bytes: seen, elapsed, attempts: 1 });
                    (*reply.lock().unwrap_or_else(PoisonError::into_inner))(answer);
                }
            });
        }
        Call::new(move || cancel.cancel())
    }

    fn close(&self, session: &str) {
        self.state().sessions.remove(session);
    }
}

impl SimulatedVerifier {
    fn open_session(&self, state: &mut State, request: &OpenRequest) -> Result<OpenResponse, ErrorBody> {
        let chain = SamplingChain::new(request.sampling.clone())
            .map_err(|error| refusal(ErrorCode::Malformed, error.to_string()))?;
        let target = Target::new(&self.pair).map_err(|error| model_error(&error))?;
        let name = format!("{:032x}", state.sessions.len() + 1);
        let sequence = TargetSequence::new(chain, request.seed, self.pair.vocabulary_size(), CONTEXT as usize);
        state.sessions.insert(name.clone(), TargetSession { sequence, target });
        Ok(OpenResponse { session: name, info: self.info() })
    }
}

impl TargetSession {
    /// The verdict, and the pass it took, if it took one.
    fn judge(&mut self, request: &VerifyRequest) -> Result<(VerifyResponse, Option<Plan>), ErrorBody> {
        self.sequence.cache_lost(self.target.len());
        match self.sequence.admit(request)? {
            Admission::Repeat(verdict) => Ok((verdict, None)),
            Admission::Void(verdict) => {
                self.sequence.complete_void(&verdict);
                Ok((verdict, None))
            }
            // One session's requests come in their order here.
            Admission::Early => Err(refusal(ErrorCode::Internal, "a request overtook another")),
            Admission::Decode(plan) => {
                let Self { sequence, target } = self;
                target.pass(plan.start, &plan.tokens, plan.rows).map_err(|error| model_error(&error))?;
                let chain = sequence.chain().clone();
                let row = |i: usize, history: &[_]| {
                    target.row(i, &chain, history).map_err(|error| refusal(ErrorCode::Internal, error.to_string()))
                };
                let verdict = sequence.complete(request, &plan, Timing::default(), row)?;
                Ok((verdict, Some(plan)))
            }
        }
    }

    /// What the target writes, and how many tokens its first pass took.
    fn write_on(
        &mut self,
        request: &ContinueRequest,
        is_end: impl Fn(u32) -> bool,
    ) -> Result<(usize, Vec<u32>), ErrorBody> {
        let Self { sequence, target } = self;
        let chain = sequence.chain().clone();
        sequence.cache_lost(target.len());
        let base = request.base as usize;
        let plan = sequence.begin_continuation(request.seq, base, request.base_check, &request.append)?;
        let failed = |error: ModelError| model_error(&error);
        target.pass(plan.start, &plan.tokens, 1).map_err(failed)?;
        let mut ids = Vec::new();
        for step in 0..u64::from(request.max_tokens) {
            if !sequence.has_room() {
                break;
            }
            let p = target
                .row(0, &chain, sequence.tokens())
                .map_err(|error| refusal(ErrorCode::Internal, error.to_string()))?;
            let id = sequence.extend_continuation(request.seq, step, &p);
            ids.push(id);
            if is_end(id) || step + 1 == u64::from(request.max_tokens) {
                break;
            }
            target.pass(target.len(), &[id], 1).map_err(failed)?;
        }
        Ok((plan.tokens.len(), ids))
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

fn refusal(code: ErrorCode, reason: impl Into<String>) -> ErrorBody {
    ErrorBody { code, reason: reason.into(), held: None }
}

fn model_error(error: &ModelError) -> ErrorBody {
    let code = if matches!(error, ModelError::ContextFull { .. }) { ErrorCode::TooLarge } else { ErrorCode::Internal };
    refusal(code, error.to_string())
}

//! One session of a local verifier: its bookkeeping, its engine, and the answers that are not complete.
//!
//! Decides which noise each row has. The draw is the law's.

use std::collections::HashMap;
use std::time::Instant;

use uhlm_core::verifier::VerifierError;
use uhlm_law::advance::{Begin, Frame, Plan, Row, Sent, StreamId, TargetSession};
use uhlm_law::chat::DraftModel;
use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::protocol::{ErrorBody, ErrorCode};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingError, Scratch, TokenId};

use super::postman::Postman;
use super::stream::Stream;

/// The verifier's side of one session with its engine.
pub(super) struct Session {
    pub(super) target: TargetSession,
    pub(super) engine: Box<dyn Sequence>,
    pub(super) streams: HashMap<StreamId, Stream>,
    /// When the next pass became possible.
    pub(super) ready: Instant,
    scratch: Scratch,
}

impl Session {
    pub(super) fn new(target: TargetSession, engine: Box<dyn Sequence>) -> Self {
        Self { target, engine, streams: HashMap::new(), ready: Instant::now(), scratch: Scratch::default() }
    }

    /// Sends frames to the answers that they belong to. A device that has waited too long has reset its stream by then.
    pub(super) fn send(&mut self, postman: &Postman, sent: Vec<Sent>) {
        for Sent { stream, frame } in sent {
            let is_text = matches!(frame, Frame::Text(_));
            let goes_on = self.streams.get_mut(&stream).is_some_and(|answer| answer.send(postman, frame));
            if !goes_on {
                self.streams.remove(&stream);
            }
            if is_text && !goes_on {
                self.target.reset(stream);
            }
        }
    }

    /// Resets the streams that were dropped, and ends those whose device has waited too long.
    pub(super) fn reset_lost(&mut self, postman: &Postman, now: Instant) {
        let Self { target, streams, .. } = self;
        streams.retain(|&id, stream| {
            if stream.is_dropped() || stream.is_expired(now) {
                stream.miss(postman);
                target.reset(id);
                return false;
            }
            true
        });
    }

    /// Ends every answer with a failure.
    pub(super) fn fail(&self, postman: &Postman, error: &VerifierError) {
        self.streams.values().for_each(|stream| stream.fail(postman, error.clone()));
    }

    /// Decides the token of a row: the one after `history`, by the logits after the engine's last token.
    pub(super) fn row(
        &mut self,
        model: &dyn DraftModel,
        noise: &Noise,
        history: &[TokenId],
        place: Place,
        scored: Option<TokenId>,
    ) -> Result<Row, SamplingError> {
        let Self { engine, scratch, .. } = self;
        let input = ChainInput { logits: engine.logits(), history, mask: None };
        let winner = noise.chain.winner(input, scratch, model.token_keys(), noise.tape.at(place))?.id;
        let p = match scored {
            Some(id) => Some(noise.chain.distribution(input, scratch)?.prob(id)),
            None => None,
        };
        Ok(Row { winner, p })
    }
}

/// Chain and tape of a generation.
pub(super) struct Noise {
    chain: SamplingChain,
    tape: Tape,
}

impl Noise {
    pub(super) fn new(begin: &Begin) -> Result<Self, SamplingError> {
        Ok(Self { chain: SamplingChain::new(begin.sampling.clone())?, tape: Tape::new(begin.seed, 0) })
    }
}

/// What a pass works through.
pub(super) struct Rows {
    pub(super) plan: Plan,
    pub(super) noise: Noise,
    /// The tokens before the first row's, then those that rows are compared with.
    pub(super) history: Vec<TokenId>,
    /// Place of the next row's token.
    pub(super) place: Place,
    pub(super) done: Vec<Row>,
}

impl Rows {
    /// Prepares a pass of a session whose text it was planned for.
    pub(super) fn new(target: &TargetSession, plan: Plan, model: &dyn DraftModel) -> Result<Self, SamplingError> {
        let begin = target.begin().ok_or(SamplingError::EmptyLogits)?;
        let noise = Noise::new(begin)?;
        let before = target.text().ids().get(..plan.first).unwrap_or_default();
        let reply = before.get(begin.reply_start as usize..).unwrap_or_default();
        let vocabulary = model.vocabulary();
        let place = reply.iter().fold(Place::START, |place, &id| place.after(vocabulary.piece(id).len()));
        let history = [before, &plan.scored].concat();
        Ok(Self { plan, noise, history, place, done: Vec::new() })
    }

    /// Computes the next row; returns whether it settles the pass.
    pub(super) fn next(&mut self, session: &mut Session, model: &dyn DraftModel) -> Result<bool, SamplingError> {
        let index = self.done.len();
        let scored = self.plan.scored.get(index).copied();
        let before = &self.history[..self.plan.first + index];
        let row = session.row(model, &self.noise, before, self.place, scored.filter(|_| self.plan.probabilities))?;
        self.done.push(row);
        if let Some(id) = scored {
            self.place = self.place.after(model.vocabulary().piece(id).len());
        }
        Ok(self.plan.settles(index, row.winner))
    }
}

pub(super) fn refusal(code: ErrorCode, reason: impl Into<String>) -> ErrorBody {
    ErrorBody { code, reason: reason.into(), held: None }
}

pub(super) fn model_error(error: &ModelError) -> ErrorBody {
    let code = match error {
        ModelError::ContextFull { .. } => ErrorCode::TooLarge,
        ModelError::UnknownToken { .. } => ErrorCode::Malformed,
        // A cancelled request has nobody who reads this.
        ModelError::Decode { .. } | ModelError::Cancelled => ErrorCode::Internal,
    };
    refusal(code, error.to_string())
}

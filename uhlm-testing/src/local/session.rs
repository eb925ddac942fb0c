//! One session of a local verifier: its bookkeeping, its engine, and the answers that are not complete.
//!
//! Decides nothing of the text: rows and noise are the law's.

use std::collections::HashMap;
use std::time::Instant;

use uhlm_core::verifier::{Part, VerifierError};
use uhlm_law::advance::{Drawing, ErrorBody, ErrorCode, Plan, Row, Sent, StreamId, TargetSession};
use uhlm_law::model::{LanguageModel, ModelError, Sequence};
use uhlm_law::sampling::{SamplingError, Scratch};

use super::postman::Postman;
use super::stream::Stream;

/// The verifier's side of one session with its engine.
pub(super) struct Session {
    pub(super) target: TargetSession,
    pub(super) engine: Box<dyn Sequence>,
    pub(super) streams: HashMap<StreamId, Stream>,
    /// When the last request arrived.
    pub(super) arrived: Instant,
    scratch: Scratch,
}

impl Session {
    pub(super) fn new(target: TargetSession, engine: Box<dyn Sequence>) -> Self {
        Self { target, engine, streams: HashMap::new(), arrived: Instant::now(), scratch: Scratch::default() }
    }

    /// Sends frames to the answers that they belong to. A device that has waited too long has reset its stream by then.
    pub(super) fn send(&mut self, postman: &Postman, sent: Vec<Sent>) {
        for Sent { stream, frame } in sent {
            let is_last = frame.is_last();
            let goes_on = self.streams.get_mut(&stream).is_some_and(|answer| answer.send(postman, Part::of(frame)));
            if !goes_on {
                self.streams.remove(&stream);
            }
            if !is_last && !goes_on {
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
}

/// A pass of the target, which is worked through row by row.
pub(super) struct Pass {
    pub(super) plan: Plan,
    drawing: Drawing,
    pub(super) done: Vec<Row>,
}

impl Pass {
    /// Prepares a pass of a session whose text it was planned for.
    pub(super) fn new(target: &TargetSession, plan: Plan) -> Result<Self, SamplingError> {
        let begin = target.begin().ok_or(SamplingError::EmptyLogits)?;
        Ok(Self { plan, drawing: Drawing::new(begin)?, done: Vec::new() })
    }

    /// Draws the next row, by the logits after the engine's last token; returns whether it settles the pass.
    pub(super) fn next(&mut self, session: &mut Session, model: &dyn LanguageModel) -> Result<bool, SamplingError> {
        let Session { target, engine, scratch, .. } = session;
        let row = self.done.len();
        let rows = self.drawing.rows(target.text(), &self.plan, row..row + 1, model.vocabulary());
        rows.draw(&mut self.done, |draw| draw.of_logits(engine.logits(), scratch, model.token_keys()))
    }
}

pub(super) fn model_error(error: &ModelError) -> ErrorBody {
    let code = match error {
        ModelError::ContextFull { .. } => ErrorCode::TooLarge,
        ModelError::UnknownToken { .. } | ModelError::Text { .. } => ErrorCode::Malformed,
        // A cancelled request has nobody who reads this.
        ModelError::Decode { .. } | ModelError::NotEnoughMemory { .. } | ModelError::Cancelled => ErrorCode::Internal,
    };
    ErrorBody::new(code, error.to_string())
}

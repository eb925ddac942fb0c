//! One session of a local verifier: its bookkeeping and its engine.

use std::time::Instant;

use uhlm_law::cancel::Cancel;
use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::protocol::{ContinueRequest, ErrorBody, ErrorCode, Timing, VerifyResponse};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, Scratch, TokenId};
use uhlm_law::verification::{Admission, Plan, TargetSequence};

use super::micros_since;
use super::work::Verify;

/// The verifier's side of one session with its engine.
pub(super) struct Session {
    pub(super) target: TargetSequence,
    engine: Box<dyn Sequence>,
    scratch: Scratch,
    /// Windows that were sent ahead of one that has not arrived.
    pub(super) early: Vec<Verify>,
}

impl Session {
    pub(super) fn new(target: TargetSequence, engine: Box<dyn Sequence>) -> Self {
        Self { target, engine, scratch: Scratch::default(), early: Vec::new() }
    }

    /// The verdict, or `None` while the window is early.
    pub(super) fn judge(&mut self, verify: &Verify) -> Option<Result<VerifyResponse, ErrorBody>> {
        self.target.cache_lost(self.engine.len());
        match self.target.admit(&verify.request) {
            Err(error) => Some(Err(error)),
            Ok(Admission::Early) => None,
            Ok(Admission::Repeat(verdict)) => Some(Ok(verdict)),
            Ok(Admission::Void(verdict)) => {
                self.target.complete_void(&verdict);
                Some(Ok(verdict))
            }
            Ok(Admission::Decode(plan)) => Some(self.decode_and_judge(verify, &plan)),
        }
    }

    /// Takes out an early window that need not wait any longer.
    pub(super) fn next_early(&mut self) -> Option<Verify> {
        let ready = |verify: &Verify| self.target.admit(&verify.request) != Ok(Admission::Early);
        self.early.iter().position(ready).map(|i| self.early.remove(i))
    }

    fn decode_and_judge(&mut self, verify: &Verify, plan: &Plan) -> Result<VerifyResponse, ErrorBody> {
        let queue_us = micros_since(verify.ticket.asked);
        let began = Instant::now();
        let Self { target, engine, scratch, .. } = self;
        let chain = target.chain().clone();
        let cancelled = || verify.ticket.cancel.is_cancelled();
        // Everything up to the first row in one go, then one token a row: rows beyond a rejection are never decoded.
        let (first, rest) = plan.tokens.split_at((plan.tokens.len() + 1).saturating_sub(plan.rows.max(1)));
        rewind_and_decode(engine.as_mut(), plan.start, first, &cancelled)?;
        let row = |i: usize, history: &[TokenId]| {
            if let Some(id) = i.checked_sub(1).and_then(|i| rest.get(i)) {
                engine.decode(&[*id], &cancelled).map_err(|error| model_error(&error))?;
            }
            distribution(&chain, engine.logits(), history, scratch)
        };
        let mut verdict = target.complete(&verify.request, plan, Timing { queue_us, decode_us: 0 }, row)?;
        verdict.timing.decode_us = micros_since(began);
        Ok(verdict)
    }

    /// Writes tokens until one ends the text, the limit is reached or the context is full.
    pub(super) fn write_on(
        &mut self,
        request: &ContinueRequest,
        is_end: &dyn Fn(TokenId) -> bool,
        cancel: &Cancel,
        mut written: impl FnMut(TokenId),
    ) -> Result<(), ErrorBody> {
        let Self { target, engine, scratch, .. } = self;
        let cancelled = || cancel.is_cancelled();
        let chain = target.chain().clone();
        target.cache_lost(engine.len());
        let base = request.base as usize;
        let plan = target.begin_continuation(request.seq, base, request.base_check, &request.append)?;
        rewind_and_decode(engine.as_mut(), plan.start, &plan.tokens, &cancelled)?;
        for step in 0..u64::from(request.max_tokens) {
            if !target.has_room() || cancelled() {
                break;
            }
            let p = distribution(&chain, engine.logits(), target.tokens(), scratch)?;
            let id = target.extend_continuation(request.seq, step, &p);
            written(id);
            if is_end(id) || step + 1 == u64::from(request.max_tokens) {
                break;
            }
            engine.decode(&[id], &cancelled).map_err(|error| model_error(&error))?;
        }
        Ok(())
    }
}

fn rewind_and_decode(
    engine: &mut dyn Sequence,
    start: usize,
    tokens: &[TokenId],
    cancelled: &dyn Fn() -> bool,
) -> Result<(), ErrorBody> {
    engine.truncate(start).map_err(|error| model_error(&error))?;
    if tokens.is_empty() {
        return Ok(());
    }
    engine.decode(tokens, cancelled).map_err(|error| model_error(&error))
}

fn distribution(
    chain: &SamplingChain,
    logits: &[f32],
    history: &[TokenId],
    scratch: &mut Scratch,
) -> Result<Distribution, ErrorBody> {
    let input = ChainInput { logits, history, mask: None };
    chain.distribution(input, scratch).map_err(|error| refusal(ErrorCode::Internal, error.to_string()))
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

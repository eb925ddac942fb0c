//! The verifier's side of one session, without engine or transport: what it holds, what a request makes it decode,
//! and the verdict that follows from the rows.
//!
//! The server schedules many of these into one batch, the in-process verifier runs one, and a gateway fills the rows
//! from another engine; the bookkeeping exists once, here.

use std::collections::VecDeque;

use crate::protocol::{
    DrawsRequest, ErrorBody, ErrorCode, MAX_DRAWS, MAX_WINDOW, PrefixHash, Timing, VerifyRequest, VerifyResponse,
};
use crate::rng::{Rng, Stream};
use crate::sampling::{Distribution, SamplingChain, TokenId};
use crate::speculative::{self, Judgement, Outcome};

/// Verdicts kept for repeated requests. A device has at most a few windows in flight.
const KEPT_VERDICTS: usize = 16;

/// What must be decoded to answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Roll the engine's sequence back to this many tokens first.
    pub start: usize,
    /// Then decode these.
    pub tokens: Vec<TokenId>,
    /// Logits are needed after each of the last `rows` of them; row `i` of the verdict is the `i`-th of these.
    pub rows: usize,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It was answered before; this is the same answer.
    Repeat(VerifyResponse),
    /// Decode this, then call [`TargetSequence::complete`].
    Decode(Plan),
    /// It was sent ahead of a request that has not arrived yet; ask again when that is done.
    Early,
    /// It was sent ahead and rests on a window that was not accepted as assumed.
    Void(VerifyResponse),
}

/// The tokens and random state that a verifier keeps for one session.
#[derive(Debug)]
pub struct TargetSequence {
    chain: SamplingChain,
    seed: u64,
    vocabulary_size: usize,
    context: usize,
    tokens: Vec<TokenId>,
    /// `hashes[i]` is the hash of the first `i` tokens.
    hashes: Vec<PrefixHash>,
    /// How many of `tokens` the engine has decoded.
    decoded: usize,
    last_seq: u32,
    verdicts: VecDeque<VerifyResponse>,
    /// The distribution at the position of the last rejection, for more draws.
    rejected: Option<(u32, Distribution)>,
}

fn error(code: ErrorCode, reason: impl Into<String>) -> ErrorBody {
    ErrorBody { code, reason: reason.into(), held: None }
}

impl TargetSequence {
    /// An empty sequence. `context` is the most tokens it may hold.
    #[must_use]
    pub fn new(chain: SamplingChain, seed: u64, vocabulary_size: usize, context: usize) -> Self {
        Self {
            chain,
            seed,
            vocabulary_size,
            context,
            tokens: Vec::new(),
            hashes: vec![PrefixHash::EMPTY],
            decoded: 0,
            last_seq: 0,
            verdicts: VecDeque::with_capacity(KEPT_VERDICTS),
            rejected: None,
        }
    }

    /// The canonical chain of this session.
    #[must_use]
    pub fn chain(&self) -> &SamplingChain {
        &self.chain
    }

    /// Tokens held, decoded or not.
    #[must_use]
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// How many tokens the engine's sequence must keep after the last answer.
    #[must_use]
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// The engine lost this session's cache after the first `len` tokens; what is missing is decoded again when needed.
    pub fn cache_lost(&mut self, len: usize) {
        self.decoded = self.decoded.min(len);
    }

    /// Checks a request and says what it needs.
    ///
    /// # Errors
    /// `Malformed` for broken limits, ids and levels, `Desync` where the prefix differs, `TooLarge` beyond the context.
    pub fn admit(&self, request: &VerifyRequest) -> Result<Admission, ErrorBody> {
        if let Some(verdict) = self.verdicts.iter().find(|v| v.seq == request.seq) {
            return Ok(Admission::Repeat(verdict.clone()));
        }
        self.check_limits(request)?;
        if request.seq <= self.last_seq {
            return Err(ErrorBody {
                held: Some(self.tokens.len() as u32),
                ..error(ErrorCode::Desync, format!("request {} is older than {}", request.seq, self.last_seq))
            });
        }
        if request.pipelined && request.seq > self.last_seq + 1 {
            return Ok(Admission::Early);
        }
        let base = request.base as usize;
        let agrees = self.hashes.get(base).is_some_and(|hash| *hash == request.base_check);
        if request.pipelined && !agrees {
            return Ok(Admission::Void(VerifyResponse {
                seq: request.seq,
                probs: Vec::new(),
                outcome: Outcome::Void,
                timing: Timing::default(),
            }));
        }
        if !agrees {
            // A device that is ahead sends the missing tail; one that differs starts over.
            let held = if base > self.tokens.len() { self.tokens.len() as u32 } else { 0 };
            return Err(ErrorBody {
                held: Some(held),
                ..error(
                    ErrorCode::Desync,
                    format!("the verifier holds {} tokens, the request builds on {base}", self.tokens.len()),
                )
            });
        }
        self.plan(base, &request.append, &request.draft, request.bonus).map(Admission::Decode)
    }

    fn check_limits(&self, request: &VerifyRequest) -> Result<(), ErrorBody> {
        if request.draft.len() > MAX_WINDOW {
            return Err(error(
                ErrorCode::Malformed,
                format!("a window of {} tokens, at most {MAX_WINDOW} are allowed", request.draft.len()),
            ));
        }
        let greedy = request.levels.is_empty() && self.chain.params().is_greedy();
        if !greedy && request.levels.len() != request.draft.len() {
            return Err(error(
                ErrorCode::Malformed,
                format!("{} acceptance levels for {} tokens", request.levels.len(), request.draft.len()),
            ));
        }
        if let Some(level) = request.levels.iter().find(|w| !(0.0..=1.0).contains(*w)) {
            return Err(error(ErrorCode::Malformed, format!("acceptance level {level} is not in [0, 1]")));
        }
        if let Some(id) = request.append.iter().chain(&request.draft).find(|id| **id as usize >= self.vocabulary_size) {
            return Err(error(
                ErrorCode::Malformed,
                format!("token {id} is outside the vocabulary of {}", self.vocabulary_size),
            ));
        }
        Ok(())
    }

    /// What to decode so that every row of a window (and of the bonus) is there.
    fn plan(&self, base: usize, append: &[TokenId], draft: &[TokenId], bonus: bool) -> Result<Plan, ErrorBody> {
        let prefix = base + append.len();
        let held = prefix + draft.len() + usize::from(bonus);
        if held > self.context {
            return Err(error(
                ErrorCode::TooLarge,
                format!("{held} tokens do not fit the context of {}", self.context),
            ));
        }
        let rows = draft.len() + usize::from(bonus);
        if rows > 0 && prefix == 0 {
            return Err(error(ErrorCode::Malformed, "a window needs at least one token before it"));
        }
        // Without a bonus nothing is asked after the last drafted token; it is decoded when something follows it.
        let end = (prefix + draft.len()).saturating_sub(usize::from(!bonus && !draft.is_empty()));
        // The row before the first drafted token must be computed in this pass.
        let start = self.decoded.min(base).min(if rows > 0 { prefix - 1 } else { prefix });
        let sequence = self.tokens[..base].iter().chain(append).chain(draft);
        Ok(Plan { start, tokens: sequence.take(end).skip(start).copied().collect(), rows })
    }

    /// Judges the window of an admitted request from the decoded rows and remembers the verdict. `row(i, history)` gives
    /// the target distribution after `history`; `i` counts the plan's rows.
    ///
    /// # Errors
    /// Whatever `row` returns; the sequence then holds what it held before, with nothing decoded after `plan.start`.
    pub fn complete(
        &mut self,
        request: &VerifyRequest,
        plan: &Plan,
        timing: Timing,
        mut row: impl FnMut(usize, &[TokenId]) -> Result<Distribution, ErrorBody>,
    ) -> Result<VerifyResponse, ErrorBody> {
        self.decoded = self.decoded.min(plan.start);
        let base = request.base as usize;
        let prefix = base + request.append.len();
        let sequence: Vec<TokenId> =
            self.tokens[..base].iter().chain(&request.append).chain(&request.draft).copied().collect();
        let all_ones;
        let levels = if request.levels.is_empty() {
            all_ones = vec![1.0; request.draft.len()];
            &all_ones
        } else {
            &request.levels
        };
        let mut last_row = None;
        let mut rng = Rng::at(self.seed, Stream::Verdict, u64::from(request.seq));
        let judgement: Judgement = speculative::judge(
            &request.draft,
            levels,
            request.bonus,
            |i| {
                let p = row(i, &sequence[..prefix + i])?;
                last_row = Some(p.clone());
                Ok::<_, ErrorBody>(p)
            },
            &mut rng,
        )?;

        let kept = prefix + judgement.accepted;
        self.hold(base, &sequence[base..kept]);
        self.decoded = kept.min(plan.start + plan.tokens.len());
        self.rejected = None;
        match &judgement.outcome {
            Outcome::Accepted { bonus: Some(id) } => self.hold(kept, &[*id]),
            Outcome::Rejected { .. } => self.rejected = last_row.map(|p| (request.seq, p)),
            _ => {}
        }
        let response = VerifyResponse { seq: request.seq, probs: judgement.probs, outcome: judgement.outcome, timing };
        self.remember(response.clone());
        Ok(response)
    }

    /// Remembers the answer to a request that was void.
    pub fn complete_void(&mut self, response: &VerifyResponse) {
        self.remember(response.clone());
    }

    fn remember(&mut self, response: VerifyResponse) {
        self.last_seq = response.seq;
        if self.verdicts.len() == KEPT_VERDICTS {
            self.verdicts.pop_front();
        }
        self.verdicts.push_back(response);
    }

    /// Replaces everything after the first `base` tokens.
    fn hold(&mut self, base: usize, tail: &[TokenId]) {
        self.tokens.truncate(base);
        self.hashes.truncate(base + 1);
        for &id in tail {
            self.tokens.push(id);
            self.hashes.push(self.hashes[self.hashes.len() - 1].push(id));
        }
    }

    /// More draws for the last rejection; the same for the same request.
    ///
    /// # Errors
    /// `Desync` when `seq` is not the last judged window or was not rejected, `Malformed` for too many draws.
    pub fn more_draws(&self, request: &DrawsRequest) -> Result<Vec<(TokenId, f32)>, ErrorBody> {
        if request.count > MAX_DRAWS || request.from > 1 << 19 {
            return Err(error(ErrorCode::Malformed, format!("at most {MAX_DRAWS} draws a request")));
        }
        let Some((_, p)) = self.rejected.as_ref().filter(|(seq, _)| *seq == request.seq) else {
            return Err(ErrorBody {
                held: Some(self.tokens.len() as u32),
                ..error(ErrorCode::Desync, format!("request {} is not the last rejection", request.seq))
            });
        };
        let mut rng = Rng::at(self.seed, Stream::Verdict, u64::from(request.seq));
        rng.skip(u64::from(request.from));
        Ok(speculative::draws(p, request.count as usize, &mut rng))
    }

    /// Begins a continuation: everything after `base` is replaced by `append`; returns what to decode for the first row.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn begin_continuation(
        &mut self,
        seq: u32,
        base: usize,
        check: PrefixHash,
        append: &[TokenId],
    ) -> Result<Plan, ErrorBody> {
        let request = VerifyRequest {
            seq,
            base: base as u32,
            base_check: check,
            append: append.to_vec(),
            draft: vec![],
            levels: vec![],
            bonus: true,
            pipelined: false,
        };
        match self.admit(&request)? {
            Admission::Decode(plan) => {
                self.hold(base, append);
                self.decoded = self.decoded.min(plan.start);
                self.last_seq = seq;
                self.rejected = None;
                Ok(plan)
            }
            _ => Err(error(ErrorCode::Desync, format!("request {seq} was answered before"))),
        }
    }

    /// The continuation's next token, drawn from the distribution of the row just decoded; `step` counts from 0 within
    /// request `seq`. The engine has decoded everything held when this is called.
    pub fn extend_continuation(&mut self, seq: u32, step: u64, p: &Distribution) -> TokenId {
        self.decoded = self.tokens.len();
        let mut rng = Rng::at(self.seed, Stream::Continuation, u64::from(seq));
        rng.skip(step);
        let id = p.quantile(rng.uniform());
        self.hold(self.tokens.len(), &[id]);
        id
    }

    /// Whether another token fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.tokens.len() < self.context
    }
}

#[cfg(test)]
mod tests;

//! What a verdict does: labels, commits, the bonus token, and the replacement of a rejected one.

use uhlm_law::calibration::Label;
use uhlm_law::gate::RoundBytes;
use uhlm_law::protocol::{DrawsRequest, DrawsResponse, MAX_DRAWS, VerifyResponse, id_bytes};
use uhlm_law::sampling::TokenId;
use uhlm_law::speculative::{self, Outcome, Replacement, Resampled};
use uhlm_law::window::Drafted;

use super::inbox::Inbox;
use super::{InFlight, LONGEST_SLEEP, Round};
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::metrics::VerdictTiming;
use crate::origin::Origin;
use crate::verifier::{Answer, VerifierError, check_draws, check_verdict};

/// Draws in the first request for more; each further one asks for twice as many.
const MORE_DRAWS: u32 = 16;
/// What it costs that a skipped token's target probability is reported: its level and that probability.
const LABEL_BYTES: u64 = 8;
/// After so many draws none of which was kept, the residual has less mass than the rounding of `p` and `q`; then the
/// last draw stands, which moves the law by less than that rounding.
const MOST_DRAWS: u32 = 1 << 18;

impl Round<'_> {
    /// Handles the answers that have come, in the order of their windows.
    pub(super) fn settle(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        if let Some(result) = self.opening.take()
            && let Some(reason) = self.opened(result)?
        {
            return Ok(Some(reason));
        }
        while self.in_flight.front().is_some_and(|window| window.answer.is_some()) {
            let Some(mut window) = self.in_flight.pop_front() else { break };
            let reason = match window.answer.take() {
                Some(Ok(answer)) => self.verdict(window, answer)?,
                Some(Err(error)) => {
                    self.in_flight.push_front(window);
                    self.failed(error)?
                }
                None => None,
            };
            if reason.is_some() {
                return Ok(reason);
            }
        }
        Ok(None)
    }

    fn verdict(
        &mut self,
        window: InFlight,
        answer: Answer<VerifyResponse>,
    ) -> Result<Option<FinishReason>, GenerationError> {
        let vocabulary_size = self.device.model.vocabulary().size();
        if let Err(error) = check_verdict(&window.request, &answer.value, vocabulary_size) {
            self.in_flight.push_front(window);
            return self.failed(error);
        }
        let decoded = window.request.append.len() + window.tokens.len();
        self.answered(&answer, Some((decoded, answer.value.timing)))?;
        if window.is_prefill() {
            if answer.value.outcome == Outcome::Void {
                return self.failed(VerifierError::Desync { held: 0 });
            }
            self.remote()?.held = window.end();
            return Ok(None);
        }
        if answer.value.outcome == Outcome::Void {
            self.in_flight.push_front(window);
            self.take_back_windows();
            return Ok(None);
        }
        self.progressed();
        self.count(&window, &answer);
        let InFlight { request, first, tokens, guess, .. } = window;
        let end = first + tokens.len();
        match answer.value.outcome {
            Outcome::Void => Ok(None),
            Outcome::Accepted { bonus } => {
                self.remote()?.held = end;
                if let Some(reason) = self.commit_accepted(first, &tokens) {
                    return Ok(Some(reason));
                }
                if let Some(reason) = bonus.map_or(Ok(None), |id| self.bonus(id, guess))? {
                    return Ok(Some(reason));
                }
                let reason = self.commit_skipped();
                self.due = self.due || self.closes()?;
                Ok(reason)
            }
            Outcome::Rejected { replacement } => {
                let accepted = answer.value.probs.len().saturating_sub(1);
                if let Some(reason) = self.commit_accepted(first, &tokens[..accepted]) {
                    return Ok(Some(reason));
                }
                self.statistics.rejected += 1;
                self.roll_back(first + accepted)?;
                self.remote()?.held = first + accepted;
                let Some(rejected) = tokens.into_iter().nth(accepted) else { return Ok(None) };
                self.replace(request.seq, rejected, &replacement)
            }
        }
    }

    /// Counts a verdict and learns from its labels.
    fn count(&mut self, window: &InFlight, answer: &Answer<VerifyResponse>) {
        let statistics = &mut self.statistics;
        statistics.verdicts += 1;
        statistics.target_passes += 1;
        let judged = window.tokens.iter().filter(|token| token.judged).count();
        let unjudged = window.tokens.iter().filter(|token| !token.judged).map(|token| token.id);
        let (append, labels) = (&window.request.append, window.tokens.len() - judged);
        self.device.gate.observe_bytes(&RoundBytes {
            all: answer.bytes.up + answer.bytes.down,
            context: append.iter().copied().chain(unjudged).map(id_bytes).sum::<u64>() + labels as u64 * LABEL_BYTES,
            skipped: append.len() + labels,
            judged,
        });
        statistics.round_bytes.push((answer.bytes.up as u32, answer.bytes.down as u32));
        statistics.round_tokens.push(window.tokens.len() as u32);
        statistics.verdict_times.push(VerdictTiming {
            total_us: answer.elapsed.as_micros().min(u128::from(u32::MAX)) as u32,
            queue_us: answer.value.timing.queue_us,
            decode_us: answer.value.timing.decode_us,
        });
        for (token, &p) in window.tokens.iter().zip(&answer.value.probs) {
            let label = Label { u: token.uncertainty, q: token.q_d, p };
            self.device.gate.observe_label(&label);
            if token.judged {
                statistics.judged += 1;
            } else {
                statistics.skipped_labelled += 1;
                statistics.skipped_acceptable += 1.0 - f64::from(speculative::rejection_probability(token.q_d, p));
            }
            if let Some(labels) = &mut statistics.labels {
                labels.push(label);
            }
        }
    }

    /// Commits tokens of a window from `first` on; skipped ones at its front may stand already.
    fn commit_accepted(&mut self, first: usize, tokens: &[Drafted]) -> Option<FinishReason> {
        tokens
            .iter()
            .enumerate()
            .filter_map(|(i, token)| {
                if first + i < self.committed {
                    return None;
                }
                if !token.judged {
                    self.statistics.skipped += 1;
                }
                self.commit(if token.judged { Origin::Verified } else { Origin::Draft }, Some(token.uncertainty))
            })
            .next()
    }

    /// Commits skipped tokens at the front of the open window, now that everything before them stands.
    fn commit_skipped(&mut self) -> Option<FinishReason> {
        let first = self.device.tokens.len() - self.window.len();
        // With another window on its way, what follows that one stands only with it.
        if self.committed < first {
            return None;
        }
        let waiting: Vec<f32> = self
            .window
            .tokens()
            .iter()
            .skip(self.committed - first)
            .take_while(|token| !token.judged)
            .map(|token| token.uncertainty)
            .collect();
        waiting.into_iter().find_map(|uncertainty| {
            self.statistics.skipped += 1;
            self.commit(Origin::Draft, Some(uncertainty))
        })
    }

    /// The target's token after an accepted window: what was drafted ahead, and windows that rest on it, stand on if the
    /// device guessed it.
    fn bonus(&mut self, id: TokenId, guess: Option<Drafted>) -> Result<Option<FinishReason>, GenerationError> {
        let reason = match guess {
            Some(guess) if guess.id == id => self.commit(Origin::Bonus, Some(guess.uncertainty)),
            _ => {
                self.roll_back(self.committed)?;
                self.append(id, Origin::Bonus)
            }
        };
        self.remote()?.held = self.committed;
        Ok(reason)
    }

    /// Replaces a rejected token by one from the residual distribution.
    fn replace(
        &mut self,
        seq: u32,
        rejected: Drafted,
        replacement: &Replacement,
    ) -> Result<Option<FinishReason>, GenerationError> {
        match speculative::resample(replacement, &rejected.q, &mut self.device.dice.residual) {
            Resampled::Token(id) => Ok(self.append(id, Origin::Resampled)),
            Resampled::Exhausted => {
                let have = if let Replacement::Draws(draws) = replacement { draws.len() } else { 0 };
                self.ask_for_draws(seq, rejected, have as u32)
            }
        }
    }

    /// Asks for draws until one is kept. Where that fails, the rejected token is sent again with its level: `w` and `p`
    /// being the same, it is rejected again, with fresh draws.
    fn ask_for_draws(
        &mut self,
        seq: u32,
        rejected: Drafted,
        mut have: u32,
    ) -> Result<Option<FinishReason>, GenerationError> {
        let mut count = MORE_DRAWS;
        loop {
            let answer = match self.request_draws(DrawsRequest { seq, from: have, count })? {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => {
                    let position = self.device.tokens.len();
                    self.device.tokens.push(rejected.id);
                    let uncertainty = Some(rejected.uncertainty);
                    self.window.push(rejected);
                    self.due = true;
                    self.refused = Some(position);
                    self.show(position, uncertainty);
                    return self.failed(error);
                }
                None => return Ok(Some(FinishReason::Cancelled)),
            };
            let draws = answer.value.draws;
            match speculative::resample_from_draws(&draws, &rejected.q, &mut self.device.dice.residual) {
                Resampled::Token(id) => return Ok(self.append(id, Origin::Resampled)),
                Resampled::Exhausted => have += draws.len() as u32,
            }
            if let Some(&(id, _)) = draws.last().filter(|_| have >= MOST_DRAWS) {
                return Ok(self.append(id, Origin::Resampled));
            }
            count = (count * 2).min(MAX_DRAWS);
        }
    }

    /// One request for draws, awaited; none if cancelled.
    #[allow(clippy::type_complexity, reason = "three outcomes, used once")]
    fn request_draws(
        &mut self,
        request: DrawsRequest,
    ) -> Result<Option<Result<Answer<DrawsResponse>, VerifierError>>, GenerationError> {
        let Some(call) = self.remote()?.draws(request) else { return Ok(Some(Err(VerifierError::SessionGone))) };
        self.statistics.draw_requests += 1;
        let began = self.now();
        let expected = self.remote()?.tag(request.seq);
        let outcome = loop {
            match self.wait(LONGEST_SLEEP) {
                Some(Inbox::Draws { tag, result }) if tag == expected => break Some(result),
                Some(Inbox::Close) => self.close(),
                _ => {}
            }
            if self.cancelled() {
                break None;
            }
        };
        if outcome.is_some() {
            call.detach();
        }
        self.statistics.waiting += self.since(began);
        let Some(Ok(answer)) = outcome else { return Ok(outcome) };
        if let Err(error) = check_draws(&answer.value.draws, self.device.model.vocabulary().size()) {
            return Ok(Some(Err(error)));
        }
        self.answered(&answer, None)?;
        Ok(Some(Ok(answer)))
    }
}

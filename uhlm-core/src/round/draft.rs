//! One drafted token: its distribution, its uncertainty, and what the gate makes of it.

use uhlm_law::protocol::MAX_WINDOW;
use uhlm_law::sampling::ChainInput;
use uhlm_law::speculative::{CONTEXT_LEVEL, acceptance_level, coupled_draw};
use uhlm_law::window::{CloseRule, Costs, Drafted};

use super::{Device, LEAST_SURVIVAL, Round};
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::generation::TOGETHER;
use crate::link::Link;
use crate::mode::Mode;
use crate::options::{DraftAhead, OfflinePolicy};
use crate::origin::Origin;

/// Weights of the newest value in exponential averages: what a step takes may change at once, with the phone's clock;
/// how hard the text is shows over a few dozen tokens only.
const NEWEST_TIME: f64 = 0.1;
const NEWEST_BETA: f64 = 1.0 / 32.0;
/// Skipped tokens that wait for a window to report their target probability, where those are wanted; beyond, the oldest
/// travel as plain context.
const MOST_LABELLED: usize = 128;

pub(super) fn average(mean: &mut f64, value: f64, newest: f64) {
    *mean = if *mean == 0.0 { value } else { *mean + newest * (value - *mean) };
}

impl Round<'_> {
    /// Whether the device may draft now.
    pub(super) fn can_draft(&mut self) -> bool {
        if self.is_sealed() || self.is_full().unwrap_or(true) || self.pending_drafted() >= self.most_pending() {
            return false;
        }
        if self.mode.judges() && self.device.options.offline != OfflinePolicy::GoOn && !self.is_online() {
            return false;
        }
        let ahead = self.windows_in_flight() > 0 || self.due;
        !ahead || (self.device.options.draft_ahead != DraftAhead::Off && self.survival() > LEAST_SURVIVAL)
    }

    /// Drafted tokens that nothing was decided about.
    fn pending_drafted(&self) -> usize {
        self.device.tokens.len() - self.committed
    }

    /// Windows that were not answered are sent again as one, so a single one must stay well below the protocol's limit.
    fn longest_window(&self) -> usize {
        self.device.options.max_window.clamp(1, MAX_WINDOW / 10)
    }

    fn most_pending(&self) -> usize {
        self.longest_window() * (1 + self.device.options.draft_ahead.windows())
    }

    /// The probability that everything pending is accepted.
    fn survival(&self) -> f64 {
        let in_flight = self.in_flight.iter().flat_map(|w| w.tokens.iter().chain(&w.guess));
        (1.0 - self.window.risk()) * in_flight.filter(|t| t.judged).map(|t| 1.0 - t.beta).product::<f64>()
    }

    /// Drafts one token.
    pub(super) fn draft(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        if self.device.draft_seconds > TOGETHER.as_secs_f64() / 2.0 {
            self.sink.flush();
        }
        let began = self.now();
        let cancel = self.sink.cancel().clone();
        match self.device.catch_up(&|| cancel.is_cancelled()) {
            Err(GenerationError::Model(uhlm_law::model::ModelError::Cancelled)) => {
                return Ok(Some(FinishReason::Cancelled));
            }
            other => other?,
        }
        let drafted = self.sample()?;
        self.device.tokens.push(drafted.id);
        self.statistics.drafted += 1;
        let spent = self.since(began);
        self.statistics.drafting += spent;
        average(&mut self.device.draft_seconds, spent.as_secs_f64(), NEWEST_TIME);
        average(&mut self.device.mean_beta, drafted.beta, NEWEST_BETA);
        self.place(drafted)
    }

    fn sample(&mut self) -> Result<Drafted, GenerationError> {
        let bonus_key = self.awaited_bonus();
        let Device { sequence, chain, scratch, tokens, dice, estimator, gate, .. } = &mut *self.device;
        let logits = sequence.as_ref().map_or(&[][..], |sequence| sequence.logits());
        let q = chain.distribution(ChainInput { logits, history: tokens.ids(), mask: None }, scratch)?;
        // The guess of a bonus token has the law q too, so that it can be judged like any other if the verdict is lost.
        let id = match bonus_key {
            Some(key) => coupled_draw(&q, key),
            None => q.quantile(dice.draft.uniform()),
        };
        let uncertainty = estimator.estimate(logits, id);
        let judged = match self.mode {
            Mode::Exact => true,
            Mode::Opportunistic => gate.is_uncertain(uncertainty),
            Mode::DeviceOnly | Mode::RemoteOnly => false,
        };
        // After the decision: the threshold moves with what is observed, and what was counted must be what was done.
        gate.observe_draft(uncertainty);
        let q_d = q.prob(id);
        let level = if judged { acceptance_level(dice.acceptance.uniform_positive(), q_d) } else { CONTEXT_LEVEL };
        Ok(Drafted { id, uncertainty, beta: gate.expected_rejection(uncertainty, q_d), q, q_d, level, judged })
    }

    /// The key of the bonus token that the next drafted token is a guess of, if it is one.
    fn awaited_bonus(&self) -> Option<u64> {
        let last = self.in_flight.back().filter(|w| w.request.bonus && w.guess.is_none() && self.window.is_empty())?;
        self.device.remote.as_ref().map(|remote| remote.bonus_key(&last.request))
    }

    /// Commits the token, or makes it the guess of a bonus, or adds it to the window.
    fn place(&mut self, drafted: Drafted) -> Result<Option<FinishReason>, GenerationError> {
        let uncertainty = Some(drafted.uncertainty);
        if self.mode == Mode::DeviceOnly {
            return Ok(self.commit(Origin::Draft, uncertainty));
        }
        if self.is_alone() {
            // A token that the gate would have let pass is no worse for the verifier's absence.
            let origin =
                if drafted.judged || self.mode == Mode::RemoteOnly { Origin::Unverified } else { Origin::Draft };
            self.statistics.skipped += u64::from(origin == Origin::Draft);
            return Ok(self.commit(origin, uncertainty));
        }
        let position = self.device.tokens.len() - 1;
        if self.awaited_bonus().is_some()
            && let Some(window) = self.in_flight.back_mut()
        {
            window.guess = Some(drafted);
            self.show(position, uncertainty);
            return Ok(None);
        }
        let judged = drafted.judged;
        self.window.push(drafted);
        if !judged && self.committed == position {
            self.statistics.skipped += 1;
            let reason = self.commit(Origin::Draft, uncertainty);
            self.unlabel_skipped();
            return Ok(reason);
        }
        self.show(position, uncertainty);
        self.due = self.due || self.closes()?;
        Ok(None)
    }

    /// Takes skipped tokens that stand out of the open window's front, so that they travel as plain context: an id each, where
    /// a label takes 8 bytes more (a level up, a probability down).
    pub(super) fn unlabel_skipped(&mut self) {
        let labelled = self.statistics.labels.is_some() || self.device.gate.learns_from_skipped();
        let most = if labelled { MOST_LABELLED } else { 0 };
        let standing = self.committed.saturating_sub(self.device.tokens.len() - self.window.len());
        let skipped = self.window.tokens().iter().take(standing).take_while(|token| !token.judged).count();
        if skipped > most {
            self.window.take_front(skipped - most);
        }
    }

    /// Whether the window should be sent, now that a token joined it.
    pub(super) fn closes(&mut self) -> Result<bool, GenerationError> {
        if !self.window.needs_verdict() {
            return Ok(false);
        }
        if self.window.len() >= self.longest_window() || self.is_sealed() {
            return Ok(true);
        }
        let options = &self.device.options;
        let uncertain = self.window.tokens().last().is_some_and(|t| self.device.gate.is_uncertain(t.uncertainty));
        let by_rule = match options.close {
            _ if self.mode == Mode::Opportunistic => true,
            CloseRule::Uncertainty => uncertain,
            CloseRule::Risk(bound) => self.window.risk() > bound,
            CloseRule::Fixed(length) => self.window.len() >= length,
            CloseRule::CostModel => self.pays_to_send(),
        };
        Ok(by_rule || self.is_full()?)
    }

    /// What the cost model says about sending the open window now.
    fn pays_to_send(&self) -> bool {
        let (costs, options, next_beta) = (self.costs(), &self.device.options, self.device.mean_beta);
        match options.draft_ahead {
            DraftAhead::Off => !costs.one_more_pays(&self.window, next_beta, options.bonus),
            DraftAhead::WhileWaiting => !costs.waiting_pays(&self.window, next_beta, 1),
            DraftAhead::Pipelined(_) => {
                // A window that finds the target at work on the last one only waits there.
                let at_work = self
                    .in_flight
                    .back()
                    .is_some_and(|last| self.since(last.sent).as_secs_f64() < costs.target(last.tokens.len()));
                !at_work && !costs.waiting_pays(&self.window, next_beta, options.draft_ahead.windows())
            }
        }
    }

    pub(super) fn costs(&self) -> Costs {
        let link = self.device.remote.as_ref().map(|remote| &remote.link);
        let (base, per_token) = link.and_then(Link::decode_time).unwrap_or_default();
        Costs {
            draft: self.device.draft_seconds,
            target_base: base.as_secs_f64(),
            target_per_token: per_token.as_secs_f64(),
            round_trip: link.and_then(Link::round_trip).unwrap_or_default().as_secs_f64(),
        }
    }

    /// Whether the device writes alone because the verifier is out of reach.
    pub(super) fn is_alone(&self) -> bool {
        self.device.options.offline == OfflinePolicy::GoOn
            && !self.is_online()
            && self.in_flight.iter().all(super::InFlight::is_prefill)
            && !self.window.needs_verdict()
    }
}

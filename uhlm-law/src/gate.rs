//! The choice of the drafted tokens that the target has to see.
//!
//! Decides the threshold from a [`Goal`], and goes on learning during a session: where the distribution of what is
//! compared with it and the probability that the target writes another token drift away from the calibration, the
//! threshold follows, so that the goal holds for this kind of prompt too. It leaves to the round when a window closes,
//! and to [`crate::calibration`] what was known before.
//!
//! # What is compared with the threshold
//! A share to send and a risk are kept by the probability that the target writes another token, as the learned law
//! predicts it from all [`Features`], the shared noise among them. All other goals are kept by the uncertainty `u`
//! alone, as the paper has it; so are those two under [`Predictor::LinearLaw`] and where no law was learned that saw
//! the noise.
//!
//! # What is learnt from a censored sample
//! Every drafted token shows its features ([`Gate::observe_draft`]), but only judged tokens show what the target makes
//! of them ([`Gate::observe_verdict`]); in the opportunistic mode those are the ones above the threshold. Where that is
//! one on `u`, whether a token is judged depends on `u` alone, so everything that is learnt *given* `u` (the line, the
//! mean of the rejection probability `beta` and the share of the risky tokens, which the target finds less probable
//! than the draft model, in a range of `u`) stays unbiased, and Delta, the share of risky tokens, is put together from
//! those ranges with the distribution of `u` over all drafted tokens. Ranges that are never judged keep the
//! calibration's value times the drift seen in the others: that is an assumption, and the only one.
//!
//! A gate that goes by the prediction selects by the margin, among tokens of equal `u` those that barely won their
//! race. They say nothing fair about `u`, so the line, its means and Delta stay as they were calibrated; what is learnt
//! is how often the target wrote another token *given* the features, and given the prediction.

mod bytes;
mod foresight;
mod goal;
mod learner;
mod means;
mod tracker;
mod window;

use crate::calibration::{CELLS, Calibration, Features, Label};
use bytes::Bytes;
pub use bytes::RoundBytes;
use foresight::Foresight;
pub use goal::{Goal, InvalidGoal, Predictor};
use learner::Learner;
use tracker::Tracker;
use window::Window;

/// Number of tokens that it takes to pay back a deviation from a goal: short against an answer, long against the noise
/// of single tokens.
const PAYBACK_TOKENS: f64 = 32.0;
/// Largest deviation that is carried on, in tokens; it keeps a goal that could not be met for a while (every `u` the
/// same, say) from swinging the gate to the other side for long.
const MAX_DEBT_TOKENS: f64 = 32.0;

/// The gate of one session, with what it has learnt.
#[derive(Clone, Debug)]
pub struct Gate {
    calibration: Calibration,
    goal: Goal,
    threshold: f32,
    /// The distribution of `u`.
    window: Window,
    learner: Learner,
    tracker: Option<Tracker>,
    /// The learned law's predictions, where tokens are skipped by these.
    foresight: Option<Foresight>,
    bytes: Bytes,
    /// Amount by which the goal has been undershot so far: tokens not sent, or risk not taken.
    debt: f64,
}

impl Gate {
    /// Makes a gate that starts from a calibration. Values of the goal outside [0, 1] are taken to the nearest end; one
    /// that is not a number sends every token.
    #[must_use]
    pub fn new(calibration: &Calibration, goal: Goal) -> Self {
        let goal = goal.within_range();
        let sees_noise = matches!(goal, Goal::ShareSent(_) | Goal::Risk(_));
        let mut gate = Self {
            window: Window::new(&calibration.uncertainty_quantiles, calibration.is_generic()),
            learner: Learner::new(calibration),
            tracker: calibration.learned.as_ref().map(Tracker::new),
            foresight: if sees_noise { Foresight::new(calibration) } else { None },
            bytes: Bytes::default(),
            calibration: calibration.clone(),
            goal,
            threshold: 0.0,
            debt: 0.0,
        };
        gate.update_threshold();
        gate
    }

    /// Returns the same gate with another predictor than [`Predictor::Learned`]; to be called before it has learnt
    /// anything.
    #[must_use]
    pub fn with_predictor(mut self, predictor: Predictor) -> Self {
        if predictor == Predictor::LinearLaw {
            (self.tracker, self.foresight) = (None, None);
            self.update_threshold();
        }
        self
    }

    /// Tells whether this goal is kept by what the target says of skipped tokens: a share, a threshold and a budget in
    /// bytes are not.
    #[must_use]
    pub fn learns_from_skipped(&self) -> bool {
        matches!(self.goal, Goal::Risk(_))
    }

    /// Returns the goal.
    #[must_use]
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// Tells whether the threshold is one on the predicted probability that the target writes another token; otherwise
    /// it is the paper's on the uncertainty.
    #[must_use]
    pub fn sees_noise(&self) -> bool {
        self.foresight.is_some()
    }

    /// Returns the threshold that holds for the next token, in [0, 1]: on the uncertainty, or on the predicted
    /// probability where the gate [`sees_noise`](Self::sees_noise).
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Tells whether the target must see a token: the value compared with the threshold exceeds it, or is not a number.
    #[must_use]
    pub fn is_uncertain(&self, features: &Features) -> bool {
        let compared = self.compared(features);
        compared.is_nan() || compared > self.threshold
    }

    /// Returns the value that is compared with the threshold; not a number where a feature that it rests on is out of
    /// its range.
    fn compared(&self, features: &Features) -> f32 {
        self.foresight.as_ref().map_or(features.u, |foresight| foresight.prediction(features))
    }

    /// Returns the expected rejection probability at `u` by the tracked line, in [0, 1].
    #[must_use]
    pub fn rejection_probability(&self, u: f32) -> f64 {
        self.learner.law().rejection_probability(u)
    }

    /// Returns the probability that the target writes another token, in [0, 1], by the session's [`Predictor`]. Windows
    /// and draft-ahead go by it.
    #[must_use]
    pub fn expected_rejection(&self, features: &Features) -> f64 {
        match &self.tracker {
            Some(tracker) => tracker.mismatch(features),
            None => self.rejection_probability(features.u),
        }
    }

    /// Takes note of the bytes that a verdict cost.
    pub fn observe_bytes(&mut self, round: &RoundBytes) {
        self.bytes.observe_round(round);
        self.update_threshold();
    }

    /// Takes note of a token that was added to the reply.
    pub fn observe_committed(&mut self) {
        if let Goal::Bytes(budget) = self.goal {
            self.bytes.observe_token(budget);
            self.update_threshold();
        }
    }

    /// Takes note of a drafted token, after [`is_uncertain`](Self::is_uncertain) was asked about it: call it once a
    /// drafted token, skipped or not; the threshold may move. Costs about a microsecond.
    pub fn observe_draft(&mut self, features: &Features) {
        if !features.is_valid() {
            return;
        }
        let compared = self.compared(features);
        let skipped = !self.is_uncertain(features);
        let step = match self.goal {
            Goal::ShareSent(share) => share - f64::from(u8::from(!skipped)),
            Goal::Risk(risk) => risk - if skipped { self.risk_of(compared) } else { 0.0 },
            _ => 0.0,
        };
        let limit = match self.goal {
            Goal::Risk(risk) => MAX_DEBT_TOKENS * risk,
            _ => MAX_DEBT_TOKENS,
        };
        self.debt = (self.debt + step).clamp(-limit, limit);
        self.window.push(features.u);
        if let Some(foresight) = &mut self.foresight {
            foresight.window.push(compared);
        }
        self.update_threshold();
    }

    /// Learns from a token about which the target said whether it would have written it, and perhaps its probability
    /// `p`.
    ///
    /// The line, Delta and the paper's thresholds go by `p` alone: they are about the paper's own coupling. The
    /// expected rejection goes by what happened, which under shared noise is another event with another probability
    /// (the two agree at least with `(1 - TV) / (1 + TV)`, TV being the total variation distance). Features outside
    /// their ranges are passed over.
    pub fn observe_verdict(&mut self, features: &Features, matched: bool, p: Option<f32>) {
        if !features.is_valid() {
            return;
        }
        let compared = self.compared(features);
        if let Some(foresight) = &mut self.foresight {
            foresight.observe_match(compared, matched);
        } else {
            self.learner.observe_match(features.u, matched);
            let label = p.map(|p| Label { features: *features, p, matched });
            if let Some(label) = label.filter(Label::is_valid) {
                self.learner.observe_probability(&label);
            }
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.observe(features, matched);
        }
        self.update_threshold();
    }

    /// Returns the calibration that the gate started from.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Returns what the gate believes now, in the calibration's terms. It describes this session's prompts, its
    /// distribution of `u` the last few hundred tokens only: good for a report and for starting the next session on the
    /// same kind of prompt, no substitute for a calibration run.
    #[must_use]
    pub fn tracked(&self) -> Calibration {
        let mut tracked = self.calibration.clone();
        tracked.law = self.learner.law();
        if let (Some(tracker), Some(learned)) = (&self.tracker, &mut tracked.learned) {
            *learned = tracker.law(learned);
            if let Some(foresight) = &self.foresight {
                learned.predictions = Some(foresight.predictions());
            }
        }
        tracked.delta = self.delta();
        tracked.correlation = self.learner.correlation();
        tracked.labels += self.learner.labels();
        tracked.uncertainty_quantiles = self.window.quantiles();
        let middle = |cell: usize| self.window.at_rank((cell as f64 + 0.5) / CELLS as f64);
        tracked.beta_by_uncertainty = (0..CELLS).map(|cell| self.learner.beta(middle(cell)) as f32).collect();
        tracked.risky_by_uncertainty = (0..CELLS).map(|cell| self.learner.risky(middle(cell)) as f32).collect();
        tracked
    }

    /// Returns `P(p(d) < q(d))` over all drafted tokens, put together from ranges of `u`.
    fn delta(&self) -> f64 {
        self.window.mean(|u| self.learner.risky(u))
    }

    /// Returns the distribution of the values that are compared with the threshold.
    fn compared_window(&self) -> &Window {
        self.foresight.as_ref().map_or(&self.window, |foresight| &foresight.window)
    }

    /// Returns the share of tokens in whose place the target writes another, where this value is compared with the
    /// threshold.
    fn risk_of(&self, compared: f32) -> f64 {
        self.foresight.as_ref().map_or_else(|| self.learner.beta(compared), |foresight| foresight.mismatch(compared))
    }

    fn update_threshold(&mut self) {
        let law = self.learner.law();
        self.threshold = match self.goal {
            Goal::RiskAverse => law.uncertainty_at(0.0).clamp(0.0, 1.0) as f32,
            Goal::RiskProne => law.uncertainty_at(self.delta()).clamp(0.0, 1.0) as f32,
            Goal::Threshold(threshold) => threshold,
            Goal::ShareSent(share) => {
                let aim = (share + self.debt / PAYBACK_TOKENS).clamp(0.0, 1.0);
                self.compared_window().threshold_for_share(aim)
            }
            Goal::Risk(risk) => {
                let aim = (risk + self.debt / PAYBACK_TOKENS).max(0.0);
                self.compared_window().threshold_for_risk(aim, |compared| self.risk_of(compared))
            }
            Goal::Bytes(budget) => self.window.threshold_for_share(self.bytes.share(budget)),
        };
    }
}

#[cfg(test)]
mod tests;

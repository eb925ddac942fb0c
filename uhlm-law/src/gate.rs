//! Which drafted tokens the target has to see.
//!
//! Decides the threshold on the uncertainty `u` from a [`Goal`], and goes on learning during a session: where the
//! distribution of `u` and the rejection probability at each `u` drift away from the calibration, the threshold
//! follows, so that the goal holds for this kind of prompt too. It leaves to the round when a window closes, and to
//! [`crate::calibration`] what was known before.
//!
//! # What is learnt from a censored sample
//! Every drafted token shows its `u` ([`Gate::observe_draft`]), but only judged tokens show their rejection probability
//! ([`Gate::observe_label`]); in the opportunistic mode those are the ones with high `u`. Whether a token is judged
//! depends on `u` alone, so everything that is learnt *given* `u` (the line, the mean of `beta` and of the risky tokens
//! in a range of `u`) stays unbiased, and Delta is put together from those ranges with the distribution of `u` over all
//! drafted tokens. Ranges that are never judged keep the calibration's value times the drift seen in the others: that
//! is an assumption, and the only one.

mod bytes;
mod learner;
mod tracker;
mod window;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::calibration::{CELLS, Calibration, Label};
use bytes::Bytes;
pub use bytes::RoundBytes;
use learner::Learner;
use tracker::Tracker;
use window::Window;

/// What the app wants of the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The paper's `u_th = -b/a`: by the law, nothing is skipped that could be rejected.
    RiskAverse,
    /// The paper's `u_th = (Delta - b)/a`, which it adopts.
    #[default]
    RiskProne,
    /// This threshold on `u`, whatever happens.
    Threshold(f32),
    /// Judge this share of the drafted tokens, in [0, 1].
    ShareSent(f64),
    /// Keep to this many bytes of request and response bodies a token of the reply, on average, by judging fewer
    /// tokens in the opportunistic mode. It is a ceiling: where judging everything costs less, everything is judged.
    /// The exact mode judges all in any case, and this goal changes nothing there.
    Bytes(f64),
    /// Skip as much as possible with at most this mean of `beta 1{u <= u_th}` per drafted token, in [0, 1].
    Risk(f64),
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RiskAverse => f.write_str("risk-averse"),
            Self::RiskProne => f.write_str("risk-prone"),
            Self::Threshold(value) => write!(f, "threshold:{value}"),
            Self::ShareSent(value) => write!(f, "share:{value}"),
            Self::Risk(value) => write!(f, "risk:{value}"),
            Self::Bytes(value) => write!(f, "bytes:{value}"),
        }
    }
}

/// What expects a token's rejection, for windows and draft-ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predictor {
    /// The calibration's learned law, tracked; the line where it has none.
    #[default]
    Learned,
    /// The paper's line `beta = a u + b`, tracked.
    LinearLaw,
}

/// The text names no goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a goal: risk-averse, risk-prone, threshold:U, share:S or risk:R with a number in [0, 1], or bytes:B")]
pub struct InvalidGoal;

impl FromStr for Goal {
    type Err = InvalidGoal;

    fn from_str(text: &str) -> Result<Self, InvalidGoal> {
        let Some((name, value)) = text.split_once(':') else {
            return match text {
                "risk-averse" => Ok(Self::RiskAverse),
                "risk-prone" => Ok(Self::RiskProne),
                _ => Err(InvalidGoal),
            };
        };
        let value: f64 = value.parse().map_err(|_| InvalidGoal)?;
        match name {
            "bytes" if value.is_finite() && value > 0.0 => Ok(Self::Bytes(value)),
            _ if !(0.0..=1.0).contains(&value) => Err(InvalidGoal),
            "threshold" => Ok(Self::Threshold(value as f32)),
            "share" => Ok(Self::ShareSent(value)),
            "risk" => Ok(Self::Risk(value)),
            _ => Err(InvalidGoal),
        }
    }
}

/// How many tokens it takes to pay back a deviation from a goal: short against an answer, long against the noise of
/// single tokens.
const PAYBACK_TOKENS: f64 = 32.0;
/// The most tokens of deviation that are carried on; keeps a goal that could not be met for a while (every `u` the
/// same, say) from swinging the gate to the other side for long.
const MAX_DEBT_TOKENS: f64 = 32.0;

/// The decision of one session, with what it has learnt.
#[derive(Clone, Debug)]
pub struct Gate {
    calibration: Calibration,
    goal: Goal,
    threshold: f32,
    window: Window,
    learner: Learner,
    tracker: Option<Tracker>,
    bytes: Bytes,
    /// How far the goal has been undershot so far: tokens not sent, or risk not taken.
    debt: f64,
}

impl Gate {
    /// A gate that starts from a calibration. Values of the goal outside [0, 1] are taken to the nearest end; one that
    /// is not a number sends every token.
    #[must_use]
    pub fn new(calibration: &Calibration, goal: Goal) -> Self {
        let goal = match goal {
            Goal::Threshold(value) => Goal::Threshold(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }),
            Goal::ShareSent(value) => Goal::ShareSent(if value.is_nan() { 1.0 } else { value.clamp(0.0, 1.0) }),
            Goal::Risk(value) => Goal::Risk(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }),
            Goal::Bytes(value) => Goal::Bytes(if value.is_nan() { 0.0 } else { value.max(0.0) }),
            goal => goal,
        };
        let mut gate = Self {
            window: Window::new(calibration),
            learner: Learner::new(calibration),
            tracker: calibration.learned.as_ref().map(Tracker::new),
            bytes: Bytes::default(),
            calibration: calibration.clone(),
            goal,
            threshold: 0.0,
            debt: 0.0,
        };
        gate.update_threshold();
        gate
    }

    /// The same gate with another predictor than [`Predictor::Learned`].
    #[must_use]
    pub fn with_predictor(mut self, predictor: Predictor) -> Self {
        if predictor == Predictor::LinearLaw {
            self.tracker = None;
        }
        self
    }

    /// Whether this goal is kept by what target probabilities of skipped tokens teach: a share, a threshold and a
    /// budget in bytes are not.
    #[must_use]
    pub fn learns_from_skipped(&self) -> bool {
        matches!(self.goal, Goal::Risk(_))
    }

    /// The goal.
    #[must_use]
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// The threshold `u_th` that holds for the next token, in [0, 1].
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Whether the target must see a token of uncertainty `u`: `u > u_th`, or `u` is not a number.
    #[must_use]
    pub fn is_uncertain(&self, u: f32) -> bool {
        u.is_nan() || u > self.threshold
    }

    /// The expected rejection probability at `u` by the tracked line, in [0, 1].
    #[must_use]
    pub fn rejection_probability(&self, u: f32) -> f64 {
        self.learner.law().rejection_probability(u)
    }

    /// The expected rejection probability of a token of uncertainty `u` and draft probability `q`, in [0, 1], by the
    /// session's [`Predictor`]: what windows and draft-ahead go by.
    #[must_use]
    pub fn expected_rejection(&self, u: f32, q: f32) -> f64 {
        match &self.tracker {
            Some(tracker) => tracker.beta(u, q),
            None => self.rejection_probability(u),
        }
    }

    /// Takes note of what a verdict cost.
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
    pub fn observe_draft(&mut self, u: f32) {
        if !(0.0..=1.0).contains(&u) {
            return;
        }
        let skipped = !self.is_uncertain(u);
        let step = match self.goal {
            Goal::ShareSent(share) => share - f64::from(u8::from(!skipped)),
            Goal::Risk(risk) => risk - if skipped { self.learner.beta(u) } else { 0.0 },
            _ => 0.0,
        };
        let limit = match self.goal {
            Goal::Risk(risk) => MAX_DEBT_TOKENS * risk,
            _ => MAX_DEBT_TOKENS,
        };
        self.debt = (self.debt + step).clamp(-limit, limit);
        self.window.push(u);
        self.update_threshold();
    }

    /// Learns from a judged token. Labels outside their ranges are passed over.
    pub fn observe_label(&mut self, label: &Label) {
        if label.is_valid() {
            self.learner.observe(label);
            if let Some(tracker) = &mut self.tracker {
                tracker.observe(label);
            }
            self.update_threshold();
        }
    }

    /// Learns from a token about which the target said whether it would have written it, and perhaps its probability
    /// `p`.
    ///
    /// The line, Delta and the paper's thresholds go by `p` alone: they are about the paper's own coupling. What
    /// expects a rejection goes by what happened, which under shared noise is another event with another probability
    /// (at least `(1 - TV) / (1 + TV)` that the two agree).
    pub fn observe_verdict(&mut self, u: f32, q: f32, matched: bool, p: Option<f32>) {
        let happened = Label { u, q, p: if matched { q } else { 0.0 } };
        if !happened.is_valid() {
            return;
        }
        self.learner.observe_match(u, matched);
        if let Some(tracker) = &mut self.tracker {
            tracker.observe(&happened);
        }
        if let Some(label) = p.map(|p| Label { u, q, p }).filter(Label::is_valid) {
            self.learner.observe_probability(&label);
        }
        self.update_threshold();
    }

    /// The calibration that the gate started from.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// What the gate believes now, in the calibration's terms. It describes this session's prompts, its distribution of
    /// `u` the last few hundred tokens only: good for a report and for starting the next session on the same kind of
    /// prompt, no substitute for a calibration run.
    #[must_use]
    pub fn tracked(&self) -> Calibration {
        let mut tracked = self.calibration.clone();
        tracked.law = self.learner.law();
        if let (Some(tracker), Some(learned)) = (&self.tracker, &mut tracked.learned) {
            *learned = tracker.law(learned);
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

    /// `P(p(d) < q(d))` over all drafted tokens, put together from ranges of `u`.
    fn delta(&self) -> f64 {
        self.window.mean(|u| self.learner.risky(u))
    }

    fn update_threshold(&mut self) {
        let law = self.learner.law();
        self.threshold = match self.goal {
            Goal::RiskAverse => law.uncertainty_at(0.0).clamp(0.0, 1.0) as f32,
            Goal::RiskProne => law.uncertainty_at(self.delta()).clamp(0.0, 1.0) as f32,
            Goal::Threshold(threshold) => threshold,
            Goal::ShareSent(share) => {
                let aim = (share + self.debt / PAYBACK_TOKENS).clamp(0.0, 1.0);
                self.window.threshold_for_share(aim)
            }
            Goal::Risk(risk) => {
                let aim = (risk + self.debt / PAYBACK_TOKENS).max(0.0);
                self.window.threshold_for_risk(aim, |u| self.learner.beta(u))
            }
            Goal::Bytes(budget) => self.window.threshold_for_share(self.bytes.share(budget)),
        };
    }
}

#[cfg(test)]
mod tests;

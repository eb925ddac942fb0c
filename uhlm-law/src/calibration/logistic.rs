//! A learned law between what the device sees of a token and what the target writes: logistic regression.
//!
//! The paper's line cannot bend, the probability that the target writes another token does: it stays near 0 for most of
//! the range of `u` and then rises steeply. And the line does not see the noise, which the device shares with the
//! target: a token that has won its race by far is the target's own even where the draft model is unsure.
//! `docs/gate.md` has the figures.

use serde::{Deserialize, Serialize};

use super::statistics::{cell_means, quantiles};
use super::{CELLS, Features, Label};
use crate::regression::{self, Matrix};

/// Number of inputs of the regression, the constant included.
pub(crate) const INPUTS: usize = 10;
/// Number of inputs that a calibration of version 2 had: the first ones.
const INPUTS_WITHOUT_NOISE: usize = 6;

/// Weight of a prior at 0 in each direction, in labels. It keeps inputs that (nearly) say the same, as `q(d)` at
/// temperature 0 and the constant do, from growing apart.
const RIDGE: f64 = 0.5;

/// The law `P(the target writes another token) = sigmoid(w . x)` under shared noise, `x` being [`Features`] and powers
/// of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Logistic {
    /// The weights `w`.
    pub weights: [f64; INPUTS],
    /// Mean of `P (1 - P) x x^T` over the labels that the law was fitted to: what one label says about the weights.
    pub information: Matrix<INPUTS>,
    /// The law's predictions and their outcomes. A law from a calibration of version 2, which did not see the noise,
    /// has none: it serves windows, but no gate skips by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Predictions>,
}

/// A law's predictions over the tokens that it was fitted to, and their outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Quantiles of the predictions at 0, 1, ..., 100 %.
    pub quantiles: Vec<f32>,
    /// Share of tokens in whose place the target wrote another, in each hundredth of the tokens in order of the
    /// prediction, between two neighbouring quantiles.
    pub mismatch: Vec<f32>,
}

/// A law as it is written in a file, of this version or of version 2.
#[derive(Deserialize)]
struct Stored {
    weights: Vec<f64>,
    information: Vec<Vec<f64>>,
    #[serde(default)]
    predictions: Option<Predictions>,
}

impl TryFrom<Stored> for Logistic {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let n = stored.weights.len();
        if ![INPUTS, INPUTS_WITHOUT_NOISE].contains(&n) {
            return Err("the learned law has another number of weights");
        }
        if stored.information.len() != n || stored.information.iter().any(|row| row.len() != n) {
            return Err("the learned law's information is no square matrix");
        }
        // The law without the noise is this one with weights of 0, about which nothing is known.
        let (mut weights, mut information) = ([0.0; INPUTS], [[0.0; INPUTS]; INPUTS]);
        weights[..n].copy_from_slice(&stored.weights);
        information.iter_mut().zip(&stored.information).for_each(|(to, from)| to[..n].copy_from_slice(from));
        Ok(Self { weights, information, predictions: stored.predictions.filter(|_| n == INPUTS) })
    }
}

impl Logistic {
    /// Returns the expected probability that the target writes another token; 1 where a feature is not a number.
    #[must_use]
    pub fn mismatch_probability(&self, features: &Features) -> f64 {
        let expected = regression::predict(&self.weights, &inputs(features));
        if expected.is_nan() { 1.0 } else { expected }
    }

    /// Fits a law to what happened under the shared noise, by Newton's method; `None` where the labels do not determine
    /// it.
    pub(super) fn fit(labels: &[Label]) -> Option<Self> {
        let differs = |l: &Label| f64::from(u8::from(!l.matched));
        let points: Vec<_> = labels.iter().map(|l| (inputs(&l.features), differs(l))).collect();
        let weights = regression::fit(&points, RIDGE)?;
        let n = points.len().max(1) as f64;
        let information = regression::information(&weights, &points).map(|row| row.map(|entry| entry / n));
        let predicted = points.iter().map(|(x, differs)| (regression::predict(&weights, x) as f32, *differs)).collect();
        let fit = Self { weights, information, predictions: Some(Predictions::of(predicted)) };
        fit.is_sound().then_some(fit)
    }

    /// Returns the share of the tokens that the law was fitted to whose predictions lie above a threshold: those that
    /// are sent. `None` without [`predictions`](Self::predictions).
    #[must_use]
    pub fn share_sent_at(&self, threshold: f32) -> Option<f64> {
        let rank = self.predictions.as_ref()?.quantiles.partition_point(|&quantile| quantile <= threshold);
        Some(1.0 - rank.saturating_sub(1) as f64 / CELLS as f64)
    }

    /// Returns the probability per token that it is not sent at this threshold although the target writes another;
    /// `None` without [`predictions`](Self::predictions).
    #[must_use]
    pub fn expected_risk(&self, threshold: f32) -> Option<f64> {
        let Predictions { quantiles, mismatch } = self.predictions.as_ref()?;
        let rank = quantiles.partition_point(|&quantile| quantile <= threshold).saturating_sub(1);
        Some(mismatch.iter().take(rank).map(|&share| f64::from(share)).sum::<f64>() / CELLS as f64)
    }

    /// Tells whether every number is finite, and the predictions are what they should be.
    pub(super) fn is_sound(&self) -> bool {
        self.weights.iter().chain(self.information.iter().flatten()).all(|value| value.is_finite())
            && self.predictions.as_ref().is_none_or(Predictions::is_sound)
    }
}

impl Predictions {
    /// Sorts predictions, each paired with 1 if the target wrote another token and 0 if not.
    fn of(mut predicted: Vec<(f32, f64)>) -> Self {
        /// Number of labels as which the predictions themselves count in each hundredth: of a hundredth in which
        /// nothing happened to differ, it is not known that nothing does.
        const OWN_LABELS: f64 = 2.0;
        predicted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let sorted: Vec<f32> = predicted.iter().map(|entry| entry.0).collect();
        let own = OWN_LABELS / (OWN_LABELS + predicted.len() as f64 / CELLS as f64);
        let blend = |(prediction, differs): &(f32, f64)| own * f64::from(*prediction) + (1.0 - own) * differs;
        Self { quantiles: quantiles(&sorted), mismatch: cell_means(&predicted, blend) }
    }

    fn is_sound(&self) -> bool {
        let unit = |values: &[f32]| values.iter().all(|value| (0.0..=1.0).contains(value));
        self.quantiles.len() == CELLS + 1
            && self.quantiles.is_sorted()
            && self.mismatch.len() == CELLS
            && unit(&self.quantiles)
            && unit(&self.mismatch)
    }
}

/// Returns the inputs of a token, each of the order of 1.
pub(crate) fn inputs(features: &Features) -> [f64; INPUTS] {
    /// Lead in the race beyond which nothing that the target's logits do makes another token win; within `NEAR`,
    /// anything does.
    const FAR: f64 = 12.0;
    const NEAR: f64 = 1e-3;
    let [u, q, entropy, margin] = [features.u, features.q, features.entropy, features.margin].map(f64::from);
    let bounded = u.clamp(1e-4, 1.0 - 1e-4);
    let (odds, surprise) = ((bounded / (1.0 - bounded)).ln() / 4.0, q.clamp(1e-6, 1.0).ln() / 2.0);
    // What the target's logits move a score by has a scale, so that it is the logarithm of a lead that the odds of a
    // mismatch fall with; NaN stays NaN.
    let lead = margin.clamp(NEAR, FAR);
    let steps = lead.ln() / 3.0;
    [1.0, u, odds, odds * odds, surprise, surprise * surprise, lead / FAR, steps, steps * odds, entropy]
}

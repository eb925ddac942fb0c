//! The law of the rejection probability `beta` given the uncertainty `u`, learnt from labels: a line, and means in
//! ranges.

use super::means::Means;
use crate::calibration::{CELLS, Calibration, Label, LinearLaw, Moments};

/// Number of labels that the calibration counts as in the line for ever: it holds the slope where only a narrow range
/// of `u` is ever judged. An invented one counts as fewer.
const PRIOR_LABELS: f64 = 100.0;
const GENERIC_PRIOR_LABELS: f64 = 20.0;
/// Factor on a label's weight with each further one: the weight falls by half in about 350, `exp(-1/512)` each.
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
/// Factor of the calibration's slope within which the tracked one stays.
const SLOPE_FACTOR: f64 = 4.0;

/// The line and the means that are learnt from labels.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    prior: Moments,
    prior_law: LinearLaw,
    recent: Moments,
    law: LinearLaw,
    /// Share of tokens in whose place the target writes another, by `u`.
    beta: Means,
    /// Share of tokens with `p(d) < q(d)`, by `u`.
    risky: Means,
    labels: u64,
}

impl Learner {
    pub(super) fn new(calibration: &Calibration) -> Self {
        let prior_labels = if calibration.is_generic() { GENERIC_PRIOR_LABELS } else { PRIOR_LABELS };
        let means = |cells: &[f32]| Means::new(calibration, &calibration.uncertainty_quantiles, cells);
        Self {
            prior: prior_moments(calibration, prior_labels),
            prior_law: calibration.law,
            recent: Moments::default(),
            law: calibration.law,
            beta: means(&calibration.beta_by_uncertainty),
            risky: means(&calibration.risky_by_uncertainty),
            labels: 0,
        }
    }

    /// Learns for the means of `beta` whether the target wrote the same token.
    pub(super) fn observe_match(&mut self, u: f32, matched: bool) {
        self.beta.observe(u, f64::from(u8::from(!matched)));
    }

    /// Learns the line and the share of risky tokens from a token's probabilities.
    pub(super) fn observe_probability(&mut self, label: &Label) {
        self.labels += 1;
        self.recent.scale(FORGETTING);
        self.recent.add(f64::from(label.u()), label.rejection_probability(), 1.0);
        self.law = self.fit();
        self.risky.observe(label.u(), f64::from(u8::from(label.is_risky())));
    }

    /// Returns the tracked line.
    pub(super) fn law(&self) -> LinearLaw {
        self.law
    }

    /// Returns the mean of `beta` at `u`.
    pub(super) fn beta(&self, u: f32) -> f64 {
        self.beta.at(u)
    }

    /// Returns the share of tokens with `p(d) < q(d)` at `u`.
    pub(super) fn risky(&self, u: f32) -> f64 {
        self.risky.at(u)
    }

    /// Returns the correlation of `u` and `beta` over the calibration and the recent labels.
    pub(super) fn correlation(&self) -> f64 {
        self.prior.plus(&self.recent).correlation()
    }

    /// Returns the number of labels learnt from.
    pub(super) fn labels(&self) -> u64 {
        self.labels
    }

    /// Fits by least squares over the prior and the recent labels; the slope is held near the calibration's and
    /// positive.
    fn fit(&self) -> LinearLaw {
        let all = self.prior.plus(&self.recent);
        let (mean_u, mean_beta) = all.means();
        let prior = self.prior_law.a;
        let a = all.line().map_or(prior, |law| law.a).clamp(prior / SLOPE_FACTOR, prior * SLOPE_FACTOR);
        LinearLaw { a, b: mean_beta - a * mean_u }
    }
}

/// Returns the moments that a sample of `weight` labels with the calibration's line and correlation has.
fn prior_moments(calibration: &Calibration, weight: f64) -> Moments {
    let LinearLaw { a, b } = calibration.law;
    let each = weight / CELLS as f64;
    let mut moments = Moments::default();
    let uncertainties: Vec<f64> =
        (0..CELLS).map(|cell| f64::from(calibration.uncertainty_at_rank((cell as f64 + 0.5) / CELLS as f64))).collect();
    let mean = uncertainties.iter().sum::<f64>() / CELLS as f64;
    let variance = uncertainties.iter().map(|u| (u - mean) * (u - mean)).sum::<f64>() / CELLS as f64;
    // corr^2 = a^2 Var(u) / Var(beta), so the residual's variance is a^2 Var(u) (1/corr^2 - 1).
    let square = (calibration.correlation * calibration.correlation).clamp(0.01, 1.0);
    let residual = (a * a * variance * (1.0 / square - 1.0)).sqrt();
    for u in uncertainties {
        moments.add(u, a * u + b + residual, each / 2.0);
        moments.add(u, a * u + b - residual, each / 2.0);
    }
    moments
}

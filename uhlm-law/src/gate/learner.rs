//! What labels teach about `beta` given `u`: a line, and means in ranges of `u`.

use crate::calibration::{CELLS, Calibration, Label, LinearLaw, Moments};

/// The calibration counts as this many labels in the line for ever: it holds the slope where only a narrow range of
/// `u` is ever judged. An invented one counts as fewer.
const PRIOR_LABELS: f64 = 100.0;
const GENERIC_PRIOR_LABELS: f64 = 20.0;
/// A label's weight falls by half in about 350 further ones: `exp(-1/512)` each.
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
/// The tracked slope stays within this factor of the calibration's.
const SLOPE_FACTOR: f64 = 4.0;
/// Ranges of `u`, each a sixteenth of the calibration's tokens.
const RANGES: usize = 16;
/// In its range, the calibration counts as this many labels at most, an invented one as fewer.
const RANGE_PRIOR_LABELS: f64 = 30.0;
const RANGE_GENERIC_PRIOR_LABELS: f64 = 2.0;
/// Labels of a range age by further labels of the same range: what is judged rarely is not forgotten.
const RANGE_FORGETTING: f64 = 1.0 - 1.0 / 128.0;

/// What is known about one range of `u`.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    /// The calibration's means.
    prior_beta: f64,
    prior_risky: f64,
    /// The uncertainty in its middle, half of its tokens below.
    middle: f32,
    /// The upper end; the last range has none.
    upper: f32,
    /// Sums over this session's labels, older ones weighing less.
    weight: f64,
    beta: f64,
    risky_weight: f64,
    risky: f64,
}

/// The line and the ranges.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    prior: Moments,
    prior_law: LinearLaw,
    range_prior: f64,
    recent: Moments,
    law: LinearLaw,
    ranges: [Range; RANGES],
    /// How much more often than calibrated tokens are rejected, and are risky, where this session judged.
    beta_drift: f64,
    risky_drift: f64,
    labels: u64,
}

impl Learner {
    pub(super) fn new(calibration: &Calibration) -> Self {
        let (prior_labels, range_prior) = if calibration.is_generic() {
            (GENERIC_PRIOR_LABELS, RANGE_GENERIC_PRIOR_LABELS)
        } else {
            (PRIOR_LABELS, RANGE_PRIOR_LABELS.min(calibration.labels as f64 / RANGES as f64))
        };
        let mut ranges = [Range::default(); RANGES];
        for (i, range) in ranges.iter_mut().enumerate() {
            let rank = |edge: usize| edge as f64 / RANGES as f64;
            let mean = |values: &[f32]| {
                let cell = |edge: usize| (rank(edge) * CELLS as f64).round() as usize;
                let cells = values.get(cell(i)..cell(i + 1)).unwrap_or_default();
                cells.iter().map(|&v| f64::from(v)).sum::<f64>() / cells.len().max(1) as f64
            };
            range.prior_beta = mean(&calibration.beta_by_uncertainty);
            range.prior_risky = mean(&calibration.risky_by_uncertainty);
            range.middle = calibration.uncertainty_at_rank((rank(i) + rank(i + 1)) / 2.0);
            range.upper = if i + 1 == RANGES { f32::INFINITY } else { calibration.uncertainty_at_rank(rank(i + 1)) };
        }
        Self {
            prior: prior_moments(calibration, prior_labels),
            prior_law: calibration.law,
            range_prior,
            recent: Moments::default(),
            law: calibration.law,
            ranges,
            beta_drift: 1.0,
            risky_drift: 1.0,
            labels: 0,
        }
    }

    /// Learns from a label everything that it says under the paper's coupling.
    pub(super) fn observe(&mut self, label: &Label) {
        self.observe_probability(label);
        let place = self.place(label.u);
        let range = &mut self.ranges[place];
        range.weight = range.weight * RANGE_FORGETTING + 1.0;
        range.beta = range.beta * RANGE_FORGETTING + label.rejection_probability();
        self.update_drift();
    }

    /// Learns whether the target wrote the same token: what the ranges' `beta` is then about.
    pub(super) fn observe_match(&mut self, u: f32, matched: bool) {
        let place = self.place(u);
        let range = &mut self.ranges[place];
        range.weight = range.weight * RANGE_FORGETTING + 1.0;
        range.beta = range.beta * RANGE_FORGETTING + f64::from(u8::from(!matched));
        self.update_drift();
    }

    /// Learns the line and the share of risky tokens from a token's probabilities.
    pub(super) fn observe_probability(&mut self, label: &Label) {
        self.labels += 1;
        self.recent.scale(FORGETTING);
        self.recent.add(f64::from(label.u), label.rejection_probability(), 1.0);
        self.law = self.fit();
        let place = self.place(label.u);
        let range = &mut self.ranges[place];
        range.risky_weight = range.risky_weight * RANGE_FORGETTING + 1.0;
        range.risky = range.risky * RANGE_FORGETTING + f64::from(u8::from(label.is_risky()));
        self.update_drift();
    }

    /// The tracked line.
    pub(super) fn law(&self) -> LinearLaw {
        self.law
    }

    /// The mean of `beta` at `u`.
    pub(super) fn beta(&self, u: f32) -> f64 {
        self.between_middles(u, |r| self.blend(r.prior_beta * self.beta_drift, r.beta, r.weight))
    }

    /// The share of tokens with `p(d) < q(d)` at `u`.
    pub(super) fn risky(&self, u: f32) -> f64 {
        self.between_middles(u, |r| self.blend(r.prior_risky * self.risky_drift, r.risky, r.risky_weight))
    }

    /// The correlation of `u` and `beta` over the calibration and the recent labels.
    pub(super) fn correlation(&self) -> f64 {
        self.prior.plus(&self.recent).correlation()
    }

    /// Labels learnt from.
    pub(super) fn labels(&self) -> u64 {
        self.labels
    }

    fn place(&self, u: f32) -> usize {
        self.ranges.partition_point(|range| range.upper < u).min(RANGES - 1)
    }

    /// A value known in the middle of each range, linear in between and constant beyond the outermost.
    fn between_middles(&self, u: f32, value: impl Fn(&Range) -> f64) -> f64 {
        let above = self.ranges.partition_point(|range| range.middle <= u);
        let (low, high) = (&self.ranges[above.saturating_sub(1)], &self.ranges[above.min(RANGES - 1)]);
        let width = f64::from(high.middle - low.middle);
        let part = if width > 0.0 { (f64::from(u - low.middle) / width).clamp(0.0, 1.0) } else { 0.0 };
        value(low) * (1.0 - part) + value(high) * part
    }

    /// A range's mean: the calibration's as if from its part of the prior labels, and the session's.
    fn blend(&self, prior: f64, sum: f64, weight: f64) -> f64 {
        ((self.range_prior * prior + sum) / (self.range_prior + weight)).clamp(0.0, 1.0)
    }

    fn update_drift(&mut self) {
        self.beta_drift = self.drift(|r| (r.weight, r.beta, r.prior_beta));
        self.risky_drift = self.drift(|r| (r.risky_weight, r.risky, r.prior_risky));
    }

    /// How much more often than calibrated something was seen; of each range its weight, what was seen and what the
    /// calibration has.
    fn drift(&self, of: fn(&Range) -> (f64, f64, f64)) -> f64 {
        // One range's worth of prior labels at the mean keeps the ratio of two small sums tame.
        let mean = self.ranges.iter().map(|r| of(r).2).sum::<f64>() / RANGES as f64;
        let seen = self.ranges.iter().map(|r| of(r).1).sum::<f64>() + self.range_prior * mean;
        let expected = self.ranges.iter().map(|r| of(r).0 * of(r).2).sum::<f64>() + self.range_prior * mean;
        if expected > 0.0 { (seen / expected).clamp(1.0 / SLOPE_FACTOR, SLOPE_FACTOR) } else { 1.0 }
    }

    /// Least squares over the prior and the recent labels; the slope is held near the calibration's and positive.
    fn fit(&self) -> LinearLaw {
        let all = self.prior.plus(&self.recent);
        let (mean_u, mean_beta) = all.means();
        let prior = self.prior_law.a;
        let a = all.line().map_or(prior, |law| law.a).clamp(prior / SLOPE_FACTOR, prior * SLOPE_FACTOR);
        LinearLaw { a, b: mean_beta - a * mean_u }
    }
}

/// Moments that a sample of `weight` labels with the calibration's line and correlation has.
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

//! Moments, quantiles and means over cells: what a fit needs of its labels.

use super::{CELLS, LinearLaw};

/// Weighted first and second moments of pairs `(u, beta)` of uncertainty and rejection probability: all that a
/// regression line needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    weight: f64,
    u: f64,
    beta: f64,
    uu: f64,
    ub: f64,
    bb: f64,
}

impl Moments {
    /// Adds one pair.
    pub(crate) fn add(&mut self, u: f64, beta: f64, weight: f64) {
        self.weight += weight;
        self.u += weight * u;
        self.beta += weight * beta;
        self.uu += weight * u * u;
        self.ub += weight * u * beta;
        self.bb += weight * beta * beta;
    }

    /// Multiplies every weight so far.
    pub(crate) fn scale(&mut self, factor: f64) {
        for sum in [&mut self.weight, &mut self.u, &mut self.beta, &mut self.uu, &mut self.ub, &mut self.bb] {
            *sum *= factor;
        }
    }

    /// Returns the moments of both sets of pairs together.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.weight += other.weight;
        self.u += other.u;
        self.beta += other.beta;
        self.uu += other.uu;
        self.ub += other.ub;
        self.bb += other.bb;
        self
    }

    /// Returns the means of `u` and of `beta`.
    pub(crate) fn means(&self) -> (f64, f64) {
        (self.u / self.weight, self.beta / self.weight)
    }

    /// Returns the least-squares line; `None` where `u` does not vary.
    pub(crate) fn line(&self) -> Option<LinearLaw> {
        let (mean_u, mean_beta) = self.means();
        let variance = self.uu / self.weight - mean_u * mean_u;
        // NaN (no weight at all) fails this comparison too.
        if variance > 1e-12 {
            let a = (self.ub / self.weight - mean_u * mean_beta) / variance;
            Some(LinearLaw { a, b: mean_beta - a * mean_u })
        } else {
            None
        }
    }

    /// Returns the Pearson correlation; 0 where one of the two does not vary.
    pub(crate) fn correlation(&self) -> f64 {
        let (mean_u, mean_beta) = self.means();
        let variance_u = self.uu / self.weight - mean_u * mean_u;
        let variance_beta = self.bb / self.weight - mean_beta * mean_beta;
        let scale = (variance_u * variance_beta).sqrt();
        if scale > 1e-12 { ((self.ub / self.weight - mean_u * mean_beta) / scale).clamp(-1.0, 1.0) } else { 0.0 }
    }
}

/// Returns the quantiles at 0, 1, ..., 100 % of ascending values.
pub(crate) fn quantiles(sorted: &[f32]) -> Vec<f32> {
    (0..=CELLS).map(|i| interpolate(sorted, i as f64 / CELLS as f64)).collect()
}

/// Returns the value at a rank in [0, 1] of ascending, evenly spaced order statistics.
pub(crate) fn interpolate(sorted: &[f32], rank: f64) -> f32 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = rank.clamp(0.0, 1.0) * last as f64;
    let below = place as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * (place - below as f64) as f32
}

/// Returns means of a value over each hundredth of the labels; a label on a border counts on both sides by its parts.
pub(super) fn cell_means<T>(sorted: &[T], value: impl Fn(&T) -> f64) -> Vec<f32> {
    let size = sorted.len() as f64 / CELLS as f64;
    (0..CELLS)
        .map(|cell| {
            let (low, high) = (cell as f64 * size, (cell + 1) as f64 * size);
            let last = (high.ceil() as usize).min(sorted.len());
            let sum: f64 = sorted[low as usize..last]
                .iter()
                .zip(low as usize..)
                .map(|(label, i)| value(label) * (high.min((i + 1) as f64) - low.max(i as f64)))
                .sum();
            (sum / size).clamp(0.0, 1.0) as f32
        })
        .collect()
}

//! The mean of something in [0, 1] in ranges of a number: a calibration's, corrected by what a session sees.

use crate::calibration::{Calibration, interpolate};

/// Number of ranges, each a sixteenth of the calibration's tokens.
const RANGES: usize = 16;
/// Largest number of labels that the calibration counts as in a range; an invented one counts as fewer.
const PRIOR_LABELS: f64 = 30.0;
const GENERIC_PRIOR_LABELS: f64 = 2.0;
/// Factor on a label's weight with each further label of the same range: what is judged rarely is not forgotten.
const FORGETTING: f64 = 1.0 - 1.0 / 128.0;
/// Factor within which the drift stays.
const MAX_DRIFT: f64 = 4.0;

/// The knowledge about one range.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    /// The calibration's mean.
    prior: f64,
    /// Value in the middle of the range, half of its tokens below.
    middle: f32,
    /// Upper end of the range; the last one has none.
    upper: f32,
    /// Sums over this session's labels, older ones weighing less.
    weight: f64,
    sum: f64,
}

/// Means in ranges of a number.
#[derive(Clone, Debug)]
pub(super) struct Means {
    ranges: [Range; RANGES],
    /// Number of labels that the calibration counts as in each range.
    prior_labels: f64,
    /// Ratio of what was seen to what was calibrated, where this session has labels.
    drift: f64,
}

impl Means {
    /// Makes means that start from a calibration with these quantiles of the number; `cells` are the calibrated means
    /// of equal shares of the tokens, in order of the number.
    pub(super) fn new(calibration: &Calibration, quantiles: &[f32], cells: &[f32]) -> Self {
        let prior_labels = if calibration.is_generic() {
            GENERIC_PRIOR_LABELS
        } else {
            PRIOR_LABELS.min(calibration.labels as f64 / RANGES as f64)
        };
        let mut ranges = [Range::default(); RANGES];
        for (i, range) in ranges.iter_mut().enumerate() {
            let rank = |edge: usize| edge as f64 / RANGES as f64;
            let cell = |edge: usize| (rank(edge) * cells.len() as f64).round() as usize;
            let own = cells.get(cell(i)..cell(i + 1)).unwrap_or_default();
            range.prior = own.iter().map(|&v| f64::from(v)).sum::<f64>() / own.len().max(1) as f64;
            range.middle = interpolate(quantiles, (rank(i) + rank(i + 1)) / 2.0);
            range.upper = if i + 1 == RANGES { f32::INFINITY } else { interpolate(quantiles, rank(i + 1)) };
        }
        Self { ranges, prior_labels, drift: 1.0 }
    }

    /// Learns from one token at `x`.
    pub(super) fn observe(&mut self, x: f32, value: f64) {
        let place = self.ranges.partition_point(|range| range.upper < x).min(RANGES - 1);
        let range = &mut self.ranges[place];
        range.weight = range.weight * FORGETTING + 1.0;
        range.sum = range.sum * FORGETTING + value;
        self.drift = self.drifted();
    }

    /// Returns the mean at `x`: known in the middle of each range, linear in between and constant beyond the outermost.
    pub(super) fn at(&self, x: f32) -> f64 {
        let above = self.ranges.partition_point(|range| range.middle <= x);
        let (low, high) = (&self.ranges[above.saturating_sub(1)], &self.ranges[above.min(RANGES - 1)]);
        let width = f64::from(high.middle - low.middle);
        let part = if width > 0.0 { (f64::from(x - low.middle) / width).clamp(0.0, 1.0) } else { 0.0 };
        self.blend(low) * (1.0 - part) + self.blend(high) * part
    }

    /// Returns a range's mean: the calibration's as if from its part of the prior labels, and the session's.
    fn blend(&self, range: &Range) -> f64 {
        let prior = self.prior_labels * range.prior * self.drift;
        ((prior + range.sum) / (self.prior_labels + range.weight)).clamp(0.0, 1.0)
    }

    /// Returns the ratio of what was seen to what was calibrated.
    fn drifted(&self) -> f64 {
        // One range's worth of prior labels at the mean keeps the ratio of two small sums tame.
        let mean = self.ranges.iter().map(|r| r.prior).sum::<f64>() / RANGES as f64;
        let seen = self.ranges.iter().map(|r| r.sum).sum::<f64>() + self.prior_labels * mean;
        let expected = self.ranges.iter().map(|r| r.weight * r.prior).sum::<f64>() + self.prior_labels * mean;
        if expected > 0.0 { (seen / expected).clamp(1.0 / MAX_DRIFT, MAX_DRIFT) } else { 1.0 }
    }
}

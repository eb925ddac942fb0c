//! Computes intervals, quantiles and lines of measured values.

use serde::{Deserialize, Serialize};

/// Quantile of the standard normal distribution for a two-sided interval of 95 %.
pub(crate) const Z95: f64 = 1.959_964;

/// A number of trials and of the successes among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    /// Number of successes.
    pub successes: usize,
    /// Number of trials.
    pub trials: usize,
}

impl Proportion {
    /// Returns the share of successes, from 0 to 1; 0 without trials.
    #[must_use]
    pub fn value(self) -> f64 {
        if self.trials == 0 { 0.0 } else { self.successes as f64 / self.trials as f64 }
    }

    /// Returns Wilson's score interval at 95 %: unlike the normal one it never leaves [0, 1] and holds near its ends.
    #[must_use]
    pub fn wilson95(self) -> (f64, f64) {
        if self.trials == 0 {
            return (0.0, 1.0);
        }
        let n = self.trials as f64;
        let (p, zz) = (self.value(), Z95 * Z95);
        let centre = (p + zz / (2.0 * n)) / (1.0 + zz / n);
        let half = Z95 / (1.0 + zz / n) * (p * (1.0 - p) / n + zz / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}

/// Returns the value below which a share of the values lies (nearest rank); `None` without values.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Returns the middle value, or the mean of the two middle ones if their number is even; `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Returns the base and the slope of the least-squares line `y = base + slope x`; `None` if `x` does not vary.
#[must_use]
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (sxx, sxy) =
        points.iter().fold((0.0, 0.0), |(xx, xy), p| (xx + (p.0 - mx) * (p.0 - mx), xy + (p.0 - mx) * (p.1 - my)));
    (sxx > 0.0).then(|| (my - sxy / sxx * mx, sxy / sxx))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_agrees_with_published_values() {
        let (low, high) = Proportion { successes: 180, trials: 200 }.wilson95();
        assert!((low - 0.8506).abs() < 5e-4 && (high - 0.9343).abs() < 5e-4, "{low} {high}");
        let (low, high) = Proportion { successes: 0, trials: 10 }.wilson95();
        assert!(low.abs() < 1e-12 && (high - 0.2775).abs() < 5e-4, "{low} {high}");
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&values, 1.0), Some(100.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_line_is_found_again() {
        let (base, slope) = line(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)]).expect("x varies");
        assert!((base - 3.0).abs() < 1e-9 && (slope - 2.0).abs() < 1e-9);
        assert_eq!(line(&[(1.0, 5.0), (1.0, 7.0)]), None);
    }
}

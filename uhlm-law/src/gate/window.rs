//! The distribution of a number over the last drafted tokens: of `u`, or of what a law predicts.

use std::collections::VecDeque;

use crate::calibration::{self, interpolate};

/// Number of tokens remembered: a shift of the prompts' kind is followed within so many tokens, and a quantile is off
/// by about 0.03 in rank.
const TOKENS: usize = 256;
/// Number of them that a measured calibration stands for at the start; an invented one stands for fewer.
const PRIOR_TOKENS: usize = 128;
const GENERIC_PRIOR_TOKENS: usize = 32;

/// The last values, started with quantiles of the calibration, in order of age and in order of size.
#[derive(Clone, Debug)]
pub(super) struct Window {
    by_age: VecDeque<f32>,
    sorted: Vec<f32>,
}

impl Window {
    /// Makes a window that starts with a calibration's quantiles; an invented one counts for less.
    pub(super) fn new(quantiles: &[f32], generic: bool) -> Self {
        let n = if generic { GENERIC_PRIOR_TOKENS } else { PRIOR_TOKENS };
        let sorted: Vec<f32> = (0..n).map(|i| interpolate(quantiles, (i as f64 + 0.5) / n as f64)).collect();
        // Evict them in an order that keeps what is left spread out: a stride that shares no divisor with n.
        let by_age = (0..n).map(|i| sorted[i * 37 % n]).collect();
        Self { by_age, sorted }
    }

    pub(super) fn push(&mut self, x: f32) {
        if self.by_age.len() >= TOKENS
            && let Some(old) = self.by_age.pop_front()
        {
            let place = self.sorted.partition_point(|&x| x < old);
            self.sorted.remove(place);
        }
        self.by_age.push_back(x);
        let place = self.sorted.partition_point(|&other| other < x);
        self.sorted.insert(place, x);
    }

    /// Returns the value that a share `rank` of the tokens does not exceed.
    pub(super) fn at_rank(&self, rank: f64) -> f32 {
        let place = (rank.clamp(0.0, 1.0) * self.sorted.len() as f64) as usize;
        self.sorted.get(place.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// Returns the threshold above which this share of the tokens lies: 0 for all of them, 1 for none.
    pub(super) fn threshold_for_share(&self, share: f64) -> f32 {
        if share >= 1.0 {
            0.0
        } else if share <= 0.0 {
            1.0
        } else {
            self.at_rank(1.0 - share)
        }
    }

    /// Returns the highest threshold with a mean of `beta(x) 1{x <= threshold}` of at most `risk`, between two values
    /// by its part; 1 where skipping all is within it.
    pub(super) fn threshold_for_risk(&self, risk: f64, beta: impl Fn(f32) -> f64) -> f32 {
        let mut left = risk * self.sorted.len() as f64;
        let mut below = 0.0;
        for &x in &self.sorted {
            let beta = beta(x);
            if beta > left {
                return below + (x - below) * (left / beta) as f32;
            }
            left -= beta;
            below = x;
        }
        1.0
    }

    /// Returns the mean of a function of the value.
    pub(super) fn mean(&self, f: impl Fn(f32) -> f64) -> f64 {
        self.sorted.iter().map(|&x| f(x)).sum::<f64>() / self.sorted.len().max(1) as f64
    }

    /// Returns the quantiles at 0, 1, ..., 100 %.
    pub(super) fn quantiles(&self) -> Vec<f32> {
        calibration::quantiles(&self.sorted)
    }
}

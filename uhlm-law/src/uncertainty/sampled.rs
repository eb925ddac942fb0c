//! Temperature perturbation exactly as the paper samples it.

use super::{MAX_DRAWS, THETA_MAX, Uncertainty, finite_logit};
use crate::rng::{Rng, Stream};
use crate::sampling::TokenId;

/// The estimator with `theta_k` uniform on [0, 2], `d_k` drawn from `softmax(z / theta_k)`, and `u` the share of `d_k`
/// other than the drafted token (arXiv 2412.12687v2, section on uncertainty). Costs two passes over the logits a draw.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    draws: u32,
    rng: Rng,
}

impl Sampled {
    pub(super) fn new(draws: u32, seed: u64) -> Self {
        Self { draws: draws.clamp(1, MAX_DRAWS), rng: Rng::new(seed, Stream::Uncertainty) }
    }
}

impl Uncertainty for Sampled {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if finite_logit(logits, drafted).is_none() || !max.is_finite() {
            return 1.0;
        }
        let other = (0..self.draws)
            .filter(|_| {
                let theta = THETA_MAX * self.rng.uniform() as f32;
                draw(logits, max, theta, self.rng.uniform()) != Some(drafted)
            })
            .count();
        other as f32 / self.draws as f32
    }
}

/// Returns the token at quantile `v` of `softmax(z / theta)`; at `theta = 0` the first of the most probable ones.
fn draw(logits: &[f32], max: f32, theta: f32, v: f64) -> Option<TokenId> {
    // Below this every token but the greatest underflows, and 0/0 would follow at 0 itself.
    let inverse = 1.0 / theta.max(1e-6);
    let weight = |z: f32| f64::from(((z - max) * inverse).exp());
    let target = v * logits.iter().map(|&z| weight(z)).filter(|w| !w.is_nan()).sum::<f64>();
    let mut cumulative = 0.0;
    let place = logits.iter().position(|&z| {
        let w = weight(z);
        if !w.is_nan() {
            cumulative += w;
        }
        cumulative > target
    });
    place.map(|id| id as TokenId)
}

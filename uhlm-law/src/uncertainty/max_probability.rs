//! One minus the probability of the most probable token.

use super::softmax::Softmax;
use super::{Uncertainty, finite_logit};
use crate::sampling::TokenId;

/// The estimator `1 - max softmax(z)`. It does not look at which token was drafted.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxProbability;

impl Uncertainty for MaxProbability {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        let softmax = finite_logit(logits, drafted).and_then(|_| Softmax::of(logits));
        let Some(Softmax { sum, .. }) = softmax else { return 1.0 };
        (1.0 - 1.0 / sum).clamp(0.0, 1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_of_three_to_one_give_a_quarter() {
        let u = MaxProbability.estimate(&[3.0f32.ln(), 0.0], 1);
        assert!((u - 0.25).abs() < 1e-6, "{u}");
    }
}

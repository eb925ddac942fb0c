//! Shannon entropy of the softmax, over `ln V`.

use super::softmax::Softmax;
use super::{Uncertainty, finite_logit};
use crate::sampling::TokenId;

/// The estimator `H(softmax(z)) / ln V`. It does not look at which token was drafted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entropy;

impl Uncertainty for Entropy {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        let softmax = finite_logit(logits, drafted).and_then(|_| Softmax::of(logits));
        let Some(Softmax { sum, moment, .. }) = softmax else { return 1.0 };
        // H = ln s - m / s with the sum s of e^x and the sum m of x e^x.
        let entropy = (sum.ln() - moment / sum) / (logits.len().max(2) as f64).ln();
        entropy.clamp(0.0, 1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equal_tokens_of_four_give_half() {
        let u = Entropy.estimate(&[3.0, 3.0, -90.0, -90.0], 0);
        assert!((u - 0.5).abs() < 1e-6, "{u}");
    }
}

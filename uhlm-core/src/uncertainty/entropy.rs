//! Shannon entropy of the softmax, over `ln V`.

use super::{Uncertainty, finite_logit, greatest};
use crate::sampling::TokenId;

/// `H(softmax(z)) / ln V`. It does not look at which token was drafted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entropy;

impl Uncertainty for Entropy {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        if finite_logit(logits, drafted).is_none() {
            return 1.0;
        }
        let max = greatest(logits);
        // With s = sum e^x and t = sum x e^x over x = z - max: H = ln s - t/s.
        let (s, t) = logits.iter().map(|z| z - max).filter(|x| *x > -80.0).fold((0.0f64, 0.0f64), |(s, t), x| {
            let e = x.exp();
            (s + f64::from(e), t + f64::from(x * e))
        });
        let entropy = (s.ln() - t / s) / (logits.len().max(2) as f64).ln();
        if entropy.is_nan() { 1.0 } else { entropy.clamp(0.0, 1.0) as f32 }
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

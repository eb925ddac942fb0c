//! One minus the lead of the most probable token over the second.

use super::softmax::Softmax;
use super::{Uncertainty, finite_logit};
use crate::sampling::TokenId;
use crate::vector;

/// The estimator `1 - (first - second)` of `softmax(z)`. It does not look at which token was drafted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin;

impl Uncertainty for Margin {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        let softmax = finite_logit(logits, drafted).and_then(|_| Softmax::of(logits));
        let Some(Softmax { max, sum, .. }) = softmax else { return 1.0 };
        let mut second = f32::NEG_INFINITY;
        let mut at_max = 0u32;
        for &z in logits {
            at_max += u32::from(z == max);
            second = vector::max(if z == max { f32::NEG_INFINITY } else { z }, second);
        }
        let runner_up = if at_max > 1 { 1.0 } else { f64::from((second - max).exp()) };
        let margin = (1.0 - runner_up) / sum;
        (1.0 - margin).clamp(0.0, 1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_the_lead_over_the_second() {
        let u = Margin.estimate(&[5.0f32.ln(), 3.0f32.ln(), 2.0f32.ln()], 2);
        assert!((u - 0.8).abs() < 1e-6, "{u}");
        assert_eq!(Margin.estimate(&[1.0, 1.0, -50.0], 0), 1.0);
    }
}

//! The most probable tokens of a row, for whoever wants to see them.

use super::order::in_order;
use super::{TokenId, row};

/// Returns the `count` most probable tokens of a row of logits with the natural logarithms of their probabilities, the
/// most probable one first, the lower id first among equals: the model's own softmax, before any chain. Empty where the
/// logits are not finite.
#[must_use]
pub fn top_log_probabilities(logits: &[f32], count: usize) -> Vec<(TokenId, f32)> {
    let Some(max) = row::greatest(logits).filter(|_| count > 0) else { return Vec::new() };
    let mut top = Vec::new();
    row::top_k(logits, count, &mut top);
    top.retain(|token| token.1 > f32::NEG_INFINITY);
    top.sort_unstable_by(in_order);
    let whole = row::exp_sum(logits, max).ln();
    top.iter().map(|&(id, z)| (id, (f64::from(z) - f64::from(max) - whole) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_tokens_come_first_with_the_logarithms_of_their_probabilities() {
        let logits = [1.0, 3.0, f32::NEG_INFINITY, 3.0, 0.0];
        let top = top_log_probabilities(&logits, 3);
        assert_eq!(top.iter().map(|token| token.0).collect::<Vec<_>>(), [1, 3, 0]);
        let whole: f64 = [1.0f64, 3.0, 3.0, 0.0].iter().map(|z| z.exp()).sum();
        for (id, logarithm) in top_log_probabilities(&logits, 9) {
            let expected = f64::from(logits[id as usize]) - whole.ln();
            assert!((f64::from(logarithm) - expected).abs() < 1e-5, "{id}: {logarithm} for {expected}");
        }
        assert_eq!(top_log_probabilities(&logits, 9).len(), 4);
        assert!(top_log_probabilities(&logits, 0).is_empty() && top_log_probabilities(&[f32::NAN], 3).is_empty());
    }
}

//! How far the logits of a row are spread, by which top-n-sigma keeps tokens (Tang et al. 2024).
//!
//! The arithmetic has the same bits on every processor: a token at the border must not be kept on one side of the wire
//! only.

use crate::vector::{self, Kernel};

/// Number of sums that are kept side by side, the same on every processor.
const SUMS: usize = 8;

/// Returns the logit that lies `n` standard deviations of all finite logits below the greatest, `max`.
pub(super) fn bound(logits: &[f32], max: f32, n: f32) -> f32 {
    let (count, sum) = vector::dispatch(Moment { logits, centre: 0.0, power: false });
    let mean = sum / count;
    let (_, squares) = vector::dispatch(Moment { logits, centre: mean, power: true });
    (f64::from(max) - f64::from(n) * (squares / count).sqrt()) as f32
}

/// The computation of how many logits are finite, with the sum of their distances from a centre, or of the squares of
/// these.
struct Moment<'a> {
    logits: &'a [f32],
    centre: f64,
    power: bool,
}

impl Kernel for Moment<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> (f64, f64) {
        let (mut counts, mut sums) = ([0.0f64; SUMS], [0.0f64; SUMS]);
        let mut add = |at: usize, z: f32| {
            // A row that stands for no token, or that a mask forbids, is no part of the spread.
            let is_finite = z > f32::NEG_INFINITY;
            let distance = if is_finite { f64::from(z) - self.centre } else { 0.0 };
            counts[at] += if is_finite { 1.0 } else { 0.0 };
            sums[at] += if self.power { distance * distance } else { distance };
        };
        let (chunks, rest) = self.logits.as_chunks::<SUMS>();
        for lanes in chunks {
            for (at, &z) in lanes.iter().enumerate() {
                add(at, z);
            }
        }
        for (at, &z) in rest.iter().enumerate() {
            add(at, z);
        }
        (counts.iter().sum(), sums.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_the_finite_logits() {
        let mut logits: Vec<f32> = (0..1003).map(|i| (i * 7919 % 1003) as f32 / 40.0).collect();
        let n = logits.len() as f64;
        let mean = logits.iter().map(|&z| f64::from(z)).sum::<f64>() / n;
        let sigma = (logits.iter().map(|&z| (f64::from(z) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let expected = 1002.0 / 40.0 - 1.5 * sigma;
        assert!((f64::from(bound(&logits, 1002.0 / 40.0, 1.5)) - expected).abs() < 1e-4);
        logits.extend([f32::NEG_INFINITY; 77]);
        assert!((f64::from(bound(&logits, 1002.0 / 40.0, 1.5)) - expected).abs() < 1e-4);
        assert_eq!(bound(&[3.0], 3.0, 2.0), 3.0);
    }
}

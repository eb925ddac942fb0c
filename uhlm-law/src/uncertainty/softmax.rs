//! The numbers that the estimators on a single softmax have in common.

use crate::vector::{self, Kernel, LANES, exp2};

/// A row's softmax in three numbers, with `x = z - max z`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softmax {
    /// The greatest logit.
    pub(super) max: f32,
    /// The sum of `e^x`: one over the greatest probability. At least 1.
    pub(super) sum: f64,
    /// The sum of `x e^x`.
    pub(super) moment: f64,
}

impl Softmax {
    /// Makes them in two passes over the row. NaN and `-inf` are passed over; `None` where the greatest logit is not
    /// finite.
    pub(super) fn of(logits: &[f32]) -> Option<Self> {
        let max = vector::dispatch(Greatest(logits));
        if !max.is_finite() {
            return None;
        }
        let (sum, moment) = vector::dispatch(Sums { logits, max });
        Some(Self { max, sum, moment })
    }
}

struct Greatest<'a>(&'a [f32]);

impl Kernel for Greatest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f32 {
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        let mut top = [f32::NEG_INFINITY; LANES];
        for lanes in chunks {
            for (top, &z) in top.iter_mut().zip(lanes) {
                *top = vector::max(z, *top);
            }
        }
        top.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

struct Sums<'a> {
    logits: &'a [f32],
    max: f32,
}

impl Kernel for Sums<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> (f64, f64) {
        /// Number of elements that are summed in single precision, so that rounding stays at a few units of the last
        /// place.
        const PART: usize = 64 * LANES;
        /// Smallest `x` that is told apart: `e^-80` is nothing beside 1, and `x e^x` stays a normal number.
        const FLOOR: f32 = -80.0;
        let (mut sum, mut moment) = (0.0, 0.0);
        for part in self.logits.chunks(PART) {
            let (mut sums, mut moments) = ([0.0f32; LANES], [0.0f32; LANES]);
            let mut add = |lanes: &[f32; LANES]| {
                for i in 0..LANES {
                    let x = vector::max(lanes[i] - self.max, FLOOR);
                    let e = exp2::<FUSED>(x * std::f32::consts::LOG2_E);
                    sums[i] += e;
                    moments[i] += x * e;
                }
            };
            let (chunks, rest) = part.as_chunks::<LANES>();
            chunks.iter().for_each(&mut add);
            let mut last = [f32::NEG_INFINITY; LANES];
            last[..rest.len()].copy_from_slice(rest);
            add(&last);
            sum += sums.iter().map(|&s| f64::from(s)).sum::<f64>();
            moment += moments.iter().map(|&m| f64::from(m)).sum::<f64>();
        }
        (sum, moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_double_precision() {
        let logits: Vec<f32> = (0..5003).map(|i| ((i * 7919 % 5003) as f32 / 200.0).sin() * 9.0).collect();
        let found = Softmax::of(&logits).expect("finite logits");
        let x = |z: f32| f64::from(z - found.max);
        let sum: f64 = logits.iter().map(|&z| x(z).exp()).sum();
        let moment: f64 = logits.iter().map(|&z| x(z) * x(z).exp()).sum();
        assert!((found.sum / sum - 1.0).abs() < 1e-6 && (found.moment / moment - 1.0).abs() < 1e-6);
        assert!(Softmax::of(&[f32::INFINITY]).is_none() && Softmax::of(&[]).is_none());
    }
}

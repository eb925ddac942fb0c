//! The sum of the weights that a row leaves, for the probability of one token without the distribution of all.

use super::TokenId;
use super::order::Cut;
use super::row::{power, scale};
use crate::vector::{self, BLOCK, Kernel, LANES, block_max};

/// Returns the sum of `exp((z - max) / temperature)` over the tokens that a cut keeps.
pub(super) fn mass(logits: &[f32], max: f32, temperature: f32, cut: Cut) -> f64 {
    let scale = scale(temperature);
    match cut {
        Cut::NONE => vector::dispatch(Mass::<false> { logits, max, scale, cut }),
        cut => vector::dispatch(Mass::<true> { logits, max, scale, cut }),
    }
}

/// Returns `exp((z - max) / temperature)`, as [`mass`] adds it up.
pub(super) fn weight(z: f32, max: f32, temperature: f32) -> f64 {
    f64::from(power::<false>((z - max) * scale(temperature)))
}

struct Mass<'a, const CUT: bool> {
    logits: &'a [f32],
    max: f32,
    scale: f32,
    /// Cut below which tokens do not count, where `CUT` is set.
    cut: Cut,
}

impl<const CUT: bool> Kernel for Mass<'_, CUT> {
    type Output = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let mut total = 0.0;
        for (index, part) in self.logits.chunks(BLOCK).enumerate() {
            if CUT
                && let Some(block) = part.first_chunk::<BLOCK>()
                && block_max(block) < self.cut.z
            {
                continue;
            }
            let mut weights = [0.0; BLOCK];
            for (i, (weight, &z)) in weights.iter_mut().zip(part).enumerate() {
                let value = power::<FUSED>((z - self.max) * self.scale);
                let kept = !CUT || self.cut.keeps((index * BLOCK + i) as TokenId, z);
                *weight = if kept { value } else { 0.0 };
            }
            let mut sums = [0.0f32; LANES];
            for lanes in weights.as_chunks::<LANES>().0 {
                for (sum, weight) in sums.iter_mut().zip(lanes) {
                    *sum += weight;
                }
            }
            total += f64::from(sums.iter().sum::<f32>());
        }
        total
    }
}

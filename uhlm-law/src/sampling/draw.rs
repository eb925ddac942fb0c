//! The draw with shared noise.
//!
//! Decides how a score is rounded, who wins, and which tokens are out of the race without a logarithm. It leaves to the
//! chain which tokens take part, and to [`noise`](crate::noise) what the noise is.

use super::order::Cut;
use super::{TokenId, row};
use crate::noise::{self, Block, PositionKey, TokenKeys, reach};
use crate::vector::{self, BLOCK, Kernel, block_max};

/// The token that a draw picks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Winner {
    /// Id of the token.
    pub id: TokenId,
    /// Lead of its score `z / T + G` (logit, temperature, noise) over that of the next token which the chain keeps, at
    /// least 0; infinite where it keeps no other. At temperature 0 the score is the logit, and the chain cuts none.
    pub margin: f64,
}

/// Takes the token of the greatest logit, which is `max`, the lowest id among equals.
pub(super) fn greedy(logits: &[f32], max: f32) -> Option<Winner> {
    let id = row::first_of(logits, max)?;
    let (before, after) = logits.split_at_checked(id as usize)?;
    let next =
        row::greatest(before).into_iter().chain(row::greatest(after.get(1..)?)).fold(f32::NEG_INFINITY, f32::max);
    Some(Winner { id, margin: f64::from(max) - f64::from(next) })
}

/// Takes the token of the greatest `z / temperature + G` among those that `cut` keeps and whose logit is finite, the
/// lowest id among equals. `None` where there is none. The temperature is positive, no logit is NaN or `+inf`, and
/// there are as many keys.
pub(super) fn noisy(
    logits: &[f32],
    cut: Cut,
    temperature: f32,
    keys: &TokenKeys,
    position: PositionKey,
) -> Option<Winner> {
    let scale = 1.0 / f64::from(temperature);
    let race = vector::dispatch(Contest { logits, cut, scale, keys, position });
    (race.first > f64::NEG_INFINITY).then_some(Winner { id: race.id, margin: race.first - race.second })
}

/// The state of a race.
struct Race {
    id: TokenId,
    /// The greatest score so far.
    first: f64,
    /// The second greatest; every token that cannot exceed it is out.
    second: f64,
}

impl Race {
    /// Returns the noise that a token with this `z / T` needs to exceed the second score.
    ///
    /// Any lower noise leaves the score, as it is rounded, at or below the second: the difference is lowered by
    /// `2^-40` of both terms, and its own rounding and that of the sum are within `2^-51` of them.
    #[inline(always)]
    fn needed(&self, scaled: f64) -> f64 {
        /// Part of both terms by which the need is lowered against rounding: `2^-40`.
        const SLACK: f64 = 1.0 / 1_099_511_627_776.0;
        self.second - scaled - SLACK * (self.second.abs() + scaled.abs())
    }

    /// Enters a token. Tokens come in ascending order, so of equals the first stays.
    #[inline(always)]
    fn enter(&mut self, id: TokenId, score: f64) {
        if score > self.first {
            self.second = self.first;
            (self.id, self.first) = (id, score);
        } else if score > self.second {
            self.second = score;
        }
    }
}

struct Contest<'a> {
    logits: &'a [f32],
    cut: Cut,
    scale: f64,
    keys: &'a TokenKeys,
    position: PositionKey,
}

impl Contest<'_> {
    /// Returns `z / T`, as every score has it: two roundings, the reciprocal's and the product's.
    #[inline(always)]
    fn scaled(&self, z: f32) -> f64 {
        f64::from(z) * self.scale
    }
}

impl Kernel for Contest<'_> {
    type Output = Race;

    /// Runs the race over all blocks. The noise that a block needs follows from its greatest logit; only where one of
    /// its hashes reaches that, a token is looked at by itself: first whether its hash reaches what its own logit
    /// needs, then its logarithms.
    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Race {
        let mut race = Race { id: 0, first: f64::NEG_INFINITY, second: f64::NEG_INFINITY };
        let blocks = self.logits.chunks(BLOCK).zip(self.keys.as_slice().chunks(BLOCK));
        for (index, (logits, keys)) in blocks.enumerate() {
            let top = match logits.first_chunk::<BLOCK>() {
                Some(block) => block_max(block),
                None => logits.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            };
            if top < self.cut.z || top == f32::NEG_INFINITY {
                continue;
            }
            let Some(limit) = reach(race.needed(self.scaled(top))) else {
                continue;
            };
            let block = Block::new(self.position, keys);
            if !block.reaches(limit) {
                continue;
            }
            for (i, bits) in block.within(limit) {
                let (id, z) = ((index * BLOCK + i) as TokenId, logits[i]);
                let scaled = self.scaled(z);
                if self.cut.keeps(id, z) && reach(race.needed(scaled)).is_some_and(|limit| !bits <= limit) {
                    race.enter(id, scaled + noise::noise(bits));
                }
            }
        }
        race
    }
}

#[cfg(test)]
mod tests;

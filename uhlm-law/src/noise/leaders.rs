//! The tokens with the greatest noise at a position, before any logit is known.
//!
//! Decides who leads and how great the noise of the others can be: what a certificate needs when an engine returns a
//! part of its distribution only. It leaves to the gateway what is asked for and what a certificate says.

use super::keys::TokenKeys;
use super::race::Block;
use super::tape::{PositionKey, TokenKey};
use super::{gumbel, reach};
use crate::token::TokenId;
use crate::vector::{self, BLOCK, Kernel};

impl TokenKeys {
    /// Returns the `count` tokens with the greatest uniforms, and so the greatest noise, at a position: the greatest
    /// first, the lower id among equals, each with its noise; all tokens where there are fewer. Costs one pass over the
    /// keys, and little more for a `count` of some hundreds.
    #[must_use]
    pub fn greatest(&self, position: PositionKey, count: usize) -> Vec<(TokenId, f64)> {
        let mut leaders = Vec::new();
        if count > 0 {
            vector::dispatch(Leaders { keys: self.as_slice(), position, count, leaders: &mut leaders });
            leaders.sort_unstable();
            leaders.truncate(count);
        }
        leaders.into_iter().map(|Leader { distance, id }| (id, gumbel::noise(!(distance << UNUSED)))).collect()
    }

    /// Returns the greatest noise at a position among the tokens that are not in `excluded` (ids in any order), and the
    /// lowest id that has it. `None` where `excluded` leaves no token. Costs one pass over the keys.
    #[must_use]
    pub fn greatest_outside(&self, position: PositionKey, excluded: &[TokenId]) -> Option<(TokenId, f64)> {
        let mut excluded = excluded.to_vec();
        excluded.sort_unstable();
        vector::dispatch(Outside { keys: self.as_slice(), position, excluded: &excluded })
    }
}

/// Number of low bits that the uniform does not use.
const UNUSED: u32 = 11;

/// A token and the distance of its uniform from the greatest there is, in units of `2^-53`. Leaders are ordered as
/// [`TokenKeys::greatest`] says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Leader {
    distance: u64,
    id: TokenId,
}

struct Leaders<'a> {
    keys: &'a [TokenKey],
    position: PositionKey,
    count: usize,
    leaders: &'a mut Vec<Leader>,
}

impl Kernel for Leaders<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        /// The distance of the least uniform, which is never 0.
        const FARTHEST: u64 = (1 << 53) - 2;
        // Whenever four times as many as needed are collected, the lower ones go and raise the bar for the rest. A
        // later token at the same distance as the last kept one has a higher id and would lose to it.
        let most = (4 * self.count).max(4 * BLOCK);
        let mut limit = u64::MAX;
        for (index, keys) in self.keys.chunks(BLOCK).enumerate() {
            let block = Block::new(self.position, keys);
            if !block.reaches(limit) {
                continue;
            }
            for (i, bits) in block.within(limit) {
                let distance = (!bits >> UNUSED).min(FARTHEST);
                self.leaders.push(Leader { distance, id: (index * BLOCK + i) as TokenId });
            }
            if self.leaders.len() >= most {
                let (_, &mut last, _) = self.leaders.select_nth_unstable(self.count - 1);
                self.leaders.truncate(self.count);
                limit = (last.distance << UNUSED).saturating_sub(1);
            }
        }
    }
}

struct Outside<'a> {
    keys: &'a [TokenKey],
    position: PositionKey,
    /// Ids that are left out, ascending.
    excluded: &'a [TokenId],
}

impl Kernel for Outside<'_> {
    type Output = Option<(TokenId, f64)>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Option<(TokenId, f64)> {
        let mut found: Option<(TokenId, f64)> = None;
        let mut limit = u64::MAX;
        for (index, keys) in self.keys.chunks(BLOCK).enumerate() {
            let block = Block::new(self.position, keys);
            if !block.reaches(limit) {
                continue;
            }
            for (i, bits) in block.within(limit) {
                let id = (index * BLOCK + i) as TokenId;
                if self.excluded.binary_search(&id).is_ok() {
                    continue;
                }
                let noise = gumbel::noise(bits);
                if found.is_none_or(|(_, greatest)| noise > greatest) {
                    found = Some((id, noise));
                    // Nothing is beyond reach but by chance: the greatest uniform of all was found.
                    limit = reach(noise).unwrap_or(0);
                }
            }
        }
        found
    }
}

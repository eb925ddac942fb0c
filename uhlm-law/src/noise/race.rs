//! A block of tokens, hashed side by side.
//!
//! Decides how the bits of a block are computed and searched at the speed of the processor; it leaves to its callers
//! which bits they want, and blocks that need not be hashed at all.

use super::tape::{PositionKey, TokenKey};
use crate::vector::BLOCK;

/// The bits of up to [`BLOCK`] tokens, as complements: the lower, the greater the noise.
pub(crate) struct Block {
    complements: [u64; BLOCK],
    len: usize,
}

impl Block {
    /// Hashes a block. It has at most [`BLOCK`] keys.
    #[inline(always)]
    pub(crate) fn new(position: PositionKey, keys: &[TokenKey]) -> Self {
        let mut complements = [0; BLOCK];
        if let Some(keys) = keys.first_chunk::<BLOCK>() {
            for (complement, &key) in complements.iter_mut().zip(keys) {
                *complement = !position.bits(key);
            }
        } else {
            for (complement, &key) in complements.iter_mut().zip(keys) {
                *complement = !position.bits(key);
            }
        }
        Self { complements, len: keys.len().min(BLOCK) }
    }

    /// Tells whether some complement may be at most `limit`; a block that is not full always may.
    #[inline(always)]
    pub(crate) fn reaches(&self, limit: u64) -> bool {
        let mut any = 0;
        for &complement in &self.complements {
            any |= u64::from(complement <= limit);
        }
        any != 0
    }

    /// Visits the tokens whose complement is at most `limit`: their places in the block, ascending, and their bits.
    #[inline(always)]
    pub(crate) fn within(&self, limit: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
        let block = self.complements[..self.len].iter().enumerate();
        block.filter(move |&(_, &complement)| complement <= limit).map(|(i, &complement)| (i, !complement))
    }
}

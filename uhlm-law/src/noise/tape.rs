//! Places of a reply and the keys that the tape gives them.
//!
//! Decides what a place is and what its key depends on; it leaves to [`super::keys`] the keys of tokens.

use super::gumbel;
use super::hash::{START, absorb, mix};

/// The place at which a token of the reply starts, counted in text and not in tokens, so that vocabularies agree on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Number of bytes of the reply before the token, over the tokens' raw pieces, from the reply's first token on.
    pub offset: u64,
    /// Number of tokens without text since the last one with text.
    pub silent: u32,
}

impl Place {
    /// The place of a reply's first token.
    pub const START: Self = Self { offset: 0, silent: 0 };

    /// Returns the place after a token whose raw piece has `piece_len` bytes. To continue a reply, go on from where it
    /// ended.
    #[must_use]
    pub fn after(self, piece_len: usize) -> Self {
        if piece_len == 0 {
            Self { silent: self.silent.wrapping_add(1), ..self }
        } else {
            Self { offset: self.offset.wrapping_add(piece_len as u64), silent: 0 }
        }
    }
}

/// The noise of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tape {
    state: u64,
}

impl Tape {
    /// Makes the tape of a session's generation. The same seed and generation number give the same noise again: who
    /// asks twice with both gets the same reply twice, not two independent ones.
    #[must_use]
    pub fn new(seed: u64, generation: u32) -> Self {
        Self { state: absorb(absorb(START, seed), u64::from(generation)) }
    }

    /// Returns the key of a place. Costs a few nanoseconds.
    #[must_use]
    pub fn at(&self, place: Place) -> PositionKey {
        PositionKey(absorb(absorb(self.state, place.offset), u64::from(place.silent)))
    }
}

/// The contribution of a place to the noise of every token there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PositionKey(u64);

/// The contribution of a token to its noise at every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey(pub(super) u64);

impl TokenKey {
    /// Makes a key of the 64 bits that [`Self::to_bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the key's 64 bits, for a file that keeps it.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl PositionKey {
    /// Returns 64 random bits of this place and a token; the greater, the greater the noise.
    #[inline(always)]
    pub(crate) fn bits(self, token: TokenKey) -> u64 {
        mix(self.0 ^ token.0)
    }

    /// Returns the uniform `U` of a token here, strictly inside (0, 1), with 53 random bits.
    #[must_use]
    pub fn uniform(self, token: TokenKey) -> f64 {
        gumbel::uniform(self.bits(token))
    }

    /// Returns the noise `G = -ln(-ln U)` of a token here, between -3.61 and 36.74.
    #[must_use]
    pub fn noise(self, token: TokenKey) -> f64 {
        gumbel::noise(self.bits(token))
    }

    #[cfg(test)]
    pub(super) fn to_bits(self) -> u64 {
        self.0
    }
}

//! A language model of three tokens and an end, as a table: its token at a place is a function of seed and prefix.

use super::super::{Ending, PrefixHash};
use crate::sampling::TokenId;

/// The token that ends a reply.
pub(super) const END: TokenId = 3;
pub(super) const VOCABULARY: u32 = 4;

/// The target, and the draft model that resembles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Model {
    pub(super) seed: u64,
    /// Number of places out of 256 at which the draft model writes another token.
    pub(super) differs: u8,
    /// Number of places out of 256 that are near ties, where another replica's target writes another token.
    pub(super) ties: u8,
}

/// Mixes numbers. It is the tests' own, so that a test of the hash is no test of itself.
pub(super) fn mixed(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(23) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93);
    for _ in 0..2 {
        z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    z ^ (z >> 32)
}

impl Model {
    fn roll(&self, prefix: PrefixHash, purpose: u64) -> u64 {
        mixed(u64::from_le_bytes(prefix.to_bytes()) ^ purpose, self.seed)
    }

    /// Returns the target's token after a prefix, on one replica.
    pub(super) fn winner(&self, prefix: PrefixHash, replica: usize) -> TokenId {
        let roll = self.roll(prefix, 1);
        let token = if roll.is_multiple_of(16) { END } else { (roll >> 8) as TokenId % 3 };
        let is_tie = (roll >> 24) as u8 <= self.ties && self.ties > 0;
        if is_tie && replica == 1 { (token + 1) % VOCABULARY } else { token }
    }

    /// Returns the draft model's token after a prefix.
    pub(super) fn draft(&self, prefix: PrefixHash) -> TokenId {
        let roll = self.roll(prefix, 2);
        let token = self.winner(prefix, 0);
        if (roll as u8) < self.differs { (token + 1 + (roll >> 8) as TokenId % 3) % VOCABULARY } else { token }
    }

    /// Tells whether the device skips its token after a prefix, in opportunistic mode.
    pub(super) fn is_sure(&self, prefix: PrefixHash) -> bool {
        self.roll(prefix, 3).is_multiple_of(2)
    }

    /// Returns the reply that the target alone writes after a prompt.
    pub(super) fn reference(&self, prompt: &[TokenId], max_tokens: usize) -> Vec<TokenId> {
        let mut hash = PrefixHash::of(prompt);
        let mut reply = Vec::new();
        while reply.len() < max_tokens && reply.last() != Some(&END) {
            let id = self.winner(hash, 0);
            hash = hash.push(id);
            reply.push(id);
        }
        reply
    }
}

/// Token 0 is `a`, 1 is `b`, 2 is `c`, the end has no text.
impl Ending for Model {
    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }

    fn completes_stop(&self, reply: &[TokenId], stop: &[String]) -> bool {
        let text: String = reply.iter().filter_map(|id| ["a", "b", "c"].get(*id as usize)).copied().collect();
        stop.iter().any(|stop| text.ends_with(stop.as_str()))
    }
}

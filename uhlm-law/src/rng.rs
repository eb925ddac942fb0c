//! Random numbers that can be replayed.
//!
//! Decides how a seed becomes independent streams, one for each purpose, and how the n-th draw of a stream is found
//! again. It leaves to others what the numbers are used for.
//!
//! The generator is ChaCha8 in counter mode. Two streams of one seed share no block, so the random choices of the
//! device and of the verifier stay independent even where a test gives both the same seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The purpose of a stream of random numbers. Streams never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Tokens drawn from the draft distribution `q`.
    Draft = 1,
    /// The uniform `U` of the acceptance rule.
    Acceptance = 2,
    /// The temperatures and draws of the sampled uncertainty.
    Uncertainty = 4,
    /// The verifier's replacements of rejected tokens and its bonus tokens.
    Verdict = 5,
    /// Everything that simulates or jitters: back-off, random baselines.
    Simulation = 7,
    /// Further seeds.
    Seeds = 8,
}

/// Words of ChaCha output that one counter value owns: 2^20 draws of 64 bits.
const WORDS_PER_COUNTER: u128 = 1 << 21;

/// A seedable generator of uniform numbers.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Makes the stream of `seed` for one purpose, from its start.
    #[must_use]
    pub fn new(seed: u64, stream: Stream) -> Self {
        Self::at(seed, stream, 0)
    }

    /// Makes the part of the stream that belongs to `counter`: the same numbers whenever it is asked for, so that a
    /// repeated request is answered with the same roll of the dice.
    #[must_use]
    pub fn at(seed: u64, stream: Stream, counter: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        rng.set_word_pos(u128::from(counter) * WORDS_PER_COUNTER);
        Self(rng)
    }

    /// Draws a number that is uniform on `[0, 1)`, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Draws a number that is uniform on `(0, 1]`, with 53 random bits; never 0, so an acceptance level made from it
    /// never reads as "context".
    pub fn uniform_positive(&mut self) -> f64 {
        1.0 - self.uniform()
    }

    /// Draws 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Skips `n` uniforms.
    pub fn skip(&mut self, n: u64) {
        let position = self.0.get_word_pos();
        self.0.set_word_pos(position + 2 * u128::from(n));
    }
}

/// Returns the `n`-th seed that follows from `seed`: what begins anew gets dice of its own and can still be replayed.
#[must_use]
pub fn derived(seed: u64, n: u64) -> u64 {
    Rng::at(seed, Stream::Seeds, n).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_gives_the_same_numbers_again_and_others_differ() {
        let take = |counter| {
            let mut rng = Rng::at(7, Stream::Verdict, counter);
            [rng.uniform(), rng.uniform(), rng.uniform()]
        };
        assert_eq!(take(3), take(3));
        assert_ne!(take(3), take(4));
        let mut skipped = Rng::at(7, Stream::Verdict, 3);
        skipped.skip(2);
        assert_eq!(skipped.uniform(), take(3)[2]);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Rng::new(1, Stream::Draft).uniform(), Rng::new(1, Stream::Acceptance).uniform());
    }

    #[test]
    fn positive_uniforms_are_never_zero_and_reach_one_only_from_zero() {
        let mut rng = Rng::new(0, Stream::Acceptance);
        for _ in 0..10_000 {
            let u = rng.uniform_positive();
            assert!(u > 0.0 && u <= 1.0);
        }
    }
}

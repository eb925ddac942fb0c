//! Random numbers from a seed.

use std::time::Duration;

use uhlm_law::rng::{Rng, Stream};

/// Dice that fall the same way each time.
#[derive(Debug)]
pub struct Dice(Rng);

impl Dice {
    /// Makes the dice of `seed` for one purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(Rng::at(seed, Stream::Simulation, purpose))
    }

    /// Returns a number below `sides`; 0 where there are none.
    pub fn roll(&mut self, sides: usize) -> usize {
        (self.0.uniform() * sides as f64) as usize
    }

    /// Tells whether something happens that has a chance of `thousandths`.
    pub fn happens(&mut self, thousandths: usize) -> bool {
        self.roll(1000) < thousandths
    }

    /// Returns one of some values.
    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    /// Returns a duration below `longest`.
    pub fn span(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.0.uniform())
    }

    /// Returns 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

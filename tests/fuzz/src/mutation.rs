//! Random changes of inputs, from a seed: the same seed makes the same inputs on every machine.
//!
//! Blind to what a target does with them; libFuzzer is not, and is the better tool where a nightly compiler is to be
//! had. What makes up for it is speed, and words that a target's format knows.

use uhlm_law::rng::{Rng, Stream};

/// Largest input, in bytes. Limits beyond it have tests of their own.
pub const MAX_BYTES: usize = 4096;
/// Largest number of changes that make one input of another.
const MAX_CHANGES: usize = 6;
/// Bytes at which ranges end.
const EDGES: [u8; 12] = [0, 1, 2, 0x0a, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/// Something that changes inputs.
pub struct Mutator {
    rng: Rng,
    words: &'static [&'static str],
}

impl Mutator {
    /// Makes one whose changes follow from a seed, and insert these words among others.
    #[must_use]
    pub fn new(seed: u64, words: &'static [&'static str]) -> Self {
        Self { rng: Rng::new(seed, Stream::Simulation), words }
    }

    fn below(&mut self, sides: usize) -> usize {
        (self.rng.next_u64() % sides.max(1) as u64) as usize
    }

    /// Returns a changed copy of one of some inputs.
    #[must_use]
    pub fn input(&mut self, of: &[Vec<u8>]) -> Vec<u8> {
        let place = self.below(of.len());
        let mut input = of.get(place).cloned().unwrap_or_default();
        for _ in 0..=self.below(MAX_CHANGES) {
            self.change(&mut input, of);
        }
        input.truncate(MAX_BYTES);
        input
    }

    /// Returns a number at which a length may overflow, or a little beside it, as files write it: a power of two, or
    /// what is as far below the largest number.
    fn number(&mut self) -> [u8; 8] {
        let power = 1_u64 << self.below(64);
        let beside = power.wrapping_add(self.below(3) as u64).wrapping_sub(1);
        let number = if self.below(2) == 0 { beside } else { beside.wrapping_neg() };
        number.to_le_bytes()
    }

    fn change(&mut self, input: &mut Vec<u8>, of: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let count = 1 + self.below(8);
        let end = (at + count).min(input.len());
        match self.below(12) {
            0 | 1 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            2 => {
                let edge = EDGES[self.below(EDGES.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = edge;
                }
            }
            3 => {
                let step = self.below(17) as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = byte.wrapping_add(step).wrapping_sub(8);
                }
            }
            4 => drop(input.drain(at..end)),
            5 => {
                let bytes: Vec<u8> = (0..count).map(|_| self.rng.next_u64() as u8).collect();
                input.splice(at..at, bytes);
            }
            6 => {
                let copy = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            7 => input.truncate(at),
            8 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())].bytes();
                let replaced = if self.below(2) == 0 { at..at } else { at..end };
                input.splice(replaced, word);
            }
            // In place, so that what follows a length stays where a reader looks for it.
            9 | 10 => {
                let number = self.number();
                let width = [4, 8][self.below(2)];
                input.iter_mut().skip(at).zip(&number[..width]).for_each(|(byte, part)| *byte = *part);
            }
            _ => {
                // The end of another input.
                let other = of.get(self.below(of.len())).map_or(&[][..], Vec::as_slice);
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_inputs_again_and_another_seed_others() {
        let corpus = [b"one two three".to_vec(), vec![0; 40]];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, &["word"]);
            (0..200).map(|_| mutator.input(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let fresh = inputs(1).into_iter().filter(|input| !corpus.contains(input)).count();
        assert!(fresh > 150, "{fresh} of 200 are new");
    }

    #[test]
    fn lengths_are_changed_into_numbers_at_which_they_overflow() {
        let corpus = [vec![0x55; 40]];
        let mut mutator = Mutator::new(1, &[]);
        let inputs: Vec<_> = (0..20_000).map(|_| mutator.input(&corpus)).collect();
        for number in [u64::MAX, 1 << 63, 1 << 40, (1 << 32) - 1] {
            let is_in = |input: &&Vec<u8>| input.windows(8).any(|part| part == number.to_le_bytes());
            assert!(inputs.iter().any(|input| is_in(&input)), "{number}");
        }
    }
}

//! Choices made by bytes: the same bytes make the same history, and a change of one byte changes one choice.

use uhlm_law::advance::{Begin, Grant, Grants, Labelling};
use uhlm_law::sampling::{SamplingParams, TokenId};

/// Number of tokens in the vocabulary of a history.
pub(crate) const VOCABULARY: u32 = 8;
/// Length of the longest sequence of a history, in tokens.
pub(crate) const CONTEXT: u32 = 24;

/// The bytes that are left to choose by.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Tells whether there is nothing left to choose by.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next byte; 0 where none is left.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Returns a number below `sides`, which is at most 256.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        usize::from(self.byte()) % sides.max(1)
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Returns up to `most` of the bytes that are left.
    pub(crate) fn take(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Returns up to `most` ids, all but few of them of the vocabulary.
    pub(crate) fn ids(&mut self, most: usize) -> Vec<TokenId> {
        (0..self.below(most + 1)).map(|_| self.id()).collect()
    }

    /// Returns an id, which is one of the vocabulary but for one in 32.
    pub(crate) fn id(&mut self) -> TokenId {
        match self.byte() {
            248.. => u32::MAX,
            byte => u32::from(byte) % VOCABULARY,
        }
    }

    pub(crate) fn grants(&mut self) -> Grants {
        let mut grant = || match self.below(6) {
            5 => Grant::Unlimited,
            passes => Grant::Passes(passes as u8),
        };
        Grants { after_mismatch: grant(), after_agreement: grant() }
    }

    pub(crate) fn labels(&mut self) -> Labelling {
        let byte = self.byte();
        Labelling { matched: byte & 1 == 1, probabilities: byte & 2 == 2 }
    }

    /// Returns how a generation begins whose reply begins after `reply_start` tokens.
    pub(crate) fn begin(&mut self, reply_start: u32) -> Begin {
        let max_tokens = 1 + self.below(usize::from(u8::MAX).min(2 * CONTEXT as usize)) as u32;
        let stop = if self.yes() { vec!["stop".to_owned()] } else { Vec::new() };
        Begin {
            seed: 1,
            sampling: SamplingParams::default(),
            reply_start: reply_start.max(1),
            max_tokens,
            stop,
            grammar: None,
        }
    }
}

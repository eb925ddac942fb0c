//! The text of a reply without regard to who cuts it into tokens: bytes, and marks that have no text.

use crate::model::Vocabulary;
use crate::noise::Place;
use crate::token::TokenId;

/// A byte of a reply's text, or a token of the target that has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(u64);

/// Number of the first mark; what is below is a byte.
const MARKS: u64 = 1 << 8;

impl Unit {
    /// Makes the unit of a token of the target that has no text.
    pub(super) fn mark(id: TokenId) -> Self {
        Self(MARKS + u64::from(id))
    }

    fn byte(self) -> Option<u8> {
        u8::try_from(self.0).ok()
    }

    /// Tells whether a text is split before it into words, as tokenizers do: white space and punctuation.
    pub(super) fn begins_word(self) -> bool {
        self.byte().is_some_and(|byte| byte.is_ascii_whitespace() || byte.is_ascii_punctuation())
    }

    /// Tells whether it is a token without text.
    pub(super) fn is_mark(self) -> bool {
        self.byte().is_none()
    }
}

impl From<u8> for Unit {
    fn from(byte: u8) -> Self {
        Self(byte.into())
    }
}

/// Returns how many elements two sequences have in common from their beginning.
#[must_use]
pub fn agreement<T: PartialEq>(one: &[T], other: &[T]) -> usize {
    // Mostly one of them continues the other.
    let shorter = one.len().min(other.len());
    if one[..shorter] == other[..shorter] {
        return shorter;
    }
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Returns the place after these units of a reply.
pub(super) fn place(units: &[Unit]) -> Place {
    let silent = units.iter().rev().take_while(|unit| unit.is_mark()).count();
    let offset = units.iter().filter(|unit| !unit.is_mark()).count();
    Place { offset: offset as u64, silent: silent as u32 }
}

/// A reply in the target's tokens, and its units.
#[derive(Debug, Default)]
pub(super) struct Written {
    ids: Vec<TokenId>,
    /// For each token the number of units up to its end.
    ends: Vec<usize>,
    units: Vec<Unit>,
}

impl Written {
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.ends.clear();
        self.units.clear();
    }

    /// Takes the reply as it is now; what it has in common with the one before is not looked up again.
    pub(super) fn take(&mut self, reply: &[TokenId], vocabulary: &dyn Vocabulary) {
        let common = agreement(&self.ids, reply);
        self.ids.truncate(common);
        self.ends.truncate(common);
        self.units.truncate(self.start(common));
        for &id in &reply[common..] {
            match vocabulary.piece(id) {
                [] => self.units.push(Unit::mark(id)),
                piece => self.units.extend(piece.iter().copied().map(Unit::from)),
            }
            self.ids.push(id);
            self.ends.push(self.units.len());
        }
    }

    pub(super) fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    pub(super) fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Returns the number of units before a token.
    pub(super) fn start(&self, token: usize) -> usize {
        token.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

/// A stretch of units.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Bytes without a mark between them.
    Bytes(Vec<u8>),
    /// A mark.
    Mark(TokenId),
}

/// Takes units apart.
pub(super) fn runs(units: &[Unit]) -> Vec<Run> {
    let mut runs = Vec::new();
    for unit in units {
        match (unit.byte(), runs.last_mut()) {
            (Some(byte), Some(Run::Bytes(bytes))) => bytes.push(byte),
            (Some(byte), _) => runs.push(Run::Bytes(vec![byte])),
            (None, _) => runs.push(Run::Mark(TokenId::try_from(unit.0 - MARKS).unwrap_or(TokenId::MAX))),
        }
    }
    runs
}

/// Returns the number of bytes up to the beginning of a character at the end that is not whole yet; all of them where
/// none is.
pub(super) fn whole(bytes: &[u8]) -> usize {
    crate::text::complete(bytes).1
}

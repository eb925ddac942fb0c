//! The keys of a vocabulary's tokens.
//!
//! Decides which key a token has, so that tokens of two vocabularies share their noise where they mean the same text.
//! It leaves to the engine's adapter which bytes and kind a token has.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::tape::TokenKey;
use crate::token::{TokenId, TokenKind};

/// A table of token keys, eight bytes an id.
///
/// The key of a token is the first eight bytes, little-endian, of the SHA-256 over `uhlm/tok`, the family (one byte),
/// the index (four bytes, little-endian) and, in the family of text, the token's bytes.
///
/// - **Text** (family 0) is every token that does not end a reply. The index counts tokens of equal bytes: normal and
///   user-defined ones come first, then bytes, then all others, and within each class the lower id. So a
///   single-byte token of a byte-level vocabulary shares its key with the normal token of a vocabulary that has a byte
///   token beside it, whatever their ids.
/// - **End** (family 1) is every token that ends a reply; their bytes do not count. The index counts
///   [`TokenKind::EndOfTurn`] first, then [`TokenKind::End`], and within each the lower id. So the end of a turn has
///   one key in all vocabularies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKeys {
    keys: Vec<TokenKey>,
}

/// The reason why a vocabulary has no table of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeyError {
    /// Two tokens would share their noise at every position, so no draw with it has the right law.
    #[error("tokens {first} and {second} have the same key")]
    Collision {
        /// The lower of the two ids.
        first: TokenId,
        /// The higher of the two ids.
        second: TokenId,
    },
}

/// Bytes that are hashed before everything else.
const DOMAIN: &[u8; 8] = b"uhlm/tok";

impl TokenKeys {
    /// Makes the table from each token's bytes and kind, in the order of ids. Bytes are the token's text as it stands
    /// in a reply: for a byte token its one byte, for a control token the name that the file spells, or none. Hashes
    /// every token once, about 0.2 µs each.
    ///
    /// # Errors
    /// [`TokenKeyError::Collision`]: by chance one vocabulary of 152,000 tokens in 1.6 thousand million.
    pub fn new<B: AsRef<[u8]>>(tokens: impl IntoIterator<Item = (B, TokenKind)>) -> Result<Self, TokenKeyError> {
        let tokens: Vec<(B, TokenKind)> = tokens.into_iter().collect();
        let mut keys = vec![TokenKey(0); tokens.len()];
        let mut equals: HashMap<&[u8], u32> = HashMap::with_capacity(tokens.len());
        let mut ends = 0;
        for class in CLASSES {
            for (key, (bytes, kind)) in keys.iter_mut().zip(&tokens).filter(|(_, (_, kind))| class.contains(kind)) {
                let index = if kind.is_end() { &mut ends } else { equals.entry(bytes.as_ref()).or_insert(0) };
                *key = if kind.is_end() { hashed(1, *index, &[]) } else { hashed(0, *index, bytes.as_ref()) };
                *index += 1;
            }
        }
        Self::from_keys(keys)
    }

    /// Makes a table of keys that were made before: of a file that kept them, or of some tokens of a vocabulary, whose
    /// noise stays that of the whole one.
    ///
    /// # Errors
    /// [`TokenKeyError::Collision`].
    pub fn from_keys(keys: Vec<TokenKey>) -> Result<Self, TokenKeyError> {
        check_distinct(&keys)?;
        Ok(Self { keys })
    }

    /// Makes the table of the same vocabulary for a target that ends its replies otherwise: `own` are the tokens that
    /// end a reply in this table and `ends` those of the target, both in the order in which they are counted. `text`
    /// gives the bytes of a token that is no end any more. Ids outside the vocabulary are passed over.
    ///
    /// # Errors
    /// [`TokenKeyError::Collision`].
    pub fn with_ends(
        &self,
        own: &[TokenId],
        ends: &[TokenId],
        text: impl Fn(TokenId) -> Vec<u8>,
    ) -> Result<Self, TokenKeyError> {
        let mut keys = self.keys.clone();
        for &id in own.iter().filter(|id| !ends.contains(id)) {
            let bytes = text(id);
            // The lowest index that no token of equal bytes has: a mark is counted after all text.
            let key = (0..=u32::MAX).map(|index| hashed(0, index, &bytes)).find(|key| !keys.contains(key));
            if let (Some(place), Some(key)) = (keys.get_mut(id as usize), key) {
                *place = key;
            }
        }
        for (index, &id) in (0..).zip(ends) {
            if let Some(place) = keys.get_mut(id as usize) {
                *place = hashed(1, index, &[]);
            }
        }
        Self::from_keys(keys)
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether the vocabulary has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the key of a token; `None` outside the vocabulary.
    #[must_use]
    pub fn get(&self, id: TokenId) -> Option<TokenKey> {
        self.keys.get(id as usize).copied()
    }

    /// Returns the keys of all tokens, in the order of ids.
    #[must_use]
    pub fn as_slice(&self) -> &[TokenKey] {
        &self.keys
    }
}

/// The kinds, in the order in which tokens are counted.
const CLASSES: [&[TokenKind]; 5] = [
    &[TokenKind::Normal, TokenKind::UserDefined],
    &[TokenKind::Byte],
    &[TokenKind::Control, TokenKind::Unknown, TokenKind::Unused],
    &[TokenKind::EndOfTurn],
    &[TokenKind::End],
];

fn hashed(family: u8, index: u32, bytes: &[u8]) -> TokenKey {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update([family]);
    hash.update(index.to_le_bytes());
    hash.update(bytes);
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    TokenKey(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

fn check_distinct(keys: &[TokenKey]) -> Result<(), TokenKeyError> {
    let mut sorted: Vec<(TokenKey, TokenId)> = keys.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(TokenKeyError::Collision { first: pair[0].1, second: pair[1].1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_kept_keys_is_the_one_that_they_were_taken_from() {
        let tokens = ["a", "b", "a"].map(|text| (text, TokenKind::Normal));
        let keys = TokenKeys::new(tokens).expect("distinct");
        let kept = keys.as_slice().iter().map(|key| TokenKey::from_bits(key.to_bits())).collect();
        assert_eq!(TokenKeys::from_keys(kept), Ok(keys));
        let equal = vec![TokenKey(3), TokenKey(3)];
        assert_eq!(TokenKeys::from_keys(equal), Err(TokenKeyError::Collision { first: 0, second: 1 }));
    }

    #[test]
    fn two_equal_keys_are_refused_with_both_ids() {
        let keys = [5, 7, 9, 7, 1].map(TokenKey);
        assert_eq!(check_distinct(&keys), Err(TokenKeyError::Collision { first: 1, second: 3 }));
        assert_eq!(check_distinct(&keys[..3]), Ok(()));
        assert_eq!(check_distinct(&[]), Ok(()));
    }
}

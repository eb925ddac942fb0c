//! Token ids with the hash of every prefix: how device and verifier tell whether they hold the same tokens.
//!
//! Decides the hash. Leaves to others which of two lists that differ is right.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sampling::TokenId;

/// The 64-bit hash of a list of token ids, extended token by token:
///
/// ```text
/// hash of no tokens   0x243f6a8885a308d3                                     (the fraction of pi)
/// hash(ids ++ [id])   mix(hash(ids) xor (id + 1) x 0x9e3779b97f4a7c15)       (the fraction of the golden ratio)
/// mix(z)              z = (z xor z >> 30) x 0xbf58476d1ce4e5b9               (the finaliser of SplitMix64)
///                     z = (z xor z >> 27) x 0x94d049bb133111eb
///                     z xor z >> 31
/// ```
///
/// Arithmetic is modulo 2^64. It guards against lost synchronisation, where two lists are equal by chance in 2^-64 of
/// all cases; it does not guard against somebody who looks for two lists with one hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixHash(u64);

/// The lower 32 bits of a [`PrefixHash`]. Frames carry no more, because every frame names a place that the device
/// knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShortHash(u32);

const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl PrefixHash {
    /// The hash of no tokens.
    pub const EMPTY: Self = Self(0x243f_6a88_85a3_08d3);

    /// Returns the hash of the prefix followed by `id`.
    #[must_use]
    pub const fn push(self, id: TokenId) -> Self {
        Self(mix(self.0 ^ (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Returns the hash of the prefix followed by `ids`.
    #[must_use]
    pub fn extend(self, ids: &[TokenId]) -> Self {
        ids.iter().fold(self, |hash, &id| hash.push(id))
    }

    /// Returns the hash of `ids`.
    #[must_use]
    pub fn of(ids: &[TokenId]) -> Self {
        Self::EMPTY.extend(ids)
    }

    /// Returns the half that frames carry.
    #[must_use]
    pub const fn short(self) -> ShortHash {
        ShortHash(self.0 as u32)
    }

    /// Returns the hash as it is on the wire, little-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Takes the hash from its bytes on the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

impl ShortHash {
    /// Returns the hash as it is on the wire, little-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// Takes the hash from its bytes on the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }
}

/// Writes hexadecimal digits for people and JSON, whose numbers do not hold 64 bits.
macro_rules! hexadecimal {
    ($name:ident, $digits:literal, $number:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let all_digits = text.len() <= $digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = all_digits.then(|| <$number>::from_str_radix(&text, 16).ok()).flatten();
                number.map(Self).ok_or_else(|| {
                    serde::de::Error::custom(concat!("a hash is written with up to ", $digits, " hexadecimal digits"))
                })
            }
        }
    };
}

hexadecimal!(PrefixHash, 16, u64);
hexadecimal!(ShortHash, 8, u32);

/// A list of token ids that knows the hash of each of its prefixes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<TokenId>,
    /// `hashes[i]` is the hash of the first `i` ids.
    hashes: Vec<PrefixHash>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.ids, f)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { ids: Vec::new(), hashes: vec![PrefixHash::EMPTY] }
    }
}

impl Tokens {
    /// Makes the empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a token.
    pub fn push(&mut self, id: TokenId) {
        self.hashes.push(self.hash().push(id));
        self.ids.push(id);
    }

    /// Appends tokens.
    pub fn extend(&mut self, ids: &[TokenId]) {
        ids.iter().for_each(|&id| self.push(id));
    }

    /// Forgets everything after the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.ids.truncate(len);
        self.hashes.truncate(len.saturating_add(1));
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Tells whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the ids.
    #[must_use]
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Returns the ids from index `from` on; none where the list is shorter.
    #[must_use]
    pub fn tail(&self, from: usize) -> &[TokenId] {
        self.ids.get(from..).unwrap_or_default()
    }

    /// Returns the hash of all ids.
    #[must_use]
    pub fn hash(&self) -> PrefixHash {
        self.hashes.last().copied().unwrap_or(PrefixHash::EMPTY)
    }

    /// Returns the hash of the first `len` ids; `None` where the list is shorter.
    #[must_use]
    pub fn hash_of(&self, len: usize) -> Option<PrefixHash> {
        self.hashes.get(len).copied()
    }

    /// Returns the number of ids from index `at` on that are the same as the first ones of `ids`.
    #[must_use]
    pub fn agreement(&self, at: usize, ids: &[TokenId]) -> usize {
        self.tail(at).iter().zip(ids).take_while(|(mine, given)| mine == given).count()
    }
}

impl FromIterator<TokenId> for Tokens {
    fn from_iter<I: IntoIterator<Item = TokenId>>(ids: I) -> Self {
        let mut tokens = Self::new();
        ids.into_iter().for_each(|id| tokens.push(id));
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // SplitMix64's first output for seed 0 is the finaliser of one step of the golden ratio.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(PrefixHash::EMPTY.to_string(), "243f6a8885a308d3");
        assert_eq!(PrefixHash::of(&[0]).0, mix(0x243f_6a88_85a3_08d3 ^ 0x9e37_79b9_7f4a_7c15));
        assert_eq!(PrefixHash::of(&[1, 2, 3]).to_string(), "a8bff789424349cb");
        assert_eq!(PrefixHash::of(&[1, 2, 3]).short().to_string(), "424349cb");
    }

    #[test]
    fn order_length_and_every_id_matter() {
        let lists: [&[TokenId]; 8] = [&[], &[0], &[0, 0], &[1], &[0, 1], &[1, 0], &[u32::MAX], &[u32::MAX, 0]];
        for (i, a) in lists.iter().enumerate() {
            for b in &lists[..i] {
                assert_ne!(PrefixHash::of(a), PrefixHash::of(b), "{a:?} {b:?}");
                assert_ne!(PrefixHash::of(a).short(), PrefixHash::of(b).short(), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_list_knows_the_hash_of_every_prefix_after_every_change() {
        let mut tokens: Tokens = [5, 6, 7, 8].into_iter().collect();
        tokens.truncate(2);
        tokens.extend(&[9, 10]);
        for len in 0..=4 {
            assert_eq!(tokens.hash_of(len), Some(PrefixHash::of(&[5, 6, 9, 10][..len])));
        }
        assert_eq!(tokens.hash_of(5), None);
        tokens.truncate(usize::MAX);
        assert_eq!(tokens.hash(), PrefixHash::of(&[5, 6, 9, 10]));
        assert_eq!(tokens.agreement(1, &[6, 9, 4]), 2);
        assert_eq!(tokens.agreement(9, &[1]), 0);
    }

    #[test]
    fn hashes_are_hexadecimal_in_json() {
        let hash = PrefixHash::of(&[1]);
        let json = serde_json::to_string(&hash).expect("writes");
        assert_eq!(json, format!("\"{hash}\""));
        assert_eq!(serde_json::from_str::<PrefixHash>(&json).expect("reads"), hash);
        for wrong in ["\"+1\"", "\"12345678123456789\"", "\"x\"", "7", "\"\""] {
            assert!(serde_json::from_str::<PrefixHash>(wrong).is_err(), "{wrong}");
        }
    }
}

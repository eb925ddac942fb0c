//! The hash that tells whether two parties have the same vocabulary.

use sha2::{Digest as _, Sha256};

use crate::model::Vocabulary;
use crate::noise::TokenKeys;
use crate::protocol::Digest;
use crate::sampling::TokenId;

/// Hashes a vocabulary: its size, then for each id the length and bytes of its text and whether it ends a reply, then
/// the keys of its tokens. Two models with the same hash read a token id as the same text and draw with the same
/// noise.
pub fn vocabulary(vocabulary: &dyn Vocabulary, keys: &TokenKeys, text: impl Fn(TokenId) -> Vec<u8>) -> Digest {
    let mut hash = Sha256::new();
    hash.update((vocabulary.size() as u32).to_le_bytes());
    for id in 0..vocabulary.size() as TokenId {
        let bytes = text(id);
        hash.update((bytes.len() as u32).to_le_bytes());
        hash.update(&bytes);
        hash.update([u8::from(vocabulary.is_end(id))]);
    }
    hash.update(keys.digest());
    Digest(hash.finalize().into())
}

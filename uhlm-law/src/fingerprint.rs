//! The hash that tells whether two parties have the same vocabulary.

use sha2::{Digest as _, Sha256};

use crate::model::Vocabulary;
use crate::protocol::Digest;
use crate::sampling::TokenId;

/// The hash over a vocabulary: its size, then for each id the length and bytes of its text and whether it ends a reply.
/// Two models with the same hash read a token id as the same text.
pub fn vocabulary(vocabulary: &dyn Vocabulary, text: impl Fn(TokenId) -> Vec<u8>) -> Digest {
    let mut hash = Sha256::new();
    hash.update((vocabulary.size() as u32).to_le_bytes());
    for id in 0..vocabulary.size() as TokenId {
        let bytes = text(id);
        hash.update((bytes.len() as u32).to_le_bytes());
        hash.update(&bytes);
        hash.update([u8::from(vocabulary.is_end(id))]);
    }
    Digest(hash.finalize().into())
}

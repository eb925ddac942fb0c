//! Hashes that tell whether two parties have the same model or vocabulary.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::model::Vocabulary;
use crate::protocol::Digest;
use crate::sampling::TokenId;

const HEAD: u64 = 1 << 20;
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 16 << 10;

/// A fingerprint of a file: SHA-256 over its length, its first MiB and 64 evenly spaced blocks of 16 KiB. It tells models
/// apart at a constant cost of 2 MiB read, however large they are; it is no proof against deliberate forgery.
///
/// # Errors
/// Those of reading the file.
pub fn file(path: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let mut buffer = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut buffer)?;
    hash.update(&buffer);
    if length > HEAD {
        for i in 0..SAMPLES {
            file.seek(SeekFrom::Start((length - HEAD).saturating_sub(SAMPLE) / (SAMPLES - 1) * i + HEAD))?;
            buffer.clear();
            file.by_ref().take(SAMPLE).read_to_end(&mut buffer)?;
            hash.update(&buffer);
        }
    }
    Ok(Digest(hash.finalize().into()))
}

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

//! A fingerprint that tells model files apart.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

const HEAD: u64 = 1 << 20;
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 16 << 10;

/// Returns a fingerprint of a file: SHA-256 over its length, its first MiB and 64 evenly spaced blocks of 16 KiB. It
/// tells models apart at a constant cost of 2 MiB read, however large they are; it is no proof against deliberate
/// forgery.
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

/// Returns a fingerprint of a model whose file may have been split: that of the only file, or SHA-256 over those of all
/// parts in order.
///
/// # Errors
/// Those of reading the files.
pub fn files(first: &Path, further: &[PathBuf]) -> std::io::Result<Digest> {
    if further.is_empty() {
        return file(first);
    }
    let mut hash = Sha256::new();
    for part in std::iter::once(first).chain(further.iter().map(PathBuf::as_path)) {
        hash.update(file(part)?.0);
    }
    Ok(Digest(hash.finalize().into()))
}

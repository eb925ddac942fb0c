//! Whole files on the disk: their hash, and whether they read as a model.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use sha2::{Digest as _, Sha256};
use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;
use uhlm_llama::gguf::{self, HeaderError};

use crate::error::DownloadError;

/// Reads a file to its end and returns its length and its SHA-256; `None` if cancelled. `progress` is told the number
/// of bytes read.
pub(super) fn hashed(
    file: &mut File,
    cancel: &Cancel,
    mut progress: impl FnMut(u64),
) -> io::Result<Option<(u64, Digest)>> {
    let (mut hash, mut buffer, mut read) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Some((read, Digest(hash.finalize().into()))));
        }
        hash.update(&buffer[..count]);
        read += count as u64;
        progress(read);
    }
}

/// Checks that an open file that nobody vouches for, of which `bytes` are there, reads as a model at all. Where it is
/// read next is left open.
pub(super) fn readable(file: &File, bytes: u64) -> Result<(), DownloadError> {
    let failed = |error: io::Error| DownloadError::storage("read the file", bytes, &error);
    let mut file = file.try_clone().map_err(failed)?;
    file.rewind().map_err(failed)?;
    match gguf::read_open_part(file) {
        // A sound file that llama.cpp cannot run is still the one that was meant.
        Ok(_) | Err(HeaderError::Unsupported { .. }) => Ok(()),
        Err(HeaderError::Io(error)) => Err(failed(error)),
        Err(error) => Err(DownloadError::NotAModel { reason: error.to_string() }),
    }
}

//! Frames the sections of a file: kind, length, a check over the content, the content.
//!
//! A file that was cut, because its writer was interrupted, still has all its whole sections, and is gone on with after
//! them.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::TraceError;
use super::bytes::Bytes;

/// Number of bytes before the content of a section: kind, length and check.
const FRAME: usize = 1 + 8 + 8;

fn damaged(what: impl Into<String>) -> TraceError {
    TraceError::Damaged { what: what.into() }
}

/// Returns the content of the section at `at` and where the section ends; `None` if it is not whole.
pub(crate) fn section(bytes: &[u8], at: usize, kind: u8) -> Result<Option<(&[u8], usize)>, TraceError> {
    let rest = &bytes[at..];
    if rest.first().is_some_and(|&found| found != kind) {
        return Err(damaged(format!("a section of kind {} where {kind} was expected", rest[0])));
    }
    let Some((front, rest)) = rest.split_at_checked(FRAME) else { return Ok(None) };
    let mut front = Bytes(&front[1..]);
    let (len, check) = (usize::try_from(front.u64()?).unwrap_or(usize::MAX), front.u64()?);
    let Some(content) = rest.get(..len) else { return Ok(None) };
    if check_of(content) != check {
        return Err(damaged("the check of a section does not agree with it"));
    }
    Ok(Some((content, at + FRAME + len)))
}

fn check_of(content: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(content));
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

pub(crate) fn framed(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(content.len() as u64).to_le_bytes());
    out.extend_from_slice(&check_of(content).to_le_bytes());
    out.extend_from_slice(content);
    out
}

/// A file that sections are appended to.
#[derive(Debug)]
pub(crate) struct SectionFile {
    path: PathBuf,
    file: File,
}

impl SectionFile {
    /// Returns the bytes of a file; none where there is no file yet.
    pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, TraceError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(TraceError::File { path: path.into(), error }),
        }
    }

    /// Opens a file, or makes it, to go on after its first `whole` bytes; what comes behind them is dropped.
    pub(crate) fn open(path: &Path, whole: usize) -> Result<Self, TraceError> {
        let failed = |error| TraceError::File { path: path.into(), error };
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        Ok(Self { path: path.into(), file })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.flush());
        written.map_err(|error| TraceError::File { path: self.path.clone(), error })
    }
}

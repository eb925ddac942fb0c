//! Frames the sections of a file: kind, length, a check over the content, the content.
//!
//! A file that was cut, because its writer was interrupted, still has all its whole sections.

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

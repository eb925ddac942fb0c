//! Bodies, and the two ways in which each can be written.
//!
//! Decides media types and limits on what is read. Leaves the fields of each body to its own file.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bytes::{DecodeError, Reader};

/// Protocol name and version, as [`Info`](super::Info) reports it.
pub const PROTOCOL: &str = "uhlm-verify/2";
/// Media type of the binary encoding.
pub const MEDIA_BINARY: &str = "application/vnd.uhlm.verify.v2";
/// Media type of the JSON encoding.
pub const MEDIA_JSON: &str = "application/json";
/// Media type of a file with the target's vocabulary, which is no body of the protocol.
pub const MEDIA_VOCABULARY: &str = "application/octet-stream";
/// Largest size of a file with a target's vocabulary, in bytes: the largest vocabularies that there are take 12 MiB.
pub const MAX_VOCABULARY_FILE: usize = 16 << 20;
/// Largest body that either side reads, in bytes: a prompt of 256k tokens fits.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// One of the two encodings of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Core fields in a fixed order, then tagged fields, under [`MEDIA_BINARY`].
    #[default]
    Binary,
    /// The same fields by name under [`MEDIA_JSON`], for debugging.
    Json,
}

/// A message that is sent as a whole: a request, the answer to one, or one frame of a stream.
pub trait Body: Serialize + DeserializeOwned + Sized {
    /// Appends the binary encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the binary encoding, all of it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole body whose values are in range.
    fn read(body: &[u8]) -> Result<Self, DecodeError>;

    /// Checks the rules that the types do not enforce, whichever encoding the body came in.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] or [`DecodeError::TooMany`] for the first field that breaks its rule.
    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Encoding {
    /// Returns the encoding that a `Content-Type` or `Accept` value names; `None` for any other.
    #[must_use]
    pub fn from_media_type(value: &str) -> Option<Self> {
        match value.split(';').next().unwrap_or_default().trim() {
            MEDIA_BINARY => Some(Self::Binary),
            MEDIA_JSON => Some(Self::Json),
            _ => None,
        }
    }

    /// Returns the media type of this encoding.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Binary => MEDIA_BINARY,
            Self::Json => MEDIA_JSON,
        }
    }

    /// Encodes a body.
    #[must_use]
    pub fn encode<T: Body>(self, body: &T) -> Vec<u8> {
        match self {
            Self::Binary => {
                let mut out = Vec::new();
                body.write(&mut out);
                out
            }
            // Fails only for types that JSON cannot represent; every body can, as the round-trip tests show.
            Self::Json => serde_json::to_vec(body).unwrap_or_default(),
        }
    }

    /// Decodes a body, all of it. Fields of later versions are skipped.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole body whose values are in range.
    pub fn decode<T: Body>(self, body: &[u8]) -> Result<T, DecodeError> {
        if body.len() > MAX_BODY_BYTES {
            let (count, max) = (body.len() as u64, MAX_BODY_BYTES as u64);
            return Err(DecodeError::TooMany { field: "body", count, max });
        }
        let value = match self {
            Self::Binary => T::read(body)?,
            Self::Json => {
                serde_json::from_slice(body).map_err(|error| DecodeError::Json { reason: error.to_string() })?
            }
        };
        value.check()?;
        Ok(value)
    }
}

/// Reads a tail: hands every field to `known`, which ignores the tags it does not know.
pub(super) fn read_tail<'a>(
    reader: &mut Reader<'a>,
    mut known: impl FnMut(u64, super::bytes::Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while let Some((tag, field)) = reader.field()? {
        known(tag, field)?;
    }
    Ok(())
}

//! Words that every part of the protocol uses: digests and refusals.
//!
//! Requests, answers and their bytes are in [`advance`](crate::advance); what a refusal means for a device is the
//! caller's.

use serde::{Deserialize, Serialize};

/// A SHA-256 value: hex in JSON, 32 bytes in the binary encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidDigest);
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(bytes))
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 value of 64 hexadecimal digits")]
pub struct InvalidDigest;

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Largest size of a file with a target's vocabulary, in bytes: the largest vocabularies that there are take 12 MiB.
pub const MAX_VOCABULARY_FILE: usize = 16 << 20;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Kind of the failure, for programs.
    pub code: ErrorCode,
    /// Description of the failure, for people. Holds no user text.
    pub reason: String,
    /// With [`ErrorCode::Desync`], the number of tokens that the verifier holds and that may still agree.
    pub held: Option<u32>,
}

impl ErrorBody {
    /// Makes the body of a refusal that names no tokens.
    #[must_use]
    pub fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), held: None }
    }
}

/// Codes of [`ErrorBody`], each with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the body does not parse or breaks a limit.
    Malformed,
    /// 401: no or a wrong bearer token.
    Unauthorized,
    /// 409: the verifier holds other tokens than the device thinks, or the sequence number is out of order.
    Desync,
    /// 410: the session is unknown or was evicted; open a new one, nothing is lost.
    Gone,
    /// 413: the body or the sequence is too long.
    TooLarge,
    /// 422: another vocabulary, or a feature that this verifier lacks.
    Unsupported,
    /// 429: this client asks too often.
    RateLimited,
    /// 500: the target failed.
    Internal,
    /// 503: overloaded or shutting down.
    Unavailable,
}

impl ErrorCode {
    /// Returns the HTTP status that carries this code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthorized => 401,
            Self::Desync => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::Unsupported => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// Returns the number of bytes of an id on the wire, which hold 7 bits each.
#[must_use]
pub const fn id_bytes(id: u32) -> u64 {
    match id {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        0x1000_0000.. => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_hex_in_json() {
        let digest = Digest([0xab; 32]);
        assert_eq!(serde_json::to_string(&digest).expect("writes"), format!("\"{}\"", "ab".repeat(32)));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("zz".parse::<Digest>(), Err(InvalidDigest));
    }
}

//! Wire types of `uhlm-verify/1`, the protocol between device and verifier.
//!
//! Decides the fields, their encoding and the limits on what is read. Transport (paths, status codes, retries) is in
//! `docs/protocol.md`, the HTTPS client in `uhlm-core`, the server in `uhlm-server`.
//!
//! Bodies are [postcard](https://postcard.jamesmunns.com/wire-format) (variable-length integers, no field names) under
//! [`MEDIA_BINARY`], or JSON with the same field names under [`MEDIA_JSON`] for debugging.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::sampling::{SamplingParams, TokenId};
use crate::speculative::Outcome;

/// Protocol name and version, as `/v1/info` reports it.
pub const PROTOCOL: &str = "uhlm-verify/1";
/// Media type of the binary encoding.
pub const MEDIA_BINARY: &str = "application/vnd.uhlm.verify.v1";
/// Media type of the JSON encoding.
pub const MEDIA_JSON: &str = "application/json";

/// The largest request body that a verifier reads: a full context of 128k tokens fits.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// The largest response body that a device reads.
pub const MAX_RESPONSE_BYTES: usize = 256 << 10;
/// The most drafted tokens in one window.
pub const MAX_WINDOW: usize = 256;
/// The most draws in one request for more.
pub const MAX_DRAWS: u32 = 1024;

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

/// `GET /v1/info`: what the verifier serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// The target model's name, for people.
    pub model: String,
    /// Fingerprint of the target model's file.
    pub fingerprint: Digest,
    /// Hash over the vocabulary: id -> bytes and the special ids.
    pub vocabulary: Digest,
    /// Number of tokens in the vocabulary.
    pub vocabulary_size: u32,
    /// The longest sequence a session may hold, in tokens.
    pub context: u32,
}

/// `POST /v1/sessions`: opens a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenRequest {
    /// The device's vocabulary hash; a different one on the verifier is refused with 422.
    pub vocabulary: Digest,
    /// The canonical chain that makes `p`.
    pub sampling: SamplingParams,
    /// Seeds the verifier's own choices for this session, so that a run can be replayed.
    pub seed: u64,
    /// Reserved for a grammar that masks both models (GBNF text); a verifier without grammars refuses it with 422.
    pub grammar: Option<String>,
}

/// The answer to [`OpenRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenResponse {
    /// The session's name in later paths: 32 hexadecimal digits.
    pub session: String,
    /// What the verifier serves.
    pub info: Info,
}

/// `POST /v1/sessions/{id}/verify`: appends tokens and judges a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// Number of this request in its session, from 1, without gaps. Repeated, it brings the same verdict.
    pub seq: u32,
    /// How many tokens of what the verifier holds are kept; the rest is rolled back.
    pub base: u32,
    /// [`PrefixHash`] of those tokens, against desynchronisation.
    pub base_check: PrefixHash,
    /// Tokens to append unjudged and unreported: the prompt, skipped tokens, a resampled token, tokens written offline.
    pub append: Vec<TokenId>,
    /// The window.
    pub draft: Vec<TokenId>,
    /// Acceptance levels, one a drafted token; empty means greedy: accept iff the target's choice is the same.
    pub levels: Vec<f32>,
    /// Whether a bonus token is wanted if the whole window is accepted.
    pub bonus: bool,
    /// Whether this window was sent before the verdict on the previous one arrived: if that turns out otherwise than
    /// the device assumed, the answer is [`Outcome::Void`] instead of 409.
    pub pipelined: bool,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyResponse {
    /// The request's number.
    pub seq: u32,
    /// `p(d_i)` for the accepted tokens and the rejected one.
    pub probs: Vec<f32>,
    /// Accepted, rejected or void.
    pub outcome: Outcome,
    /// Where the time went.
    pub timing: Timing,
}

/// Bytes of an id in the binary encoding: 7 bits each.
#[must_use]
pub const fn id_bytes(id: TokenId) -> u64 {
    match id {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        0x1000_0000.. => 5,
    }
}

/// Time that the verifier spent, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// From the request's arrival until its decode began.
    pub queue_us: u32,
    /// Decode and scoring.
    pub decode_us: u32,
}

/// `POST /v1/sessions/{id}/draws`: more draws for the rejection that request `seq` ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawsRequest {
    /// The verify request that ended in a rejection; it must be the last one that was judged.
    pub seq: u32,
    /// How many draws the device has already, the verdict's own included.
    pub from: u32,
    /// How many more, at most [`MAX_DRAWS`].
    pub count: u32,
}

/// The answer to [`DrawsRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawsResponse {
    /// Draws from `p`, each with its probability.
    pub draws: Vec<(TokenId, f32)>,
}

/// `POST /v1/sessions/{id}/continue`: the target writes on alone; the answer is a stream of [`ContinueFrame`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContinueRequest {
    /// Number of this request in its session.
    pub seq: u32,
    /// As in [`VerifyRequest`].
    pub base: u32,
    /// As in [`VerifyRequest`].
    pub base_check: PrefixHash,
    /// As in [`VerifyRequest`].
    pub append: Vec<TokenId>,
    /// The most tokens to write; end-of-generation tokens end it earlier.
    pub max_tokens: u32,
}

/// One frame of a continuation. In the binary encoding each is preceded by its length as one byte pair, big-endian;
/// in JSON each is one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContinueFrame {
    /// Tokens that the target wrote since the last frame.
    Tokens {
        /// Their ids.
        ids: Vec<TokenId>,
    },
    /// The last frame.
    End {
        /// Time spent on the whole continuation.
        timing: Timing,
    },
    /// The continuation failed half-way; what came before stands.
    Failed {
        /// Why.
        error: ErrorBody,
    },
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What happened, for programs.
    pub code: ErrorCode,
    /// What happened, for people. Holds no user text.
    pub reason: String,
    /// With [`ErrorCode::Desync`]: how many tokens the verifier holds that may still agree.
    pub held: Option<u32>,
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
    /// The HTTP status that carries this code.
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

/// A 32-bit hash over a prefix of token ids (FNV-1a over their little-endian bytes), extended token by token. It guards
/// against lost synchronisation, not against an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixHash([u8; 4]);

impl PrefixHash {
    /// The hash of no tokens.
    pub const EMPTY: Self = Self(0x811c_9dc5_u32.to_le_bytes());

    /// The hash of the prefix followed by `id`.
    #[must_use]
    pub fn push(self, id: TokenId) -> Self {
        let hash = id
            .to_le_bytes()
            .iter()
            .fold(u32::from_le_bytes(self.0), |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(hash.to_le_bytes())
    }

    /// The hash of `tokens`.
    #[must_use]
    pub fn of(tokens: &[TokenId]) -> Self {
        tokens.iter().fold(Self::EMPTY, |hash, &id| hash.push(id))
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// postcard under [`MEDIA_BINARY`].
    #[default]
    Binary,
    /// JSON under [`MEDIA_JSON`].
    Json,
}

/// The body is not what its media type and the protocol say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the body: {reason}")]
pub struct DecodeError {
    /// What the decoder said.
    pub reason: String,
}

impl Encoding {
    /// The encoding that a `Content-Type` or `Accept` value names; `None` for any other.
    #[must_use]
    pub fn from_media_type(value: &str) -> Option<Self> {
        match value.split(';').next().unwrap_or_default().trim() {
            MEDIA_BINARY => Some(Self::Binary),
            MEDIA_JSON => Some(Self::Json),
            _ => None,
        }
    }

    /// The media type of this encoding.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Binary => MEDIA_BINARY,
            Self::Json => MEDIA_JSON,
        }
    }

    /// Encodes a body.
    #[must_use]
    pub fn encode<T: Serialize>(self, value: &T) -> Vec<u8> {
        // Both fail only for types that cannot be represented; every type of this module can, as the round-trip tests show.
        match self {
            Self::Binary => postcard::to_stdvec(value).unwrap_or_default(),
            Self::Json => serde_json::to_vec(value).unwrap_or_default(),
        }
    }

    /// Decodes a body, all of it.
    ///
    /// # Errors
    /// [`DecodeError`] for truncated or trailing bytes and for values that do not fit their type.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Binary => match postcard::take_from_bytes(body) {
                Ok((value, [])) => Ok(value),
                Ok((_, rest)) => Err(DecodeError { reason: format!("{} bytes after the end", rest.len()) }),
                Err(error) => Err(DecodeError { reason: error.to_string() }),
            },
            Self::Json => serde_json::from_slice(body).map_err(|error| DecodeError { reason: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests;

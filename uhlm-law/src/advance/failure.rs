//! A refusal on the wire: the body of every answer that is not a success, and the frame that ends a stream that
//! failed.
//!
//! Decides the codes, their HTTP status and the encoding. When a verifier refuses is [`Refusal`]'s, what a device does
//! about it is [`Recovery`]'s.
//!
//! [`Recovery`]: super::Recovery
//! [`Refusal`]: super::Refusal

use serde::{Deserialize, Serialize};

use super::body::{Body, read_tail};
use super::bytes::{DecodeError, Reader, put_number, put_tagged_bytes, put_tagged_number};

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
    /// All codes, in the order of their numbers on the wire.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Desync,
        Self::Gone,
        Self::TooLarge,
        Self::Unsupported,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
    ];

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

const TAG_REASON: u32 = 1;
const TAG_HELD: u32 = 2;

/// Returns the number of a code, below 64.
pub(super) fn code_number(code: ErrorCode) -> u8 {
    ErrorCode::ALL.iter().position(|known| *known == code).map_or(7, |number| number as u8)
}

/// Returns the code of a number; a code of a later version reads as [`ErrorCode::Internal`].
fn code(number: u64) -> ErrorCode {
    usize::try_from(number).ok().and_then(|number| ErrorCode::ALL.get(number)).copied().unwrap_or(ErrorCode::Internal)
}

/// Appends everything but the code.
pub(super) fn put_details(out: &mut Vec<u8>, error: &ErrorBody) {
    if !error.reason.is_empty() {
        put_tagged_bytes(out, TAG_REASON, error.reason.as_bytes());
    }
    if let Some(held) = error.held {
        put_tagged_number(out, TAG_HELD, u64::from(held));
    }
}

/// Reads everything but the code.
pub(super) fn take_details(reader: &mut Reader<'_>, number: u64) -> Result<ErrorBody, DecodeError> {
    let mut error = ErrorBody { code: code(number), reason: String::new(), held: None };
    read_tail(reader, |tag, field| {
        match u32::try_from(tag) {
            Ok(TAG_REASON) => error.reason = field.text("reason")?,
            Ok(TAG_HELD) => error.held = Some(field.number("held")?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(error)
}

impl Body for ErrorBody {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(code_number(self.code)));
        put_details(out, self);
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let number = reader.number("code")?;
        take_details(&mut reader, number)
    }
}

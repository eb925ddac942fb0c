//! The bytes of a refusal: the body of every answer that is not a success, and the frame that ends a stream that
//! failed.
//!
//! Decides the encoding. Codes and their status are [`ErrorCode`]'s, what a device does about one is [`Recovery`]'s.
//!
//! [`Recovery`]: super::Recovery

use super::body::{Body, read_tail};
use super::bytes::{DecodeError, Reader, put_number, put_tagged_bytes, put_tagged_number};
use crate::protocol::{ErrorBody, ErrorCode};

const TAG_REASON: u32 = 1;
const TAG_HELD: u32 = 2;

/// Codes in the order of their numbers on the wire.
const CODES: [ErrorCode; 9] = [
    ErrorCode::Malformed,
    ErrorCode::Unauthorized,
    ErrorCode::Desync,
    ErrorCode::Gone,
    ErrorCode::TooLarge,
    ErrorCode::Unsupported,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
];

/// Returns the number of a code, below 64.
pub(super) fn code_number(code: ErrorCode) -> u8 {
    CODES.iter().position(|known| *known == code).map_or(7, |number| number as u8)
}

/// Returns the code of a number; a code of a later version reads as [`ErrorCode::Internal`].
fn code(number: u64) -> ErrorCode {
    usize::try_from(number).ok().and_then(|number| CODES.get(number)).copied().unwrap_or(ErrorCode::Internal)
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

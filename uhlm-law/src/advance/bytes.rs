//! The bytes of the binary encoding: numbers, ids, and tails of tagged fields.
//!
//! Decides how each is written and that reading them never fails but with a [`DecodeError`] and never allocates more
//! than the input's length allows. Leaves to others which fields a body has.

use crate::sampling::TokenId;

/// The rule of the protocol or of its media type that a body breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body ends within a field.
    #[error("the body ends early")]
    Truncated,
    /// A length or a number of elements is above its limit.
    #[error("{field}: {count}, at most {max} are allowed")]
    TooMany {
        /// Name of the field.
        field: &'static str,
        /// The number that the body claims.
        count: u64,
        /// The largest number that is allowed.
        max: u64,
    },
    /// A value lies outside its field's range.
    #[error("{field} is out of range")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
    },
    /// The JSON does not parse, or its fields are not those of the body.
    #[error("not the JSON of this body: {reason}")]
    Json {
        /// Message of the parser. It can quote the body, so it does not belong into logs.
        reason: String,
    },
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

/// Appends a variable-length integer: 7 bits a byte, the lowest first, the highest bit set on all but the last byte.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends ids without their number.
pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[TokenId]) {
    ids.iter().for_each(|&id| put_number(out, u64::from(id)));
}

/// Appends the number of ids, and the ids.
pub(super) fn put_counted_ids(out: &mut Vec<u8>, ids: &[TokenId]) {
    put_number(out, ids.len() as u64);
    put_ids(out, ids);
}

/// Appends a length and that many bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a tagged number to a tail.
pub(super) fn put_tagged_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    put_number(out, u64::from(tag) << 1);
    put_number(out, number);
}

/// Appends a tagged field of bytes to a tail.
pub(super) fn put_tagged_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_number(out, u64::from(tag) << 1 | 1);
    put_bytes(out, bytes);
}

/// A field of a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A number.
    Number(u64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Returns the number; [`DecodeError::OutOfRange`] where the field holds bytes or a number that does not fit.
    pub(super) fn number<T: TryFrom<u64>>(self, field: &'static str) -> Result<T, DecodeError> {
        match self {
            Self::Number(number) => T::try_from(number).map_err(|_| DecodeError::OutOfRange { field }),
            Self::Bytes(_) => Err(DecodeError::OutOfRange { field }),
        }
    }

    /// Returns the bytes; [`DecodeError::OutOfRange`] where the field holds a number.
    pub(super) fn bytes(self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self {
            Self::Number(_) => Err(DecodeError::OutOfRange { field }),
            Self::Bytes(bytes) => Ok(bytes),
        }
    }

    /// Returns the bytes as text; [`DecodeError::OutOfRange`] where they are not UTF-8.
    pub(super) fn text(self, field: &'static str) -> Result<String, DecodeError> {
        let text = str::from_utf8(self.bytes(field)?).map_err(|_| DecodeError::OutOfRange { field })?;
        Ok(text.to_owned())
    }
}

/// A reader that takes a body apart from its front.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Takes the next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (front, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(front)
    }

    /// Takes the next `N` bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (front, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*front)
    }

    /// Takes a byte.
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes a variable-length integer that fits `T`.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            // The tenth byte holds the 64th bit and nothing else.
            if shift == 63 && bits > 1 {
                break;
            }
            if byte & 0x80 == 0 {
                return T::try_from(number).map_err(|_| DecodeError::OutOfRange { field });
            }
        }
        Err(DecodeError::OutOfRange { field })
    }

    /// Takes `count` ids. Every id takes a byte at least, so a count beyond the input's length is refused before
    /// anything is allocated.
    pub(super) fn ids(&mut self, count: usize, field: &'static str) -> Result<Vec<TokenId>, DecodeError> {
        if count > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        (0..count).map(|_| self.number(field)).collect()
    }

    /// Takes a number of ids, at most `max`, and the ids.
    pub(super) fn counted_ids(&mut self, max: usize, field: &'static str) -> Result<Vec<TokenId>, DecodeError> {
        let count: u64 = self.number(field)?;
        match usize::try_from(count) {
            Ok(count) if count <= max => self.ids(count, field),
            _ => Err(DecodeError::TooMany { field, count, max: max as u64 }),
        }
    }

    /// Takes a length and that many bytes.
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let count: u64 = self.number(field)?;
        self.take(usize::try_from(count).map_err(|_| DecodeError::Truncated)?)
    }

    /// Takes the next field of a tail with its tag; `None` at the end of the body. No field has the tag 0, so zeros
    /// after the end of a body are not taken for fields of a later version.
    pub(super) fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key: u64 = self.number("tag")?;
        if key < 2 {
            return Err(DecodeError::OutOfRange { field: "tag" });
        }
        let field = if key & 1 == 0 { Field::Number(self.number("tail")?) } else { Field::Bytes(self.bytes("tail")?) };
        Ok(Some((key >> 1, field)))
    }

    /// Returns the number of bytes that are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_come_back() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_number(&mut out, number);
                let mut reader = Reader::new(&out);
                assert_eq!(reader.number::<u64>("n"), Ok(number));
                assert_eq!(reader.len(), 0);
            }
        }
    }

    #[test]
    fn numbers_that_do_not_fit_or_do_not_end_are_refused() {
        assert_eq!(Reader::new(&[0x80]).number::<u64>("n"), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0xff; 12]).number::<u64>("n"), Err(DecodeError::OutOfRange { field: "n" }));
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Reader::new(&too_large).number::<u64>("n"), Err(DecodeError::OutOfRange { field: "n" }));
        assert_eq!(Reader::new(&[0x80, 2]).number::<u8>("n"), Err(DecodeError::OutOfRange { field: "n" }));
    }

    #[test]
    fn a_count_beyond_the_input_allocates_nothing() {
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert!(matches!(Reader::new(&out).counted_ids(10, "ids"), Err(DecodeError::TooMany { max: 10, .. })));
        assert_eq!(Reader::new(&out).bytes("b"), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[5, 1, 1]).counted_ids(10, "ids"), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_tail_is_walked_field_by_field() {
        let mut out = Vec::new();
        put_tagged_number(&mut out, 3, 300);
        put_tagged_bytes(&mut out, 900, b"ab");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.field(), Ok(Some((3, Field::Number(300)))));
        assert_eq!(reader.field(), Ok(Some((900, Field::Bytes(b"ab")))));
        assert_eq!(reader.field(), Ok(None));
        assert!(Field::Number(1).bytes("f").is_err() && Field::Bytes(b"").number::<u8>("f").is_err());
        assert!(Field::Bytes(&[0xff]).text("f").is_err());
        assert_eq!(Reader::new(&[0, 0]).field(), Err(DecodeError::OutOfRange { field: "tag" }));
        assert_eq!(Reader::new(&[7, 9, 1]).field(), Err(DecodeError::Truncated));
    }
}

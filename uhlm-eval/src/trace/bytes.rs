//! Writes and reads numbers, lists and texts as bytes.

use uhlm_law::sampling::TokenId;

use super::TraceError;

/// The rest of a section, from whose front values are taken.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

fn damaged(what: &str) -> TraceError {
    TraceError::Damaged { what: what.to_owned() }
}

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], TraceError> {
        let (front, rest) = self.0.split_at_checked(len).ok_or_else(|| damaged("a section ends too early"))?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TraceError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, TraceError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn f32(&mut self) -> Result<f32, TraceError> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, TraceError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Takes a number in base 128, little-endian.
    pub(super) fn number(&mut self) -> Result<u64, TraceError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number that is too large"))
    }

    /// Takes the length of a list whose entries take at least `size` bytes each.
    pub(super) fn len(&mut self, size: usize) -> Result<usize, TraceError> {
        let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if len.saturating_mul(size) > self.0.len() { Err(damaged("a list that is too long")) } else { Ok(len) }
    }

    pub(super) fn id(&mut self) -> Result<TokenId, TraceError> {
        TokenId::try_from(self.number()?).map_err(|_| damaged("an id that is too large"))
    }

    pub(super) fn text(&mut self) -> Result<String, TraceError> {
        let len = self.len(1)?;
        String::from_utf8(self.take(len)?.to_vec()).map_err(|_| damaged("a text that is not UTF-8"))
    }

    pub(crate) fn end(&self) -> Result<(), TraceError> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("bytes after the end of a section")) }
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[TokenId]) {
    put_number(out, ids.len() as u64);
    ids.iter().for_each(|&id| put_number(out, id.into()));
}

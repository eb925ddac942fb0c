//! Reads the header of a GGUF file from front to back, for whoever takes one apart. What is cut short or of no known
//! type is `None`.

/// Type code of a text.
pub(crate) const STRING: u32 = 8;
/// Type code of an array.
pub(crate) const ARRAY: u32 = 9;

/// A position in the bytes of a file.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Takes so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }

    /// Takes a text, which comes after its length.
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        self.take(length)
    }

    /// Passes over a value of this type.
    pub(crate) fn skip(&mut self, kind: u32) -> Option<()> {
        match kind {
            0 | 1 | 7 => self.take(1).map(drop),
            2 | 3 => self.take(2).map(drop),
            4..=6 => self.take(4).map(drop),
            10..=12 => self.take(8).map(drop),
            STRING => self.text().map(drop),
            ARRAY => {
                let (element, count) = (self.u32()?, self.u64()?);
                (0..count).try_for_each(|_| self.skip(element))
            }
            _ => None,
        }
    }
}

//! Cuts the byte stream of a continuation into frames.

use bytes::{Buf as _, BytesMut};
use uhlm_law::protocol::{ContinueFrame, Encoding};

use super::failure::invalid;
use crate::verifier::VerifierError;

/// The longest frame: what the binary length can say. JSON lines get no more.
const MAX_FRAME: usize = u16::MAX as usize;

/// Bytes that arrived and do not make a frame yet.
#[derive(Debug)]
pub(super) struct Frames {
    encoding: Encoding,
    buffer: BytesMut,
}

impl Frames {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, buffer: BytesMut::new() }
    }

    /// Adds what arrived; take every frame out before adding more, so that no more than one is ever held.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`VerifierError::InvalidAnswer`] for a frame that is too long or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<ContinueFrame>, VerifierError> {
        let Some(frame) = (match self.encoding {
            Encoding::Binary => self.length_prefixed(),
            Encoding::Json => self.line()?,
        }) else {
            return Ok(None);
        };
        Ok(Some(self.encoding.decode(&frame)?))
    }

    /// Whether the stream may end here.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn length_prefixed(&mut self) -> Option<BytesMut> {
        let length = usize::from(u16::from_be_bytes(*self.buffer.first_chunk()?));
        if self.buffer.len() < 2 + length {
            return None;
        }
        self.buffer.advance(2);
        Some(self.buffer.split_to(length))
    }

    fn line(&mut self) -> Result<Option<BytesMut>, VerifierError> {
        let end = self.buffer.iter().take(MAX_FRAME + 1).position(|byte| *byte == b'\n');
        match end {
            Some(end) => {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                Ok(Some(line))
            }
            None if self.buffer.len() > MAX_FRAME => Err(invalid("a frame longer than 65535 bytes")),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::protocol::Timing;

    use super::*;

    fn frames() -> Vec<ContinueFrame> {
        vec![
            ContinueFrame::Tokens { ids: vec![1, 300, 70_000] },
            ContinueFrame::Tokens { ids: vec![2] },
            ContinueFrame::End { timing: Timing { queue_us: 1, decode_us: 1000 } },
        ]
    }

    fn wire(encoding: Encoding) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames() {
            let body = encoding.encode(&frame);
            match encoding {
                Encoding::Binary => {
                    bytes.extend((body.len() as u16).to_be_bytes());
                    bytes.extend(body);
                }
                Encoding::Json => {
                    bytes.extend(body);
                    bytes.push(b'\n');
                }
            }
        }
        bytes
    }

    #[test]
    fn frames_are_read_however_the_stream_is_cut() {
        for encoding in [Encoding::Binary, Encoding::Json] {
            let bytes = wire(encoding);
            for size in [1, 2, 3, 7, bytes.len()] {
                let mut reader = Frames::new(encoding);
                let mut read = Vec::new();
                for piece in bytes.chunks(size) {
                    reader.push(piece);
                    while let Some(frame) = reader.next().expect("a frame") {
                        read.push(frame);
                    }
                }
                assert_eq!(read, frames(), "pieces of {size}");
                assert!(reader.is_empty());
            }
        }
    }

    #[test]
    fn unreadable_and_endless_frames_are_refused() {
        let mut binary = Frames::new(Encoding::Binary);
        binary.push(&[0, 2, 9, 9]);
        assert!(binary.next().is_err());
        let mut json = Frames::new(Encoding::Json);
        json.push(&[b' '; MAX_FRAME]);
        assert_eq!(json.next(), Ok(None));
        json.push(b" ");
        assert!(json.next().is_err());
    }
}

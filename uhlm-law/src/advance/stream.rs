//! Frames one after the other, as bytes of a connection that breaks them anywhere.
//!
//! Decides where a frame begins and ends, and that a frame of a kind that this version does not know is skipped.

use super::body::{Body, Encoding};
use super::bytes::{DecodeError, put_bytes};
use super::frame::Frame;

/// Length of the longest frame that a device reads, in bytes: [`MAX_FRAME_IDS`](super::MAX_FRAME_IDS) of the longest
/// ids, with labels.
pub const MAX_FRAME_BYTES: usize = 1 << 16;

/// Names of the kinds of frames in JSON.
const KINDS: [&str; 4] = ["text", "end", "failed", "progress"];

impl Encoding {
    /// Encodes a frame as it goes onto the stream: behind its length in the binary encoding, as one line in JSON.
    #[must_use]
    pub fn encode_frame(self, frame: &Frame) -> Vec<u8> {
        let body = self.encode(frame);
        match self {
            Self::Binary => {
                let mut out = Vec::with_capacity(body.len() + 2);
                put_bytes(&mut out, &body);
                out
            }
            Self::Json => [body, b"\n".to_vec()].concat(),
        }
    }
}

/// A decoder that finds frames in the bytes of a stream, as they come.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    encoding: Encoding,
    buffer: Vec<u8>,
    /// Number of bytes at the front of `buffer` that are read already.
    done: usize,
    /// Number of bytes after those in which no end of a line is: a line that drips is not searched again with each
    /// byte.
    searched: usize,
}

impl FrameDecoder {
    /// Makes a decoder for a stream's beginning.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, buffer: Vec::new(), done: 0, searched: 0 }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.done);
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Tells whether the bytes so far end with a whole frame. A stream that ends elsewhere broke off.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.done == self.buffer.len()
    }

    /// Returns the next frame; `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no frame; the stream is of no use from there on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        loop {
            let rest = &self.buffer[self.done..];
            let found = match self.encoding {
                Encoding::Binary => Self::delimited(rest)?,
                Encoding::Json => Self::line(rest, &mut self.searched)?,
            };
            let Some((body, length)) = found else { return Ok(None) };
            let frame = match self.encoding {
                Encoding::Binary if Frame::is_known(body) => Some(self.encoding.decode(body)?),
                Encoding::Binary => None,
                Encoding::Json => Self::json(body)?,
            };
            self.done += length;
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// Finds the frame behind its length, and the number of bytes of both.
    fn delimited(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, DecodeError> {
        let (mut length, mut prefix) = (0_usize, 0);
        loop {
            let Some(&byte) = bytes.get(prefix) else { return Ok(None) };
            length |= usize::from(byte & 0x7f) << (7 * prefix);
            prefix += 1;
            if length > MAX_FRAME_BYTES || (prefix == 3 && byte & 0x80 != 0) {
                return Err(Self::too_long(length));
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(bytes.get(prefix..prefix + length).map(|body| (body, prefix + length)))
    }

    /// Finds the first line without its end, and the number of bytes with it. The first bytes, as many as `searched`
    /// says, have no end of a line.
    fn line<'a>(bytes: &'a [u8], searched: &mut usize) -> Result<Option<(&'a [u8], usize)>, DecodeError> {
        let readable = bytes.len().min(MAX_FRAME_BYTES + 1);
        let from = std::mem::replace(searched, readable);
        match bytes[from..readable].iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                *searched = 0;
                Ok(Some((&bytes[..from + end], from + end + 1)))
            }
            None if bytes.len() > MAX_FRAME_BYTES => Err(Self::too_long(bytes.len())),
            None => Ok(None),
        }
    }

    /// Reads a frame in JSON; `None` for one of an unknown kind.
    fn json(line: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let unreadable = |error: serde_json::Error| DecodeError::Json { reason: error.to_string() };
        let value: serde_json::Value = serde_json::from_slice(line).map_err(unreadable)?;
        let is_known = value.as_object().is_none_or(|frame| frame.keys().any(|kind| KINDS.contains(&kind.as_str())));
        if !is_known {
            return Ok(None);
        }
        let frame: Frame = serde_json::from_value(value).map_err(unreadable)?;
        frame.check()?;
        Ok(Some(frame))
    }

    fn too_long(count: usize) -> DecodeError {
        DecodeError::TooMany { field: "frame", count: count as u64, max: MAX_FRAME_BYTES as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_drips_is_searched_once() {
        let mut decoder = FrameDecoder::new(Encoding::Json);
        for dripped in 1..=MAX_FRAME_BYTES {
            decoder.push(b" ");
            assert!(matches!(decoder.next_frame(), Ok(None)));
            assert_eq!(decoder.searched, dripped);
        }
        decoder.push(b" ");
        assert_eq!(decoder.next_frame(), Err(FrameDecoder::too_long(MAX_FRAME_BYTES + 1)));
        assert_eq!(decoder.next_frame(), Err(FrameDecoder::too_long(MAX_FRAME_BYTES + 1)), "and again");
        // What was searched of one line is not taken for the next one's.
        let mut decoder = FrameDecoder::new(Encoding::Json);
        decoder.push(br#"{"later":"#);
        assert!(matches!(decoder.next_frame(), Ok(None)));
        decoder.push(b"1}\n{}");
        assert!(matches!(decoder.next_frame(), Ok(None)));
        assert_eq!(decoder.searched, 2);
    }
}

//! The parts that an answer's body is made of: one whole body, or frames one after the other.
//!
//! Decides when a part is complete, and that no more is held than one part may have. Leaves to [`super::exchange`] how
//! long the next one is waited for.

use std::marker::PhantomData;

use reqwest::Response;
use uhlm_law::advance::MAX_VOCABULARY_FILE;
use uhlm_law::advance::{Body, Encoding, Frame, FrameDecoder, MAX_BODY_BYTES, MEDIA_VOCABULARY};

use super::failure::{Failure, invalid};
use super::pool::Generation;
use super::trace::Trace;
use crate::verifier::VerifierError;

/// Makes parts out of the pieces in which a body comes.
pub(super) trait Parts {
    /// A part.
    type Part;

    /// Makes what reads a body from its beginning.
    fn new(encoding: Encoding) -> Self;

    /// Returns the media type that a body of such parts has.
    fn media_type(encoding: Encoding) -> &'static str {
        encoding.media_type()
    }

    /// Takes the next bytes.
    fn push(&mut self, piece: &[u8]) -> Result<(), VerifierError>;

    /// Returns the next part that is there; `None` until more bytes come.
    fn next(&mut self) -> Result<Option<Self::Part>, VerifierError>;

    /// Takes note that the body is over where another part was waited for.
    fn end(&mut self) -> Result<Self::Part, VerifierError>;
}

/// A body that is one value.
pub(super) struct Whole<T> {
    encoding: Encoding,
    body: Vec<u8>,
    value: PhantomData<fn() -> T>,
}

impl<T: Body> Parts for Whole<T> {
    type Part = T;

    fn new(encoding: Encoding) -> Self {
        Self { encoding, body: Vec::new(), value: PhantomData }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), VerifierError> {
        if self.body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(invalid(format!("an answer of more than {MAX_BODY_BYTES} bytes")));
        }
        self.body.extend_from_slice(piece);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<T>, VerifierError> {
        Ok(None)
    }

    fn end(&mut self) -> Result<T, VerifierError> {
        Ok(self.encoding.decode(&self.body)?)
    }
}

/// A body that is a file with a vocabulary.
pub(super) struct VocabularyBytes(Vec<u8>);

impl Parts for VocabularyBytes {
    type Part = Vec<u8>;

    fn new(_: Encoding) -> Self {
        Self(Vec::new())
    }

    fn media_type(_: Encoding) -> &'static str {
        MEDIA_VOCABULARY
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), VerifierError> {
        if self.0.len() + piece.len() > MAX_VOCABULARY_FILE {
            return Err(invalid(format!("a vocabulary of more than {MAX_VOCABULARY_FILE} bytes")));
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, VerifierError> {
        Ok(None)
    }

    fn end(&mut self) -> Result<Vec<u8>, VerifierError> {
        Ok(std::mem::take(&mut self.0))
    }
}

/// A body that is a stream of frames.
pub(super) struct Frames(FrameDecoder);

impl Parts for Frames {
    type Part = Frame;

    fn new(encoding: Encoding) -> Self {
        Self(FrameDecoder::new(encoding))
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), VerifierError> {
        self.0.push(piece);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Frame>, VerifierError> {
        Ok(self.0.next_frame()?)
    }

    fn end(&mut self) -> Result<Frame, VerifierError> {
        let where_ = if self.0.is_between_frames() { "without its last frame" } else { "within a frame" };
        Err(invalid(format!("the stream ends {where_}")))
    }
}

/// An answer that was accepted by its status, while its body comes.
pub(super) struct Incoming<P> {
    response: Response,
    parts: P,
    /// The client that it comes through.
    pub(super) generation: Generation,
}

impl<P: Parts> Incoming<P> {
    pub(super) fn new(response: Response, encoding: Encoding, generation: Generation) -> Self {
        Self { response, parts: P::new(encoding), generation }
    }

    /// Waits for the next part.
    pub(super) async fn next(&mut self, trace: &mut Trace) -> Result<P::Part, Failure> {
        loop {
            if let Some(part) = self.parts.next()? {
                return Ok(part);
            }
            match self.response.chunk().await? {
                Some(piece) => {
                    trace.hear(piece.len());
                    self.parts.push(&piece)?;
                }
                None => return Ok(self.parts.end()?),
            }
        }
    }

    /// Returns what is left of the answer after its last part, which nobody waits for.
    pub(super) fn rest(self) -> Response {
        self.response
    }
}

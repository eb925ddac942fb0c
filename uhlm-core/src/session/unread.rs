//! The bound on what of a verifier's answers waits for the session's thread: a verifier may send faster than a phone
//! reads, which is at a step of the draft model meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uhlm_law::advance::{Frame, Labels};

use crate::verifier::{Answer, VerifierError};

/// Most bytes that unread parts of answers may take: thousands of tokens, and next to nothing of a phone's memory.
const MOST: usize = 4 << 20;

/// One part of the answer to a request, or its failure.
pub(crate) type Heard = Result<Answer<Frame>, VerifierError>;

/// What of a session's answers is unread.
#[derive(Clone)]
pub(super) struct Unread {
    bytes: Arc<AtomicUsize>,
    /// Size of the message that brings a part, in bytes.
    message: usize,
}

/// A part of an answer that counts as unread until it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    pub(super) heard: Heard,
    bytes: usize,
    unread: Arc<AtomicUsize>,
}

impl Unread {
    /// Begins with nothing; a message of `message` bytes brings each part.
    pub(super) fn new(message: usize) -> Self {
        Self { bytes: Arc::default(), message }
    }

    /// Counts a part of an answer; `None` where it would be too much beside what is unread. A failure always fits,
    /// because each answer has one at most.
    pub(super) fn part(&self, heard: Heard) -> Option<Part> {
        let bytes = heard.as_ref().map_or(0, |answer| self.weight(&answer.value));
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let part = Part { heard, bytes, unread: Arc::clone(&self.bytes) };
        (bytes == 0 || before + bytes <= MOST).then_some(part)
    }

    /// Returns how much memory a frame takes while it waits, in bytes: once in the inbox, and once in the reply's mail.
    fn weight(&self, frame: &Frame) -> usize {
        let labels = |labels: &Labels| labels.matched.len() + size_of_val(labels.p.as_slice());
        let held = match frame {
            Frame::Text(text) => size_of_val(text.ids.as_slice()) + text.labels.as_ref().map_or(0, labels),
            Frame::Failed(body) => body.reason.len(),
            Frame::End(_) | Frame::Progress(_) => 0,
        };
        2 * self.message + held
    }
}

impl Part {
    /// Returns the part, which then is read.
    pub(super) fn read(mut self) -> Heard {
        std::mem::replace(&mut self.heard, Err(VerifierError::Cancelled))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.unread.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Returns the failure that ends an answer of which too much is unread.
pub(super) fn too_much() -> VerifierError {
    VerifierError::InvalidAnswer { reason: "an answer that comes faster than it can be read".into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uhlm_law::advance::Progress;

    use super::*;
    use crate::verifier::BodyBytes;

    fn progress() -> Heard {
        let value = Frame::Progress(Progress::default());
        Ok(Answer { value, bytes: BodyBytes::default(), elapsed: Duration::ZERO, attempts: 1 })
    }

    #[test]
    fn parts_that_are_read_or_dropped_make_room_for_others_and_a_failure_always_fits() {
        let unread = Unread::new(200);
        let mut parts: Vec<Part> = std::iter::from_fn(|| unread.part(progress())).collect();
        assert!((1000..100_000).contains(&parts.len()), "{}", parts.len());
        assert!(unread.part(progress()).is_none());
        assert!(unread.part(Err(too_much())).is_some());
        assert!(parts.pop().is_some_and(|part| part.read().is_ok()));
        parts.extend(unread.part(progress()));
        assert!(unread.part(progress()).is_none());
        drop(parts);
        assert_eq!(unread.bytes.load(Ordering::Relaxed), 0);
    }
}

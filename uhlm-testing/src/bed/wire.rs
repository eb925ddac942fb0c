//! The answer to one request, as the device listens to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Answer, BodyBytes, Part, Reply, VerifierError};

/// How an answer ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    /// The device is told that it broke off.
    Cut,
    /// Nothing comes any more.
    Silent,
}

/// A device that listens.
pub(super) struct Listener {
    pub(super) replica: usize,
    pub(super) reply: Arc<Mutex<Reply>>,
    pub(super) sent: Duration,
    pub(super) silence: Duration,
    /// When something was last heard; before that, when the request was sent.
    pub(super) heard: Duration,
    /// When the verifier said something last; before that, when the request was sent.
    pub(super) said: Duration,
    /// When the last frame that is on its way arrives: frames of an answer do not overtake each other.
    pub(super) due: Duration,
    /// Bytes of the request; taken by the first frame.
    pub(super) up: u64,
    /// Frames that come through before the answer ends early, if it does.
    pub(super) early: Option<(usize, Early)>,
}

/// What is told to a device once nothing is locked: the session's thread may ask back.
pub(super) struct Telling {
    reply: Arc<Mutex<Reply>>,
    heard: Result<Answer<Part>, VerifierError>,
}

impl Listener {
    /// Makes what the device hears at `now`, after `down` bytes.
    pub(super) fn tell(&mut self, now: Duration, down: u64, heard: Result<Part, VerifierError>) -> Telling {
        self.heard = now;
        let bytes = BodyBytes { up: std::mem::take(&mut self.up), down };
        let elapsed = now.saturating_sub(self.sent);
        let heard = heard.map(|value| Answer { value, bytes, elapsed, attempts: 1 });
        Telling { reply: Arc::clone(&self.reply), heard }
    }
}

impl Telling {
    pub(super) fn tell(self) {
        (*self.reply.lock().unwrap_or_else(PoisonError::into_inner))(self.heard);
    }
}

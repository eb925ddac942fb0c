//! The answer to one request, as the device listens to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Answer, BodyBytes, Part, Reply, VerifierError};

/// The way in which an answer ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    /// The device is told that the answer broke off.
    Cut,
    /// Nothing comes any more.
    Silent,
}

/// The device as it listens to one answer.
pub(super) struct Listener {
    pub(super) replica: usize,
    pub(super) reply: Arc<Mutex<Reply>>,
    /// Time at which the request was sent.
    pub(super) sent: Duration,
    /// Time without a frame after which the device gives the answer up.
    pub(super) silence: Duration,
    /// Time at which something was last heard; before that, time at which the request was sent.
    pub(super) heard: Duration,
    /// Time at which the verifier said something last; before that, time at which the request was sent.
    pub(super) said: Duration,
    /// Time at which the last frame arrives that is on its way: frames of an answer do not overtake each other.
    pub(super) due: Duration,
    /// Size of the request in bytes; the first frame reports it and sets this to 0.
    pub(super) up: u64,
    /// Number of frames that come through before the answer ends early, if it does, and how it ends.
    pub(super) early: Option<(usize, Early)>,
}

/// A part of an answer that is told to a device once nothing is locked: the session's thread may ask back.
pub(super) struct Telling {
    reply: Arc<Mutex<Reply>>,
    heard: Result<Answer<Part>, VerifierError>,
}

impl Listener {
    /// Makes the message that the device hears at `now`, after `down` bytes.
    pub(super) fn tell(&mut self, now: Duration, down: u64, heard: Result<Part, VerifierError>) -> Telling {
        self.heard = now;
        let bytes = BodyBytes { up: std::mem::take(&mut self.up), down };
        let elapsed = now.saturating_sub(self.sent);
        let heard = heard.map(|value| Answer { value, bytes, elapsed, attempts: 1 });
        Telling { reply: Arc::clone(&self.reply), heard }
    }
}

impl Telling {
    /// Hands the message to the device.
    pub(super) fn tell(self) {
        (*self.reply.lock().unwrap_or_else(PoisonError::into_inner))(self.heard);
    }
}

//! Delivers the answer to one request to the device.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::clock::VirtualClock;
use uhlm_core::verifier::{Answer, BodyBytes, Part, Reply, VerifierError};
use uhlm_law::advance::{Frame, SessionId};
use uhlm_law::cancel::Cancel;

use crate::channel::Place;

/// An answer that is not complete yet.
pub(super) struct Stream {
    pub(super) session: SessionId,
    pub(super) place: Place,
    sent: Duration,
    silence: Duration,
    /// Time when a frame last arrived, or the request was sent.
    heard: Duration,
    /// Number of bytes of the request's body, which the first frame takes over.
    up: u64,
    /// Whether the first frame has been sent.
    pub(super) has_begun: bool,
    cancel: Cancel,
    reply: Arc<Mutex<Reply>>,
}

impl Stream {
    pub(super) fn new(
        session: SessionId,
        sent: Duration,
        silence: Duration,
        up: u64,
        place: Place,
        cancel: Cancel,
        reply: Reply,
    ) -> Self {
        let reply = Arc::new(Mutex::new(reply));
        Self { session, place, sent, silence, heard: sent, up, has_begun: false, cancel, reply }
    }

    /// Delivers a frame of `down` bytes that arrives at `due`; tells whether the device still listens. A device that
    /// has waited for too long does not.
    pub(super) fn deliver(&mut self, clock: &VirtualClock, due: Duration, down: u64, frame: Frame) -> bool {
        let patience = self.heard.saturating_add(self.silence);
        if due > patience {
            let deadline = self.silence;
            self.tell(clock, patience, 0, Err(VerifierError::DeadlineExceeded { deadline }));
            return false;
        }
        self.heard = due;
        self.tell(clock, due, down, Part::of(frame));
        true
    }

    fn tell(&mut self, clock: &VirtualClock, due: Duration, down: u64, heard: Result<Part, VerifierError>) {
        self.has_begun = true;
        let bytes = BodyBytes { up: std::mem::take(&mut self.up), down };
        let (elapsed, cancel, reply) = (due.saturating_sub(self.sent), self.cancel.clone(), Arc::clone(&self.reply));
        clock.at(due, move || {
            if !cancel.is_cancelled() {
                let answer = heard.map(|value| Answer { value, bytes, elapsed, attempts: 1 });
                (*reply.lock().unwrap_or_else(PoisonError::into_inner))(answer);
            }
        });
    }
}

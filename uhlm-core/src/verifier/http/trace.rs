//! The record of a call: attempts, bytes, time, and whether its connection brings anything.

use std::time::Duration;

use tokio::time::Instant;

use super::pool::Generation;
use crate::verifier::{Answer, BodyBytes};

/// The record of a call so far.
#[derive(Debug)]
pub(super) struct Trace {
    asked: Instant,
    /// Bytes that no answer has reported yet.
    pub(super) bytes: BodyBytes,
    /// Number of requests that were sent.
    pub(super) attempts: u32,
    expires: Option<Instant>,
    /// Whether the one repetition was begun.
    pub(super) repeated: bool,
    /// The client that something is waited for from, until something comes through it.
    pub(super) unheard: Option<Generation>,
}

impl Trace {
    pub(super) fn new(deadline: Duration) -> Self {
        let asked = Instant::now();
        Self {
            asked,
            bytes: BodyBytes::default(),
            attempts: 0,
            expires: asked.checked_add(deadline),
            repeated: false,
            unheard: None,
        }
    }

    /// Takes note that bytes of a body arrived.
    pub(super) fn hear(&mut self, bytes: usize) {
        self.bytes.down += bytes as u64;
        self.unheard = None;
    }

    /// Makes the answer that brings `value`, with the bytes since the answer before.
    pub(super) fn answer<T>(&mut self, value: T) -> Answer<T> {
        let bytes = std::mem::take(&mut self.bytes);
        Answer { value, bytes, elapsed: self.asked.elapsed(), attempts: self.attempts }
    }

    /// Tells whether `pause` leaves time before the deadline.
    pub(super) fn allows(&self, pause: Duration) -> bool {
        self.expires.is_none_or(|at| at.checked_duration_since(Instant::now()).is_some_and(|left| pause < left))
    }
}

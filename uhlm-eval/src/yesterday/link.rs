//! Bills messages and times them on the link, and keeps the counts of a reply.

use crate::billing::Billing;

/// A steady link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Time of a round trip without the messages' own length, in seconds.
    pub round_trip: f64,
    /// Rate to the verifier, in bytes a second.
    pub up: f64,
    /// Rate to the device, in bytes a second.
    pub down: f64,
    /// Rule by which messages are billed.
    pub billing: Billing,
}

/// The costs of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Number of tokens of the reply.
    pub tokens: usize,
    /// Time from the question to the last token, in seconds.
    pub seconds: f64,
    /// Number of passes of the target.
    pub passes: usize,
    /// Number of requests to the verifier.
    pub requests: usize,
    /// Number of drafted tokens.
    pub drafted: usize,
    /// Number of bytes to the verifier, with all headers.
    pub up: u64,
    /// Number of bytes to the device, with all headers.
    pub down: u64,
    /// Number of bytes of the bodies of requests.
    pub body_up: u64,
    /// Number of bytes of the bodies of answers.
    pub body_down: u64,
}

impl Link {
    /// Counts a request whose body has `body` bytes; returns the seconds that it is under way.
    pub(super) fn request(&self, body: usize, written: &mut Written) -> f64 {
        let bytes = self.billing.request(body as u64);
        written.requests += 1;
        written.up += bytes;
        written.body_up += body as u64;
        self.round_trip / 2.0 + bytes as f64 / self.up
    }

    /// Counts an answer whose body has `body` bytes; returns the seconds that it is under way.
    pub(super) fn answer(&self, body: usize, written: &mut Written) -> f64 {
        let bytes = self.billing.answer(body as u64);
        written.down += bytes;
        written.body_down += body as u64;
        self.round_trip / 2.0 + bytes as f64 / self.down
    }
}

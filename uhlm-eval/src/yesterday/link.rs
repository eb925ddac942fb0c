//! What messages weigh and how long they are under way, and the counts of a reply.

use crate::billing::Billing;

/// The link, as far as a steady one goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Round trip without the messages' own length, seconds.
    pub round_trip: f64,
    /// Rate to the verifier, bytes a second.
    pub up: f64,
    /// Rate to the device, bytes a second.
    pub down: f64,
    /// What a message weighs.
    pub billing: Billing,
}

/// What a reply took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Tokens of the reply.
    pub tokens: usize,
    /// Seconds from the question to the last token.
    pub seconds: f64,
    /// Passes of the target.
    pub passes: usize,
    /// Requests to the verifier.
    pub requests: usize,
    /// Tokens drafted.
    pub drafted: usize,
    /// Bytes to the verifier, headers and all.
    pub up: u64,
    /// Bytes to the device, headers and all.
    pub down: u64,
    /// Bytes of the bodies of requests.
    pub body_up: u64,
    /// Bytes of the bodies of answers.
    pub body_down: u64,
}

impl Link {
    /// Counts a request with this body; returns the seconds that it is under way.
    pub(super) fn request(&self, body: usize, written: &mut Written) -> f64 {
        let bytes = self.billing.request(body as u64);
        written.requests += 1;
        written.up += bytes;
        written.body_up += body as u64;
        self.round_trip / 2.0 + bytes as f64 / self.up
    }

    /// The same for an answer.
    pub(super) fn answer(&self, body: usize, written: &mut Written) -> f64 {
        let bytes = self.billing.answer(body as u64);
        written.down += bytes;
        written.body_down += body as u64;
        self.round_trip / 2.0 + bytes as f64 / self.down
    }
}

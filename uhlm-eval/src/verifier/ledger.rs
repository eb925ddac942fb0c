//! Counts what a method costs on the link and on the target.

use serde::{Deserialize, Serialize};

/// The costs of a method on the link and on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Number of bytes to the verifier, with all headers.
    pub up: u64,
    /// Number of bytes to the device, with all headers.
    pub down: u64,
    /// Number of messages to the verifier.
    pub messages: u64,
    /// Number of forward passes of the target.
    pub passes: u64,
    /// Number of tokens in those passes.
    pub processed: u64,
}

impl Ledger {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.messages += other.messages;
        self.passes += other.passes;
        self.processed += other.processed;
    }
}

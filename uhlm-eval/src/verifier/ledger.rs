//! What a method costs on the link and on the target.

use serde::{Deserialize, Serialize};

/// What a method cost on the link and on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Bytes to the verifier, headers and all.
    pub up: u64,
    /// Bytes to the device.
    pub down: u64,
    /// Messages to the verifier.
    pub messages: u64,
    /// Forward passes of the target.
    pub passes: u64,
    /// Tokens in those passes.
    pub processed: u64,
}

impl Ledger {
    /// Adds another one's counts.
    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.messages += other.messages;
        self.passes += other.passes;
        self.processed += other.processed;
    }
}

//! A device's knowledge of one verifier session.
//!
//! Decides what counts as known and what is only assumed. Leaves to [`Conversation`](super::Conversation) what is sent.
//!
//! A verifier's text changes by passes, which append, and by ids that the device gives, all of which are committed
//! ones. So where the two agreed once, they agree for as long as the session and the generation last.

use super::tokens::{PrefixHash, Tokens};

/// A device's knowledge of one verifier session: its own, or that of another replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Number of sessions that this one came after.
    pub(super) session: u32,
    /// Whether the session knows how the generation begins, if everything sent has arrived.
    pub(super) begun: bool,
    /// Whether the session is known to know how the generation begins.
    pub(super) known_begun: bool,
    /// Number of committed tokens that the session's text is known to begin with.
    pub(super) agreed: usize,
    /// Number of committed tokens that the session's text begins with, if everything sent has arrived.
    pub(super) assumed: usize,
    /// Number of tokens up to the end of the last drafted one that was sent, and the hash of these tokens.
    pub(super) sent: Option<(usize, PrefixHash)>,
    /// Number of the last request.
    pub(super) last_seq: Option<u32>,
    /// Number of the first request whose answer tells something about what the session holds now.
    pub(super) since: u32,
}

impl Peer {
    /// Makes the knowledge of a session that was just opened: it holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of committed tokens that the session holds, if everything sent has arrived.
    #[must_use]
    pub fn assumed(&self) -> usize {
        self.assumed
    }

    /// Takes note that another session was opened instead.
    pub fn reopened(&mut self) {
        *self = Self { session: self.session.wrapping_add(1), ..Self::default() };
    }

    /// Takes note that the device's tokens are others from index `kept` on, and that a generation begins.
    pub(super) fn renew(&mut self, kept: usize) {
        self.begun = false;
        self.known_begun = false;
        self.agreed = self.agreed.min(kept);
        self.assumed = self.assumed.min(kept);
        self.sent = None;
        self.last_seq = None;
        self.since = 0;
    }

    /// Assumes no longer that what was sent has arrived. Only answers to requests from number `since` on count from
    /// here.
    pub(super) fn forget(&mut self, since: u32) {
        self.begun = self.known_begun;
        self.assumed = self.agreed;
        self.sent = None;
        self.since = since;
    }

    /// Takes note that the device's text goes on otherwise from index `at` on. Only answers to requests from number
    /// `since` on say anything about what the session holds then.
    pub(super) fn overruled(&mut self, at: usize, since: u32) {
        self.agreed = self.agreed.min(at);
        self.assumed = self.assumed.min(at);
        self.sent = None;
        self.since = since;
    }

    /// Takes note that the first `len` committed tokens are those of the session's text.
    pub(super) fn agree(&mut self, len: usize) {
        self.agreed = self.agreed.max(len);
        self.assumed = self.assumed.max(self.agreed);
    }

    /// Returns the number of tokens up to which the branch was sent, at least `committed`. A branch that was drafted
    /// anew since then was not sent.
    pub(super) fn sent(&self, tokens: &Tokens, committed: usize) -> usize {
        let sent = self.sent.filter(|(end, hash)| tokens.hash_of(*end) == Some(*hash));
        sent.map_or(committed, |(end, _)| end.max(committed))
    }
}

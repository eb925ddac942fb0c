//! The counters as numbers.

/// The counters at one moment, for tests and benchmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sessions open now.
    pub sessions_open: u64,
    /// Sessions opened since the start.
    pub sessions_opened: u64,
    /// Sessions evicted because room was needed for new ones.
    pub sessions_evicted: u64,
    /// Sessions closed because nothing came from them for too long.
    pub sessions_expired: u64,
    /// Number of times that a session's cache was given to another session; its tokens were kept.
    pub sessions_unloaded: u64,
    /// Engine sequences in use now.
    pub slots_used: u64,
    /// Tokens in the engine's cache now.
    pub cached_tokens: u64,
    /// Requests whose answer is not complete now.
    pub requests_waiting: u64,
    /// Requests whose client went away before the answer was complete.
    pub requests_abandoned: u64,
    /// Passes of sessions that judged drafted tokens.
    pub judged_passes: u64,
    /// Passes of sessions that wrote a token without a draft.
    pub self_made_passes: u64,
    /// Passes of sessions that decoded given tokens only.
    pub fill_passes: u64,
    /// Drafted tokens judged.
    pub judged_tokens: u64,
    /// Drafted tokens that were the target's own.
    pub matched_tokens: u64,
    /// Frames sent.
    pub frames: u64,
    /// Passes of the engine, each for any number of sessions.
    pub passes: u64,
    /// Tokens that went through the target.
    pub decoded_tokens: u64,
    /// Tokens that did not, because another session's cache held them.
    pub shared_tokens: u64,
    /// Size of all request bodies, in bytes.
    pub body_bytes_in: u64,
    /// Size of all response bodies, in bytes.
    pub body_bytes_out: u64,
    /// Bytes read from the network, below TLS.
    pub wire_bytes_in: u64,
    /// Bytes written to the network, below TLS.
    pub wire_bytes_out: u64,
    /// Connections open now.
    pub connections: u64,
}

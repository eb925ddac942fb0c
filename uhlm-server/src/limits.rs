//! Limits of what one client may ask and of what the server takes on.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uhlm_law::advance::{MAX_BODY_BYTES, MAX_DRAFT, PROGRESS_SECONDS};

use crate::error::ServerError;
use crate::owner::Owner;

/// Limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of sessions open at the same time. At one more, the opener's own session that was idle longest is
    /// evicted, or else anybody's.
    pub sessions: usize,
    /// Time after its last use in which a session is neither evicted, nor unloaded for an owner that has its share: at
    /// one session more than there may be, its opener is answered with 429.
    pub keep: Duration,
    /// Limits of each single owner.
    pub owner: OwnerLimits,
    /// Largest length of one session's sequence, in tokens; 0 for what model and cache allow.
    pub context: u32,
    /// Largest size of a request body, in bytes; at most [`MAX_BODY_BYTES`].
    pub body: usize,
    /// Largest number of drafted tokens that one pass judges, 1 to [`MAX_DRAFT`]; the rest of a longer draft is judged
    /// by the passes after it.
    pub draft: usize,
    /// Largest number of requests whose answer is not complete; one more is answered with 503.
    pub queue: usize,
    /// Largest size of all request bodies that are read or wait to be looked at, in bytes; with more, a request is
    /// answered with 503.
    pub bytes: usize,
    /// Longest time of a pass of the target while more than one owner is at work, as far as the engine is able to keep
    /// it.
    pub pass_target: Duration,
    /// Largest number of requests per second of one client (bearer token, or IP address without tokens); 0 for no
    /// limit.
    pub rate: u32,
    /// Largest number of requests that a client may save up for a burst; 0 for the rate itself.
    pub burst: u32,
    /// Largest number of open connections; further ones wait in the system's backlog.
    pub connections: usize,
    /// Time after which a session is closed if nothing came from it.
    pub session_idle: Duration,
    /// Time after which a connection without a request under way is closed, whatever else crosses it.
    pub connection_idle: Duration,
    /// Time after which a connection, counted from when it was accepted, is closed if it has had no complete request.
    pub first_request: Duration,
    /// Largest number of connections of one address (for IPv6, of a /64) that have not shown yet that they may ask for
    /// anything; one more is closed at once. Phones share addresses: those that have shown it are not counted.
    pub strangers: usize,
    /// Longest time that a session's pass waits for its decode, while passes without room for it are made, before its
    /// request is refused with 503.
    pub queue_wait: Duration,
    /// Longest silence of an answer before it reports how far the target is, and longest time that a client waits for
    /// its session to be opened; at most [`PROGRESS_SECONDS`], which devices rely on.
    pub progress: Duration,
    /// Longest time that the target may be at one pass before answers no longer say that it is alive.
    pub stall: Duration,
    /// Longest time that a client may take for the headers of a request, and for its body; the TLS handshake may take
    /// as long as `first_request`.
    pub read_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            keep: Duration::from_secs(30),
            owner: OwnerLimits::default(),
            context: 0,
            body: MAX_BODY_BYTES,
            draft: MAX_DRAFT,
            queue: 1024,
            bytes: 256 << 20,
            pass_target: Duration::from_millis(100),
            rate: 0,
            burst: 0,
            connections: 4096,
            session_idle: Duration::from_secs(30 * 60),
            connection_idle: Duration::from_secs(90),
            first_request: Duration::from_secs(15),
            strangers: 64,
            queue_wait: Duration::from_secs(20),
            progress: Duration::from_secs(PROGRESS_SECONDS),
            stall: Duration::from_secs(60),
            read_wait: Duration::from_secs(20),
        }
    }
}

/// Limits of one owner (bearer token, one device of those that share a token, or IP address without tokens); 0 for no
/// other limit than that of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerLimits {
    /// Largest number of sessions open at the same time.
    pub sessions: usize,
    /// Largest number of sequences of the engine. An owner that has more than its share of them gives some back when
    /// others need them, whatever the limit.
    pub slots: usize,
    /// Largest number of tokens in the engine's cache; an owner gives some back just as with `slots`.
    pub cache: usize,
    /// Largest number of requests whose answer is not complete; one more is answered with 429.
    pub queue: usize,
    /// Largest size of all request bodies that are read or wait to be looked at, in bytes; with more, a request is
    /// answered with 429.
    pub bytes: usize,
}

impl Default for OwnerLimits {
    fn default() -> Self {
        Self { sessions: 256, slots: 0, cache: 0, queue: 256, bytes: 64 << 20 }
    }
}

/// Returns the part of `all` that a limit leaves.
fn part(limit: usize, all: usize) -> usize {
    if limit == 0 { all } else { limit.min(all) }
}

impl OwnerLimits {
    pub(crate) fn sessions_of(&self, all: usize) -> usize {
        part(self.sessions, all)
    }

    pub(crate) fn slots_of(&self, all: usize) -> usize {
        part(self.slots, all)
    }

    pub(crate) fn cache_of(&self, all: usize) -> usize {
        part(self.cache, all)
    }

    pub(crate) fn queue_of(&self, all: usize) -> usize {
        part(self.queue, all)
    }

    pub(crate) fn bytes_of(&self, all: usize) -> usize {
        part(self.bytes, all)
    }
}

impl Limits {
    /// Refuses limits with which nothing would work.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let refuse = |reason: String| Err(ServerError::Config(reason));
        if [self.sessions, self.queue, self.connections, self.strangers, self.draft].contains(&0) {
            return refuse("limits of 0 sessions, requests, connections or drafted tokens let nothing through".into());
        }
        if self.draft > MAX_DRAFT {
            return refuse(format!("drafts of {} tokens; the protocol allows {MAX_DRAFT}", self.draft));
        }
        if self.progress.is_zero() || self.progress > Duration::from_secs(PROGRESS_SECONDS) {
            return refuse(format!("progress every {:?}; the protocol wants it every second", self.progress));
        }
        if self.body > MAX_BODY_BYTES {
            return refuse(format!("bodies of {} bytes; the protocol allows {MAX_BODY_BYTES}", self.body));
        }
        if self.owner.bytes_of(self.bytes) < self.body {
            return refuse(format!("bodies of {} bytes, for which there is no room in flight", self.body));
        }
        Ok(())
    }
}

/// Token buckets for the rate of requests, one per owner.
#[derive(Debug)]
pub(crate) struct RateLimit {
    buckets: Option<DefaultKeyedRateLimiter<Owner>>,
    checks: AtomicU32,
}

/// Number of requests after which buckets that are full again are forgotten, each time anew.
const SWEEP_EVERY: u32 = 4096;

impl RateLimit {
    pub(crate) fn new(limits: &Limits) -> Self {
        let buckets = NonZeroU32::new(limits.rate).map(|rate| {
            let burst = NonZeroU32::new(limits.burst).unwrap_or(rate);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self { buckets, checks: AtomicU32::new(0) }
    }

    /// Counts a request; returns as `Err` the time that the client should wait, if it asks too often.
    pub(crate) fn check(&self, owner: Owner) -> Result<(), Duration> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
        buckets.check_key(&owner).map_err(|denied| denied.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_slowed_down_alone_and_told_how_long_to_wait() {
        let limit = RateLimit::new(&Limits { rate: 1, burst: 2, ..Limits::default() });
        let (a, b) = (Owner::of_token([1; 32]), Owner::of_token([2; 32]));
        assert!(limit.check(a).is_ok() && limit.check(a).is_ok());
        let wait = limit.check(a).expect_err("the third within a second");
        assert!(wait <= Duration::from_secs(1));
        assert!(limit.check(b).is_ok());
    }

    #[test]
    fn limits_that_contradict_the_protocol_are_refused() {
        assert!(Limits::default().check().is_ok());
        assert!(Limits { draft: MAX_DRAFT + 1, ..Limits::default() }.check().is_err());
        assert!(Limits { draft: 0, ..Limits::default() }.check().is_err());
        assert!(Limits { body: MAX_BODY_BYTES + 1, ..Limits::default() }.check().is_err());
        assert!(Limits { sessions: 0, ..Limits::default() }.check().is_err());
        assert!(Limits { bytes: 1000, ..Limits::default() }.check().is_err());
        assert!(Limits { progress: Duration::from_secs(2), ..Limits::default() }.check().is_err());
        assert!(Limits { progress: Duration::ZERO, ..Limits::default() }.check().is_err());
    }
}

//! What one client may ask and what the server takes on at most.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uhlm_law::advance::{MAX_BODY_BYTES, MAX_DRAFT, PROGRESS_SECONDS};
use uhlm_law::protocol::Digest;

use crate::auth::Owner;
use crate::error::ServerError;

/// Limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions open at the same time. At one more, the one that was idle longest is evicted.
    pub sessions: usize,
    /// The longest sequence of one session, in tokens; 0 for what model and cache allow.
    pub context: u32,
    /// The largest request body, in bytes; at most [`MAX_BODY_BYTES`].
    pub body: usize,
    /// The most drafted tokens that one pass judges, 1 to [`MAX_DRAFT`]; the rest of a longer draft is judged by the
    /// passes after it.
    pub draft: usize,
    /// Requests whose answer is not complete; one more is answered with 503.
    pub queue: usize,
    /// Requests a second of one client (bearer token, or IP address without tokens); 0 for no limit.
    pub rate: u32,
    /// Requests that a client may save up for a burst; 0 for the rate itself.
    pub burst: u32,
    /// Open connections; further ones wait in the system's backlog.
    pub connections: usize,
    /// A session is closed when nothing came from it for this long.
    pub session_idle: Duration,
    /// A connection is closed when nothing crossed it for this long.
    pub connection_idle: Duration,
    /// How long a session's pass waits for its decode, while passes without room for it are made, before its request is
    /// refused with 503.
    pub queue_wait: Duration,
    /// How long an answer says nothing before it says how far the target is, and how long a client waits for its
    /// session to be opened; at most [`PROGRESS_SECONDS`], which devices rely on.
    pub progress: Duration,
    /// How long the target may be at one pass before answers no longer say that it is alive.
    pub stall: Duration,
    /// How long a client may take for the TLS handshake, the headers of a request, and its body.
    pub read_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            context: 0,
            body: MAX_BODY_BYTES,
            draft: MAX_DRAFT,
            queue: 1024,
            rate: 0,
            burst: 0,
            connections: 4096,
            session_idle: Duration::from_secs(30 * 60),
            connection_idle: Duration::from_secs(10 * 60),
            queue_wait: Duration::from_secs(20),
            progress: Duration::from_secs(PROGRESS_SECONDS),
            stall: Duration::from_secs(60),
            read_wait: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Refuses limits with which nothing would work.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let refuse = |reason: String| Err(ServerError::Config(reason));
        if self.sessions == 0 || self.queue == 0 || self.connections == 0 || self.draft == 0 {
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
        Ok(())
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Token(Digest),
    Address(IpAddr),
}

/// Token buckets, one a client.
#[derive(Debug)]
pub(crate) struct RateLimit {
    buckets: Option<DefaultKeyedRateLimiter<Client>>,
    checks: AtomicU32,
}

/// Buckets that are full again are forgotten once in so many requests.
const SWEEP_EVERY: u32 = 4096;

impl RateLimit {
    pub(crate) fn new(limits: &Limits) -> Self {
        let buckets = NonZeroU32::new(limits.rate).map(|rate| {
            let burst = NonZeroU32::new(limits.burst).unwrap_or(rate);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self { buckets, checks: AtomicU32::new(0) }
    }

    /// Counts a request; `Err` says how long the client should wait.
    pub(crate) fn check(&self, owner: Owner, address: IpAddr) -> Result<(), Duration> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
        let client = owner.map_or_else(|| Client::Address(network(address)), Client::Token);
        buckets.check_key(&client).map_err(|denied| denied.wait_time_from(DefaultClock::default().now()))
    }
}

/// The address, or for IPv6 its /64: one subscriber has all of that.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_slowed_down_alone_and_told_how_long_to_wait() {
        let limit = RateLimit::new(&Limits { rate: 1, burst: 2, ..Limits::default() });
        let a: IpAddr = "192.0.2.1".parse().expect("address");
        assert!(limit.check(None, a).is_ok() && limit.check(None, a).is_ok());
        let wait = limit.check(None, a).expect_err("the third within a second");
        assert!(wait <= Duration::from_secs(1));
        assert!(limit.check(None, "192.0.2.2".parse().expect("address")).is_ok());
        assert!(limit.check(Some(Digest([1; 32])), a).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_subscriber_are_one_client() {
        let of = |text: &str| network(text.parse().expect("address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn limits_that_contradict_the_protocol_are_refused() {
        assert!(Limits::default().check().is_ok());
        assert!(Limits { draft: MAX_DRAFT + 1, ..Limits::default() }.check().is_err());
        assert!(Limits { draft: 0, ..Limits::default() }.check().is_err());
        assert!(Limits { body: MAX_BODY_BYTES + 1, ..Limits::default() }.check().is_err());
        assert!(Limits { sessions: 0, ..Limits::default() }.check().is_err());
        assert!(Limits { progress: Duration::from_secs(2), ..Limits::default() }.check().is_err());
        assert!(Limits { progress: Duration::ZERO, ..Limits::default() }.check().is_err());
    }
}

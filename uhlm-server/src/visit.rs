//! The state of one connection while it lasts: whether it has shown that it may ask, which requests are under way, and
//! until when it may stay.
//!
//! Decides when a connection has to end. A PING, or bytes of a request that does not come to its end, are no reason to
//! keep one.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::owner::pool::Held;

/// Longest time that a connection may be silent although a request is under way on it: the answer to that says
/// something once a second, so nobody hears it any more.
const SILENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
struct State {
    /// The place among the strangers of its address, until it has shown that it may ask.
    stranger: Option<Held>,
    /// Number of requests under way.
    open: usize,
    /// Whether at least one request has come whole.
    is_served: bool,
    /// Time at which the last request ended, or the connection began.
    rest: Instant,
}

/// A handle to the state of one connection, shared by its task and the requests on it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Address of the other end.
    pub(crate) peer: IpAddr,
    began: Instant,
    state: Arc<Mutex<State>>,
}

impl Visit {
    /// Begins a visit. `stranger` is given back when it has shown that it may ask.
    pub(crate) fn new(peer: IpAddr, stranger: Option<Held>, now: Instant) -> Self {
        let state = State { stranger, open: 0, is_served: false, rest: now };
        Self { peer, began: now, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a number that no other visit has while this one lasts.
    pub(crate) fn number(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    /// Takes note that a request was let in.
    pub(crate) fn admitted(&self) {
        let stranger = self.state().stranger.take();
        drop(stranger);
    }

    /// Takes note that the headers of a request have come; it is under way until what is returned is dropped.
    pub(crate) fn request(&self) -> UnderWay {
        self.state().open += 1;
        UnderWay(self.clone())
    }

    /// Returns the time at which the connection has to end if nothing else happens, where its last byte crossed
    /// `silence` ago.
    pub(crate) fn end(&self, limits: &Limits, silence: Duration, now: Instant) -> Instant {
        let state = self.state();
        let idle = match state.open {
            0 => state.rest + limits.connection_idle,
            _ => now + SILENCE.saturating_sub(silence),
        };
        if state.is_served { idle } else { idle.min(self.began + limits.first_request) }
    }
}

/// A request that is under way on a connection.
#[derive(Debug)]
pub(crate) struct UnderWay(Visit);

impl UnderWay {
    /// Takes note that the request has come whole: its answer begins.
    pub(crate) fn is_complete(&self) {
        self.0.state().is_served = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        state.rest = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Owner;
    use crate::owner::pool::Pool;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn after(visit: &Visit, limits: &Limits, silence: u64) -> Duration {
        visit.end(limits, Duration::from_secs(silence), visit.began).duration_since(visit.began)
    }

    #[test]
    fn a_connection_stays_only_for_requests_that_come_whole() {
        let (limits, visit) = (Limits::default(), Visit::new(PEER, None, Instant::now()));
        assert_eq!(after(&visit, &limits, 0), limits.first_request);
        let dripping = visit.request();
        assert_eq!(after(&visit, &limits, 0), limits.first_request, "one that drips");
        dripping.is_complete();
        assert_eq!(after(&visit, &limits, 1), SILENCE - Duration::from_secs(1), "its answer is under way");
        drop(dripping);
        let rest = after(&visit, &limits, 0);
        assert!(rest >= limits.connection_idle && rest < limits.connection_idle + Duration::from_secs(5), "{rest:?}");
    }

    #[test]
    fn who_was_let_in_is_no_stranger_any_more() {
        let (pool, owner) = (Pool::new(usize::MAX, 1), Owner::of_address(PEER));
        let visit = Visit::new(PEER, pool.take(owner, 1).ok(), Instant::now());
        assert!(pool.take(owner, 1).is_err());
        visit.admitted();
        assert!(pool.take(owner, 1).is_ok());
    }
}

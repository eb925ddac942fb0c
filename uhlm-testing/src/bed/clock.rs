//! The clock of a bed, and with it the order in which its two threads go on.
//!
//! The session's thread moves the time while it generates. It begins when it is let go, so that everything that is to
//! happen during a generation is arranged before; and whoever runs the history goes on when it rests.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::clock::{Clock, VirtualClock};

/// Number of looks at the clock within one generation after which it counts as one that never ends.
const MAX_LOOKS: u64 = 1_000_000;
/// Real time after which a thread that does not come to rest counts as gone.
const GONE: Duration = Duration::from_secs(60);

/// A clock of virtual time for one session.
#[derive(Debug, Default)]
pub struct BedClock {
    time: VirtualClock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the session's thread waits before it begins a generation.
    is_held: bool,
    /// Whether deliveries are no longer taken.
    is_stopped: bool,
    /// Number of times that the session's thread has come to rest.
    rests: u64,
    /// Number of looks at the clock since [`BedClock::hold`].
    looks: u64,
    /// Longest time that the device computed at a stretch.
    longest: Duration,
}

impl BedClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the clock was made.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time.time()
    }

    /// Runs `delivery` after `delay`, unless the clock was stopped.
    pub fn after(&self, delay: Duration, delivery: impl FnOnce() + Send + 'static) {
        if !self.state().is_stopped {
            self.time.at(self.time().saturating_add(delay), delivery);
        }
    }

    /// Charges `span` as time in which the device computes.
    pub(super) fn compute(&self, span: Duration) {
        {
            let mut state = self.state();
            state.longest = state.longest.max(span);
        }
        self.time.advance(span);
    }

    /// Returns the longest time that the device computed at a stretch.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.state().longest
    }

    /// Keeps the session's thread from beginning a generation until [`Self::release`].
    pub(super) fn hold(&self) {
        let mut state = self.state();
        state.is_held = true;
        state.looks = 0;
    }

    /// Lets the session's thread begin its generation.
    pub(super) fn release(&self) {
        self.state().is_held = false;
        self.changed.notify_all();
    }

    /// Returns how often the session's thread has come to rest.
    pub(super) fn rests(&self) -> u64 {
        self.state().rests
    }

    /// Waits until the session's thread has come to rest more than `before` times; returns whether it did.
    pub(super) fn wait_for_rest(&self, before: u64) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, GONE, |state| state.rests <= before);
        waited.is_ok_and(|(state, _)| state.rests > before)
    }

    /// Runs the next delivery that is due by `end`; returns whether there was one. It may be called only while the
    /// session's thread rests.
    pub(super) fn deliver_next(&self, end: Duration) -> bool {
        self.time.deliver_next(end)
    }

    /// Moves the clock to `end`, and runs the deliveries that are due by then.
    pub(super) fn pass_until(&self, end: Duration) {
        self.time.pass_until(end);
    }

    /// Stops taking deliveries, and forgets those that wait: they own what owns this clock.
    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.time.clear();
    }
}

impl Clock for BedClock {
    fn now(&self) -> Instant {
        let mut state = self.state();
        state.looks += 1;
        assert!(state.looks < MAX_LOOKS, "a generation does not end");
        drop(self.changed.wait_while(state, |state| state.is_held).unwrap_or_else(PoisonError::into_inner));
        self.time.now()
    }

    fn idle(&self, patience: Duration) -> Duration {
        self.time.idle(patience)
    }

    fn rest(&self) {
        self.state().rests += 1;
        self.changed.notify_all();
    }
}

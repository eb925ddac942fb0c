//! Virtual time: a session's clock that moves only when something is charged to it or awaited.
//!
//! While a generation runs, the session's thread is the only one that moves it. The time that the draft model takes is
//! charged with [`VirtualClock::advance`]; an answer of the verifier is a delivery at a later time
//! ([`VirtualClock::at`]). When the session has nothing to do, the clock jumps to the next delivery. So a run takes no
//! longer than its models do, and two runs with one seed agree to the nanosecond.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Clock;

type Delivery = Box<dyn FnOnce() + Send>;

/// A clock that stands still unless it is moved.
pub struct VirtualClock {
    /// The instant from which [`Clock::now`] counts; no figure depends on it.
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: Duration,
    /// The deliveries to come, by their time since the clock was made, then in the order in which they were made.
    deliveries: BTreeMap<(Duration, u64), Delivery>,
    /// Number of deliveries made so far, which orders those of one time.
    made: u64,
    /// Time charged with [`VirtualClock::advance`] so far.
    charged: Duration,
}

impl std::fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualClock").field("time", &self.time()).finish_non_exhaustive()
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self { origin: Instant::now(), state: Mutex::default() }
    }
}

impl VirtualClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the clock was made.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.state().now
    }

    /// Returns the time that was charged with [`Self::advance`] so far: how long the device computed.
    #[must_use]
    pub fn charged(&self) -> Duration {
        self.state().charged
    }

    /// Moves the clock to `time`, if that is later. Deliveries that were due by then stay where they are.
    fn reach(&self, time: Duration) {
        let mut state = self.state();
        state.now = state.now.max(time);
    }

    /// Lets the time until `end` pass without charging it, and runs the deliveries that are due meanwhile.
    pub fn pass_until(&self, end: Duration) {
        while self.deliver_next(end) {}
        self.reach(end);
    }

    /// Forgets every delivery that has not run yet.
    pub fn clear(&self) {
        let forgotten = std::mem::take(&mut self.state().deliveries);
        // Dropping a delivery may drop what makes another one.
        drop(forgotten);
    }

    /// Runs `delivery` when the clock reaches `time`.
    pub fn at(&self, time: Duration, delivery: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        let key = (time.max(state.now), state.made);
        state.made += 1;
        state.deliveries.insert(key, Box::new(delivery));
    }

    /// Charges `span` as time in which the device computes, and runs the deliveries that are due meanwhile.
    pub fn advance(&self, span: Duration) {
        let end = self.time() + span;
        self.pass_until(end);
        self.state().charged += span;
    }

    /// Moves the clock to the next delivery that is due by `end` and runs it; returns whether there was one.
    pub fn deliver_next(&self, end: Duration) -> bool {
        let mut state = self.state();
        let Some(entry) = state.deliveries.first_entry().filter(|entry| entry.key().0 <= end) else { return false };
        let ((time, _), delivery) = entry.remove_entry();
        state.now = time;
        drop(state);
        delivery();
        true
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.origin + self.time()
    }

    fn idle(&self, patience: Duration) -> Duration {
        let end = self.time() + patience;
        if !self.deliver_next(end) {
            self.reach(end);
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn deliveries_come_in_the_order_of_their_time_while_the_device_computes() {
        let clock = Arc::new(VirtualClock::default());
        let (sender, received) = channel();
        for (name, time) in [("late", 9), ("second", 3), ("first", 2), ("third", 3)] {
            let (sender, then) = (sender.clone(), Arc::clone(&clock));
            clock.at(MS * time, move || sender.send((name, then.time())).expect("the receiver is there"));
        }
        clock.advance(MS * 5);
        assert_eq!(received.try_iter().collect::<Vec<_>>(), [("first", MS * 2), ("second", MS * 3), ("third", MS * 3)]);
        assert_eq!((clock.time(), clock.charged()), (MS * 5, MS * 5));
    }

    #[test]
    fn an_idle_session_jumps_to_the_next_delivery_and_no_further_than_its_patience() {
        let clock = VirtualClock::default();
        clock.at(MS * 70, || {});
        assert_eq!(clock.idle(MS * 50), Duration::ZERO);
        assert_eq!(clock.time(), MS * 50);
        clock.idle(MS * 50);
        assert_eq!((clock.time(), clock.charged()), (MS * 70, Duration::ZERO));
    }
}

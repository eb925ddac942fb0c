//! A session's time: real or virtual.
//!
//! Decides nothing. The loop of a session asks a [`Clock`] what time it is and lets it know when there is nothing to
//! do, so that the same loop runs in real time on a phone and in virtual time in an evaluation, where a minute of
//! waiting for a slow link passes at once and every run gives the same figures.

mod virtual_time;

use std::time::{Duration, Instant};

pub use self::virtual_time::VirtualClock;

/// The source of a session's time, which also decides how time passes while the session's thread waits.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Instant;

    /// Takes note that the session's thread has nothing to do until a message arrives, for at most `patience`. Returns
    /// how long it must really wait: all of `patience` where time passes by itself, zero where the clock has moved on
    /// to the next event.
    fn idle(&self, patience: Duration) -> Duration;

    /// Takes note that the session's thread, between generations, has done everything that it was told and sleeps until
    /// it is told more. A simulation that goes on only then meets the same session each time.
    fn rest(&self) {}
}

/// The clock of the operating system: real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn idle(&self, patience: Duration) -> Duration {
        patience
    }
}

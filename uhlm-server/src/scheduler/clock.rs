//! The scheduler's clock: the system's, or in tests one that the engine's double moves.

use std::time::Instant;

#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(test)]
use std::time::Duration;

/// The clock from which the scheduler reads the time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The system's monotonic clock.
    System,
    /// A clock that moves only when it is read or moved on.
    #[cfg(test)]
    Virtual(Arc<VirtualClock>),
}

impl Clock {
    /// Returns the time.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            #[cfg(test)]
            Self::Virtual(clock) => clock.now(),
        }
    }
}

/// A clock that each reading moves by a fixed step, so that work between two readings costs time here too.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct VirtualClock {
    start: Instant,
    /// Time since the start, in nanoseconds.
    elapsed: AtomicU64,
    /// Time by which each reading moves the clock, in nanoseconds.
    step: u64,
}

#[cfg(test)]
impl VirtualClock {
    pub(crate) fn new(step: Duration) -> Arc<Self> {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self { start: Instant::now(), elapsed: AtomicU64::new(0), step })
    }

    /// Returns the time since the start and leaves the clock as it is.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::Relaxed))
    }

    /// Returns the moment that lies `elapsed` after the start.
    pub(crate) fn at(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.elapsed.fetch_add(by, Ordering::Relaxed);
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.elapsed.fetch_add(self.step, Ordering::Relaxed) + self.step)
    }
}

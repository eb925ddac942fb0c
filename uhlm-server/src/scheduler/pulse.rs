//! Shows the answers' tasks, while the scheduler's thread is at a pass, that the thread lives and how far it is.
//!
//! The thread cannot answer while the engine computes, and a connection that is up says nothing about it. So the thread
//! leaves a trace of itself here, and a task that waits for it tells from that trace whether waiting makes sense.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uhlm_law::advance::Progress;

/// Record of the last sign of life ("beat") of the scheduler's thread.
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    /// Time of the last beat after the start, in milliseconds.
    beat: AtomicU64,
    /// Longest time that the thread may be at one pass of the engine and still be believed alive.
    stall: Duration,
}

impl Pulse {
    /// Makes the pulse of a thread that starts now.
    pub(crate) fn new(stall: Duration) -> Self {
        Self { started: Instant::now(), beat: AtomicU64::new(0), stall }
    }

    /// Takes note that the thread is alive now.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(now, Ordering::Relaxed);
    }

    /// Tells whether the last beat is recent enough for the thread to be believed alive.
    pub(crate) fn is_live(&self) -> bool {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(beat) < self.stall
    }
}

/// Progress of the scheduler with the pass that one answer waits for. Its parts are read one by one: a report is for
/// people and for deadlines, and may mix two moments.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    read: AtomicU32,
    total: AtomicU32,
    ahead: AtomicU32,
}

impl Gauge {
    pub(crate) fn set(&self, progress: Progress) {
        self.read.store(progress.read, Ordering::Relaxed);
        self.total.store(progress.total, Ordering::Relaxed);
        self.ahead.store(progress.ahead, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Progress {
        let of = |part: &AtomicU32| part.load(Ordering::Relaxed);
        Progress { read: of(&self.read), total: of(&self.total), ahead: of(&self.ahead) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_come_round_is_not_believed_alive_for_long() {
        let pulse = Pulse::new(Duration::from_millis(40));
        assert!(pulse.is_live());
        std::thread::sleep(Duration::from_millis(60));
        assert!(!pulse.is_live());
        pulse.beat();
        assert!(pulse.is_live());
    }
}

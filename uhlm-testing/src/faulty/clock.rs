//! Runs things later, on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

type Due = (Instant, Box<dyn FnOnce() + Send>);

/// A handle to the thread, which ends with its last handle.
#[derive(Clone)]
pub(super) struct Clock(Sender<Due>);

impl Clock {
    pub(super) fn start() -> Self {
        let (clock, due) = channel::<Due>();
        std::thread::spawn(move || {
            let mut waiting: Vec<Due> = Vec::new();
            loop {
                let now = Instant::now();
                let ready: Vec<_> = waiting.extract_if(.., |entry| entry.0 <= now).collect();
                ready.into_iter().for_each(|entry| entry.1());
                let next = waiting.iter().map(|entry| entry.0).min();
                let patience = next.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
                match due.recv_timeout(patience) {
                    Ok(entry) => waiting.push(entry),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self(clock)
    }

    /// Runs `what` at `when`; of two with the same delay the first one first.
    pub(super) fn at(&self, when: Instant, what: impl FnOnce() + Send + 'static) {
        drop(self.0.send((when, Box::new(what))));
    }
}

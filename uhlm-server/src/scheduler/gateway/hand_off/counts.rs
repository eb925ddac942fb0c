//! What is counted of a chat service.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_upstream::UpstreamError;

use super::super::seen::Seen;
use super::HandOffError;

/// Time for which a service that could not be reached counts as away. Then it is given another chance.
const AWAY: Duration = Duration::from_secs(10);

/// The counters of a chat service.
#[derive(Debug, Default)]
pub(super) struct Counts {
    replies: AtomicU64,
    failures: AtomicU64,
    under_way: AtomicUsize,
    failed: Mutex<Option<Instant>>,
}

/// A reply that is under way. Dropped without a word, it was given up.
pub(super) struct UnderWay(Arc<Counts>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnderWay {
    /// Takes note of the failure with which the reply has ended, if it has.
    pub(super) fn ended(self, failure: Option<&HandOffError>) {
        let is_away = matches!(
            failure,
            Some(HandOffError::Upstream(error) | HandOffError::BrokenOff(error))
                if matches!(error, UpstreamError::Unreachable | UpstreamError::TimedOut)
        );
        if failure.is_some_and(|failure| *failure != HandOffError::Alone) {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = is_away.then(Instant::now);
    }
}

impl Counts {
    /// Takes note that a reply is asked for.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.replies.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Returns what is to be seen now of the service behind `url`.
    pub(super) fn seen(&self, url: &str) -> Seen {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            url: url.to_owned(),
            is_up: failed.is_none_or(|failed| failed.elapsed() >= AWAY),
            requests: self.replies.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            under_way: self.under_way.load(Ordering::Relaxed),
        }
    }
}

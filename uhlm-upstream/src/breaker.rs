//! When an engine that has failed is asked again.
//!
//! Decides that from failures and successes alone; the clock is an argument. An engine that is not asked is checked
//! first: no request of a session is spent on finding out whether it has recovered.

use std::time::{Duration, Instant};

/// Number of failures in a row after which an engine is not asked any more.
const FAILURES: u32 = 3;
/// Time until the first check.
const FIRST: Duration = Duration::from_millis(250);
/// Longest time between two checks.
const LONGEST: Duration = Duration::from_secs(15);

/// The circuit breaker of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// Requests go through.
    Closed { failures: u32 },
    /// None do, until a check succeeds that is due at `due`.
    Open { due: Instant, checks: u32 },
}

impl Breaker {
    /// Makes the breaker of an engine about which nothing is known: it is checked first.
    pub(crate) fn unknown(now: Instant) -> Self {
        Self::Open { due: now, checks: 0 }
    }

    /// Tells whether the engine may be asked.
    pub(crate) fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Returns the time at which the engine is to be checked; `None` while it is asked.
    pub(crate) fn due(self) -> Option<Instant> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { due, .. } => Some(due),
        }
    }

    /// Takes note of an answer.
    pub(crate) fn succeeded(&mut self) {
        if let Self::Closed { failures } = self {
            *failures = 0;
        }
    }

    /// Takes note of a failure; `is_break` means that nothing is known of the engine any more.
    pub(crate) fn failed(&mut self, is_break: bool, now: Instant) {
        if let Self::Closed { failures } = self {
            *failures += 1;
            if is_break || *failures >= FAILURES {
                // A connection that broke may mean no more than that; the check tells.
                *self = Self::Open { due: if is_break { now } else { now + FIRST }, checks: 0 };
            }
        }
    }

    /// Takes note of a check.
    pub(crate) fn checked(&mut self, is_good: bool, now: Instant) {
        *self = match (is_good, *self) {
            (true, _) => Self::Closed { failures: 0 },
            (false, Self::Closed { .. }) => Self::Open { due: now + FIRST, checks: 1 },
            (false, Self::Open { checks, .. }) => {
                let wait = FIRST.saturating_mul(1 << checks.min(10)).min(LONGEST);
                Self::Open { due: now + wait, checks: checks.saturating_add(1) }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_failures_in_a_row_open_it_and_an_answer_between_them_does_not_count_as_one() {
        let now = Instant::now();
        let mut breaker = Breaker::Closed { failures: 0 };
        for _ in 0..5 {
            breaker.failed(false, now);
            breaker.failed(false, now);
            breaker.succeeded();
        }
        assert!(breaker.is_closed());
        (0..FAILURES).for_each(|_| breaker.failed(false, now));
        assert_eq!(breaker.due(), Some(now + FIRST));
    }

    #[test]
    fn a_break_is_checked_at_once_and_then_more_and_more_rarely() {
        let now = Instant::now();
        let mut breaker = Breaker::Closed { failures: 0 };
        breaker.failed(true, now);
        assert_eq!(breaker.due(), Some(now));
        let mut waits = Vec::new();
        for _ in 0..9 {
            breaker.checked(false, now);
            waits.push(breaker.due().expect("open") - now);
        }
        assert_eq!(waits[0], FIRST);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]) && waits[8] == LONGEST, "{waits:?}");
        breaker.failed(true, now);
        assert_eq!(breaker.due(), Some(now + LONGEST), "a late failure of an old request changes nothing");
        breaker.checked(true, now);
        assert!(breaker.is_closed());
    }
}

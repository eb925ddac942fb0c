//! The slowest pace at which bytes of a file come: a server that sends a byte whenever it would be given up as silent
//! would else keep a download for ever.

use std::time::{Duration, Instant};

/// Number of bytes that come within [`SPAN`] at least: a hundredth of what the slowest mobile networks bring.
const LEAST: u64 = 64 << 10;
/// Time over which the pace is measured; a process that the system had stopped may lose one attempt by it.
const SPAN: Duration = Duration::from_secs(300);

/// The pace of one answer's bytes.
pub(super) struct Pace {
    /// Time since which bytes are counted.
    since: Instant,
    /// Number of bytes that were there then.
    from: u64,
}

impl Pace {
    /// Begins to measure when `received` bytes are there.
    pub(super) fn new(now: Instant, received: u64) -> Self {
        Self { since: now, from: received }
    }

    /// Takes note that `received` bytes are there; returns why the answer is not worth waiting for, if so.
    pub(super) fn note(&mut self, now: Instant, received: u64) -> Result<(), String> {
        let took = now.saturating_duration_since(self.since);
        if took < SPAN {
            return Ok(());
        }
        let brought = received.saturating_sub(self.from);
        *self = Self::new(now, received);
        if brought >= LEAST { Ok(()) } else { Err(format!("only {brought} bytes came in {} s", took.as_secs())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_is_too_slow_and_a_bad_network_is_not() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut drip = Pace::new(began, 1_000_000);
        for seconds in 0..300 {
            assert_eq!(drip.note(at(seconds), 1_000_000 + seconds), Ok(()));
        }
        assert_eq!(drip.note(at(300), 1_000_300), Err("only 300 bytes came in 300 s".into()));
        let mut slow = Pace::new(began, 0);
        for span in 1..100 {
            assert_eq!(slow.note(at(300 * span), LEAST * span), Ok(()));
        }
        assert!(slow.note(at(300 * 100), LEAST * 100 - 1).is_err());
    }
}

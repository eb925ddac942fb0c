//! Waiting for a state that another thread brings about.

use std::time::{Duration, Instant};

/// Time that is longer than anything takes on the slowest machine.
const LONG: Duration = Duration::from_secs(60);

/// Waits until `is` returns `true`.
///
/// # Panics
/// If a minute passes first; the message names `what` is waited for.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < LONG, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

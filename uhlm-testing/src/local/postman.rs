//! Delivers replies, late where a round-trip time is simulated.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

type Delivery = Box<dyn FnOnce() + Send>;

/// Runs replies at once, or on its own thread when they are due.
#[derive(Debug)]
pub(super) struct Postman {
    round_trip: Duration,
    /// `None` without latency.
    post: Option<Sender<(Instant, Delivery)>>,
}

impl Postman {
    /// Starts the thread that holds replies back, unless none is.
    pub(super) fn start(round_trip: Duration) -> std::io::Result<Self> {
        if round_trip.is_zero() {
            return Ok(Self { round_trip, post: None });
        }
        let (post, inbox) = channel();
        std::thread::Builder::new().name("uhlm-local-link".into()).spawn(move || carry(&inbox))?;
        Ok(Self { round_trip, post: Some(post) })
    }

    /// Returns when a reply that is sent now arrives.
    pub(super) fn due(&self) -> Instant {
        Instant::now() + self.round_trip
    }

    /// Runs `delivery` at once without latency, otherwise when it is due.
    pub(super) fn deliver(&self, due: Instant, delivery: Delivery) {
        match &self.post {
            None => delivery(),
            // The other end lives until this one is dropped.
            Some(post) => drop(post.send((due, delivery))),
        }
    }
}

/// Runs deliveries when they are due, those of one instant in their order; ends when the last is delivered and no more
/// can come.
fn carry(inbox: &Receiver<(Instant, Delivery)>) {
    let mut waiting: BTreeMap<(Instant, u64), Delivery> = BTreeMap::new();
    let mut posted = 0;
    let mut open = true;
    loop {
        let now = Instant::now();
        while let Some(next) = waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            next.remove()();
        }
        let received = match waiting.first_key_value() {
            None if !open => return,
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(((due, _), _)) if open => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            Some(((due, _), _)) => {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                continue;
            }
        };
        match received {
            Ok((due, delivery)) => {
                posted += 1;
                waiting.insert((due, posted), delivery);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
    }
}

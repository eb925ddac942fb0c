//! Delivers replies, late where a round-trip time is simulated.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Answer, BodyBytes, Reply, VerifierError};
use uhlm_law::advance::{Body, Encoding};

use super::work::Ticket;

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

    /// Sends an answer on its way; it arrives as [`VerifierError::DeadlineExceeded`] where it would be too late. `up`
    /// is the number of bytes of the request.
    pub(super) fn answer<T: Body + Send + 'static>(
        &self,
        ticket: &Ticket,
        up: u64,
        mut answer: Result<T, VerifierError>,
        reply: Reply<T>,
    ) {
        let now = Instant::now();
        let mut due = self.due();
        if let Some(expires) = ticket.asked.checked_add(ticket.deadline).filter(|at| *at < due) {
            due = expires.max(now);
            answer = Err(VerifierError::DeadlineExceeded { deadline: ticket.deadline });
        }
        let down = answer.as_ref().map_or(0, |value| Encoding::Binary.encode(value).len() as u64);
        let (asked, cancel) = (ticket.asked, ticket.cancel.clone());
        let bytes = BodyBytes { up, down };
        self.deliver(
            due,
            Box::new(move || {
                if !cancel.is_cancelled() {
                    reply(answer.map(|value| Answer { value, bytes, elapsed: asked.elapsed(), attempts: 1 }));
                }
            }),
        );
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

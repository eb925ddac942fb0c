//! Delivers replies, late where a round-trip time is simulated.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde::Serialize;
use uhlm_core::verifier::{Answer, BodyBytes, Reply, VerifierError};
use uhlm_law::protocol::Encoding;

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

    /// Sends an answer on its way; it arrives as [`VerifierError::DeadlineExceeded`] where it would be too late.
    pub(super) fn answer<Q: Serialize, A: Serialize + Send + 'static>(
        &self,
        ticket: &Ticket,
        request: &Q,
        mut answer: Result<A, VerifierError>,
        reply: Reply<A>,
    ) {
        let now = Instant::now();
        let mut due = now + self.round_trip;
        if let Some(expires) = ticket.expires.filter(|at| *at < due) {
            due = expires.max(now);
            answer = Err(VerifierError::DeadlineExceeded { deadline: ticket.deadline });
        }
        let bytes = BodyBytes { up: encoded(request), down: answer.as_ref().map_or(0, encoded) };
        let (asked, cancel) = (ticket.asked, ticket.cancel.clone());
        self.deliver(
            due,
            Box::new(move || {
                if !cancel.is_cancelled() {
                    reply(answer.map(|value| Answer { value, bytes, elapsed: asked.elapsed(), attempts: 1 }));
                }
            }),
        );
    }

    /// Runs `delivery` one round trip from now.
    pub(super) fn later(&self, delivery: Delivery) {
        self.deliver(Instant::now() + self.round_trip, delivery);
    }

    fn deliver(&self, due: Instant, delivery: Delivery) {
        match &self.post {
            None => delivery(),
            // The other end lives until this one is dropped.
            Some(post) => drop(post.send((due, delivery))),
        }
    }
}

/// Bytes of a body in the binary encoding, as they would go over the wire.
pub(super) fn encoded<T: Serialize>(body: &T) -> u64 {
    Encoding::Binary.encode(body).len() as u64
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

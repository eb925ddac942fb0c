//! The answer to one request on its way to the device.
//!
//! Decides what each part costs, and when the device has waited too long for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use uhlm_core::verifier::{Answer, BodyBytes, Part, Reply, VerifierError};
use uhlm_law::advance::Encoding;

use super::postman::Postman;
use super::work::Ticket;

/// An answer that is not complete.
pub(super) struct Stream {
    ticket: Ticket,
    reply: Arc<Mutex<Reply>>,
    /// Bytes of the request, until the first part reports them.
    up: u64,
    /// When the last part arrives at the device; before the first, when the request was made.
    heard: Instant,
}

impl Stream {
    pub(super) fn new(ticket: Ticket, reply: Reply, up: u64) -> Self {
        let heard = ticket.asked;
        Self { ticket, reply: Arc::new(Mutex::new(reply)), up, heard }
    }

    /// Tells whether the device has dropped the call.
    pub(super) fn is_dropped(&self) -> bool {
        self.ticket.cancel.is_cancelled()
    }

    /// When the device gives up, unless a part arrives before; `None` where the clock cannot say it.
    fn expires(&self) -> Option<Instant> {
        self.heard.checked_add(self.ticket.deadline)
    }

    /// Tells whether the device has given up by `now`.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires().is_some_and(|at| at <= now)
    }

    /// Sends a part on its way, or the failure that ends the answer; returns whether it goes on. What would come too
    /// late is a missed deadline when that is due.
    pub(super) fn send(&mut self, postman: &Postman, part: Result<Part, VerifierError>) -> bool {
        let due = postman.due();
        if self.is_expired(due) {
            self.miss(postman);
            return false;
        }
        self.heard = due;
        let goes_on = part.as_ref().is_ok_and(|part| !part.is_last());
        let result = part.map(|part| {
            let down = part.body(Encoding::Binary).len() as u64;
            (part, BodyBytes { up: std::mem::take(&mut self.up), down })
        });
        self.deliver(postman, due, result);
        goes_on
    }

    /// Ends the answer with a failure.
    pub(super) fn fail(&self, postman: &Postman, error: VerifierError) {
        self.deliver(postman, postman.due(), Err(error));
    }

    /// Ends the answer because the device has waited too long for the next part.
    pub(super) fn miss(&self, postman: &Postman) {
        let now = Instant::now();
        let due = self.expires().map_or(now, |at| at.max(now));
        self.deliver(postman, due, Err(VerifierError::DeadlineExceeded { deadline: self.ticket.deadline }));
    }

    fn deliver(&self, postman: &Postman, due: Instant, result: Result<(Part, BodyBytes), VerifierError>) {
        let (asked, cancel, reply) = (self.ticket.asked, self.ticket.cancel.clone(), Arc::clone(&self.reply));
        postman.deliver(
            due,
            Box::new(move || {
                if !cancel.is_cancelled() {
                    let elapsed = asked.elapsed();
                    let answer = result.map(|(value, bytes)| Answer { value, bytes, elapsed, attempts: 1 });
                    // A reply that panicked is not called again by this thread, which its panic ended.
                    (*reply.lock().unwrap_or_else(PoisonError::into_inner))(answer);
                }
            }),
        );
    }
}

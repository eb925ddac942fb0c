//! The requests that wait for the scheduler's thread: those of each owner in order, owners in turn.
//!
//! Decides whose request is taken next; a request whose client went away before it was taken leaves no trace. A request
//! that was taken stays listed nowhere; its session is named once when its client goes away later, so that nobody has
//! to look at all sessions for it. The number of requests that wait is bounded by the places in the queue, of which
//! each request holds one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uhlm_law::advance::SessionId;

use super::fair::SessionKey;
use super::job::Command;
use crate::metrics::Metrics;
use crate::owner::Owner;

/// The error that the scheduler's thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Owner, VecDeque<(u64, Command)>>,
    /// Owners with requests waiting, the one whose turn comes first in front.
    turns: VecDeque<Owner>,
    /// Sessions of which a client went away after its request was taken.
    left: BTreeSet<SessionKey>,
    numbers: u64,
    /// Whether something has happened elsewhere that the thread is to look at.
    is_nudged: bool,
    is_stopping: bool,
    is_closed: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.left.is_empty() && !self.is_stopping && !self.is_nudged
    }

    fn remove(&mut self, owner: Owner, number: u64) -> Option<Command> {
        let queue = self.waiting.get_mut(&owner)?;
        // Numbers ascend in a queue.
        let at = queue.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, command) = queue.remove(at)?;
        if queue.is_empty() {
            self.waiting.remove(&owner);
            self.turns.retain(|other| *other != owner);
        }
        Some(command)
    }
}

/// Requests on their way to the scheduler's thread.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    metrics: Arc<Metrics>,
}

impl Inbox {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), arrived: Condvar::new(), metrics })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a request for the thread. Dropping the ticket takes it back or, if it was taken, says that its client
    /// went away from `session`.
    ///
    /// # Errors
    /// [`Closed`], once the thread is gone.
    pub(crate) fn send(
        self: &Arc<Self>,
        owner: Owner,
        session: Option<SessionId>,
        command: Command,
    ) -> Result<Ticket, Closed> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Closed);
        }
        state.numbers += 1;
        let number = state.numbers;
        let queue = state.waiting.entry(owner).or_default();
        queue.push_back((number, command));
        if queue.len() == 1 {
            state.turns.push_back(owner);
        }
        drop(state);
        self.arrived.notify_one();
        Ok(Ticket { inbox: Arc::clone(self), owner, number, session, is_done: false })
    }

    /// Wakes the thread, whatever waits for it.
    pub(super) fn nudge(&self) {
        self.state().is_nudged = true;
        self.arrived.notify_one();
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
        self.arrived.notify_one();
    }

    /// Tells whether the thread is asked to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    /// Closes the inbox to requests and drops those that wait: whoever waits for an answer learns that the thread is
    /// gone.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        state.turns.clear();
        drop(state);
        drop(waiting);
    }

    /// Takes the next request; returns `None` if none waits.
    pub(super) fn take(&self) -> Option<Command> {
        let mut state = self.state();
        let owner = state.turns.pop_front()?;
        let queue = state.waiting.get_mut(&owner)?;
        let (_, command) = queue.pop_front()?;
        if queue.is_empty() {
            state.waiting.remove(&owner);
        } else {
            state.turns.push_back(owner);
        }
        Some(command)
    }

    /// Takes the sessions of which clients went away.
    pub(super) fn take_left(&self) -> BTreeSet<SessionKey> {
        std::mem::take(&mut self.state().left)
    }

    /// Waits until there is something to do, for `patience` at most.
    pub(super) fn wait(&self, patience: Option<Duration>) {
        let state = self.state();
        let mut state = match patience {
            None => self.arrived.wait_while(state, |state| state.is_empty()).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.arrived.wait_timeout_while(state, patience, |state| state.is_empty());
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.is_nudged = false;
    }
}

/// A handle to a request that was left in the inbox, held by the future that waits for its answer.
#[derive(Debug)]
pub(crate) struct Ticket {
    inbox: Arc<Inbox>,
    owner: Owner,
    number: u64,
    session: Option<SessionId>,
    is_done: bool,
}

impl Ticket {
    /// Takes note that the answer is complete.
    pub(crate) fn done(&mut self) {
        self.is_done = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = self.inbox.state();
        let withdrawn = state.remove(self.owner, self.number);
        if withdrawn.is_none()
            && let Some(session) = self.session
            && !state.is_closed
        {
            state.left.insert(session.0);
            self.inbox.arrived.notify_one();
        }
        drop(state);
        if withdrawn.is_some() {
            self.inbox.metrics.requests_abandoned.inc();
        }
    }
}

/// Shortest time that the thread sleeps, so that it does not spin until something is due.
const LEAST_SLEEP: Duration = Duration::from_millis(1);

/// Returns the time to wait until `due`; `None` (for any time) if nothing is due.
pub(super) fn patience(due: Option<Instant>, now: Instant) -> Option<Duration> {
    due.map(|due| due.saturating_duration_since(now).max(LEAST_SLEEP))
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);

    fn close(session: u8) -> Command {
        let (reply, _) = oneshot::channel();
        Command::Close { owner: A, session: SessionId([session; 16]), reply }
    }

    fn inbox() -> Arc<Inbox> {
        Inbox::new(Arc::default())
    }

    fn next(inbox: &Inbox) -> Option<u8> {
        match inbox.take()? {
            Command::Close { session, .. } => Some(session.0[0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn owners_are_served_in_turn_and_each_in_order() {
        let inbox = inbox();
        let sent = |owner, session| inbox.send(owner, None, close(session)).expect("open");
        let _tickets = [sent(A, 1), sent(A, 2), sent(A, 3), sent(B, 4), sent(B, 5)];
        let order: Vec<u8> = std::iter::from_fn(|| next(&inbox)).collect();
        assert_eq!(order, [1, 4, 2, 5, 3]);
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_gone_at_once() {
        let inbox = inbox();
        for session in 0..200 {
            drop(inbox.send(A, Some(SessionId([session; 16])), close(session)));
        }
        assert_eq!(inbox.metrics.requests_abandoned.get(), 200);
        assert!(inbox.state().is_empty() && inbox.state().waiting.is_empty());
        assert_eq!(next(&inbox), None);
    }

    #[test]
    fn a_session_is_named_once_whose_client_goes_away_later_and_not_if_its_answer_was_complete() {
        let inbox = inbox();
        let sent = || inbox.send(A, Some(SessionId([7; 16])), close(7)).expect("open");
        let mut tickets = [sent(), sent(), sent()];
        while inbox.take().is_some() {}
        tickets[0].done();
        drop(tickets);
        assert_eq!(inbox.take_left(), BTreeSet::from([[7; 16]]));
        assert!(inbox.take_left().is_empty());
    }

    #[test]
    fn nothing_is_taken_after_the_end_and_who_waits_learns_of_it() {
        let inbox = inbox();
        let (reply, mut answer) = oneshot::channel();
        let command = Command::Close { owner: A, session: SessionId([1; 16]), reply };
        let ticket = inbox.send(A, None, command).expect("open");
        inbox.close();
        assert!(answer.try_recv().is_err());
        assert!(inbox.send(A, None, close(2)).is_err());
        drop(ticket);
    }
}

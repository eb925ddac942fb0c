//! How long a reply has been without its verifier, and what has been tried since.
//!
//! Pure: it only counts. What follows from the counts is decided in [`offline`](super::offline) and
//! [`hearing`](super::hearing).

use std::time::{Duration, Instant};

/// Number of desynchronisations without a token in between after which the session is given up for a new one; after as
/// many more the verifier counts as out of reach.
const MAX_DESYNCS: u32 = 3;

/// The state of the outage that a reply is in, or of none.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Desynchronisations and lost sessions since the verifier last decided a token.
    desyncs: u32,
    /// Time since which the reply waits for the verifier.
    waiting_since: Option<Instant>,
    /// Time of the first answer without a token since the reply last went on.
    fruitless_since: Option<Instant>,
    /// Whether the policy is to decide when the link's grace is over.
    is_postponed: bool,
}

impl Outage {
    /// Takes note that the verifier decided a token: it has what the device has.
    pub(super) fn decided(&mut self) {
        self.desyncs = 0;
    }

    /// Takes note that the reply has a token more, whoever decided on it.
    pub(super) fn went_on(&mut self) {
        self.fruitless_since = None;
    }

    /// Takes note of an answer that brought no token at `now`; returns for how long there were no others, and the reply
    /// did not go on.
    pub(super) fn fruitless(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.fruitless_since.get_or_insert(now))
    }

    /// Takes note that device and verifier disagree on what the verifier holds, or that it lost its session.
    pub(super) fn desynced(&mut self) {
        self.desyncs += 1;
    }

    /// Tells whether the session is to be given up for a new one, because it was told again and again what it lacks.
    pub(super) fn needs_another_session(&self) -> bool {
        self.desyncs > MAX_DESYNCS
    }

    /// Tells whether a new session is of no use either, so that the verifier counts as out of reach.
    pub(super) fn is_hopeless(&self) -> bool {
        self.desyncs > 2 * MAX_DESYNCS
    }

    /// Takes note that the verifier answered. Where it has lost what it was told, an answer is not the way back.
    pub(super) fn answered(&mut self) {
        if self.desyncs == 0 {
            self.waiting_since = None;
        }
    }

    /// Takes note that the verifier is at work on what it was asked, even where it lost its session before and reads
    /// everything once more.
    pub(super) fn at_work(&mut self) {
        if !self.is_hopeless() {
            self.waiting_since = None;
        }
    }

    /// Begins to wait at `now`, unless the reply waits already.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// Returns the time since which the reply waits; `None` if it does not.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Leaves the decision of the policy until the link's grace is over.
    pub(super) fn postpone(&mut self) {
        self.is_postponed = true;
    }

    /// Tells whether the policy has still to decide.
    pub(super) fn is_postponed(&self) -> bool {
        self.is_postponed
    }

    /// Takes note that the policy decides now.
    pub(super) fn decide(&mut self) {
        self.is_postponed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_that_loses_track_is_given_another_session_and_then_up_until_it_decides_a_token() {
        let mut outage = Outage::default();
        let states: Vec<_> = (0..=2 * MAX_DESYNCS)
            .map(|_| {
                outage.desynced();
                (outage.needs_another_session(), outage.is_hopeless())
            })
            .collect();
        assert_eq!(states[2..4], [(false, false), (true, false)]);
        assert_eq!(states[5..], [(true, false), (true, true)]);
        outage.decided();
        assert!(!outage.needs_another_session());
    }

    #[test]
    fn answers_are_fruitless_from_the_first_one_without_a_token_until_the_reply_goes_on() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        let minute = Duration::from_secs(60);
        assert_eq!(outage.fruitless(now), Duration::ZERO);
        assert_eq!(outage.fruitless(now + minute), minute);
        outage.went_on();
        assert_eq!(outage.fruitless(now + 2 * minute), Duration::ZERO);
    }

    #[test]
    fn an_answer_ends_the_waiting_only_where_nothing_was_lost() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        outage.wait(now);
        outage.wait(now + Duration::from_secs(1));
        assert_eq!(outage.waiting_since(), Some(now));
        outage.desynced();
        outage.answered();
        assert_eq!(outage.waiting_since(), Some(now), "a session that opens and is lost again is no way back");
        outage.at_work();
        assert_eq!(outage.waiting_since(), None);
        outage.wait(now);
        outage.decided();
        outage.answered();
        assert_eq!(outage.waiting_since(), None);
    }
}

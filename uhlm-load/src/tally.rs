//! What one phone has seen.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use tokio::time::Instant;
use uhlm_core::verifier::VerifierError;

/// Counters of all phones while they run, for whoever watches.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) tokens: AtomicU64,
    pub(crate) verdicts: AtomicU64,
    pub(crate) replies: AtomicU64,
    pub(crate) refusals: AtomicU64,
}

/// A verdict: text that the target has decided on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Time at which it came.
    pub(crate) at: Instant,
    /// Seconds since the request, or since the verdict before in the same answer.
    pub(crate) seconds: f64,
    /// Number of tokens that stand by it.
    pub(crate) tokens: usize,
}

/// The end of a reply, for the account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reply {
    /// Time at which it ended.
    pub(crate) at: Instant,
    /// Whether it ended as the target ends it.
    pub(crate) is_whole: bool,
    /// Index of the first token that is not the recorded one; `None` where all of them are.
    pub(crate) differs_at: Option<usize>,
    /// Number of recorded tokens that the reply lacks although it ended, or has beyond them.
    pub(crate) lost: usize,
}

/// A number of refusals and other failures of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    /// Number of those that said when to come back.
    pub(crate) hinted: u64,
}

/// Everything that one phone has seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Seconds from the wish for a reply until its first verdict, with the time of that.
    pub(crate) firsts: Vec<Verdict>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) replies: Vec<Reply>,
    /// Times of failures, with their kind and whether they said when to come back.
    pub(crate) failures: Vec<(Instant, &'static str, bool)>,
    pub(crate) requests: u64,
    pub(crate) opens: u64,
    pub(crate) body_up: u64,
    pub(crate) body_down: u64,
}

impl Tally {
    /// Adds what another phone has seen.
    pub(crate) fn join(&mut self, other: Self) {
        self.firsts.extend(other.firsts);
        self.verdicts.extend(other.verdicts);
        self.replies.extend(other.replies);
        self.failures.extend(other.failures);
        self.requests += other.requests;
        self.opens += other.opens;
        self.body_up += other.body_up;
        self.body_down += other.body_down;
    }

    /// Takes note of a failure.
    pub(crate) fn failed(&mut self, error: &VerifierError, at: Instant) {
        let has_hint = matches!(error, VerifierError::Busy { retry_after: Some(_) });
        self.failures.push((at, kind(error), has_hint));
    }

    /// Returns the failures within a time, by kind.
    pub(crate) fn failures_within(&self, from: Instant, to: Instant) -> BTreeMap<&'static str, Failures> {
        let mut kinds: BTreeMap<&'static str, Failures> = BTreeMap::new();
        for (_, kind, has_hint) in self.failures.iter().filter(|(at, ..)| (from..to).contains(at)) {
            let failures = kinds.entry(kind).or_default();
            failures.count += 1;
            failures.hinted += u64::from(*has_hint);
        }
        kinds
    }
}

/// Returns the name of a failure's kind in tables.
fn kind(error: &VerifierError) -> &'static str {
    match error {
        VerifierError::Unreachable { .. } => "unreachable",
        VerifierError::DeadlineExceeded { .. } => "silent",
        VerifierError::Untrusted { .. } => "untrusted",
        VerifierError::Busy { .. } => "busy",
        VerifierError::Unauthorized => "unauthorized",
        VerifierError::Desync { .. } => "desync",
        VerifierError::SessionGone => "gone",
        VerifierError::Refused(_) => "refused",
        VerifierError::InvalidAnswer { .. } => "invalid",
        VerifierError::Cancelled => "cancelled",
    }
}

/// Compares a reply that has ended with the recorded one: the first difference, and how many tokens are missing or too
/// many where there is none.
pub(crate) fn compared(written: &[u32], recorded: &[u32]) -> (Option<usize>, usize) {
    let agreed = written.iter().zip(recorded).take_while(|(a, b)| a == b).count();
    let differs = agreed < written.len().min(recorded.len());
    let lost = if differs { 0 } else { written.len().abs_diff(recorded.len()) };
    (differs.then_some(agreed), lost)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reply_that_differs_is_told_from_one_that_lacks_tokens() {
        assert_eq!(compared(&[1, 2, 3], &[1, 2, 3]), (None, 0));
        assert_eq!(compared(&[1, 2], &[1, 2, 3]), (None, 1));
        assert_eq!(compared(&[1, 2, 3, 4, 5], &[1, 2, 3]), (None, 2));
        assert_eq!(compared(&[1, 9, 3], &[1, 2, 3]), (Some(1), 0));
    }

    #[test]
    fn only_a_busy_server_that_says_when_to_come_back_has_given_a_hint() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        tally.failed(&VerifierError::Busy { retry_after: None }, now);
        tally.failed(&VerifierError::Busy { retry_after: Some(Duration::from_secs(1)) }, now);
        tally.failed(&VerifierError::SessionGone, now + Duration::from_secs(9));
        let within = tally.failures_within(now, now + Duration::from_secs(1));
        assert_eq!(within.len(), 1);
        assert_eq!(within["busy"], Failures { count: 2, hinted: 1 });
    }
}

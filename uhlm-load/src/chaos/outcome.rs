//! The ends of generations, and what a process holds before and after.

use std::collections::BTreeMap;
use std::time::Duration;

use uhlm_core::{FinishReason, GenerationError, Statistics};

use crate::resources::Held;

/// Longest time that a generation may take, its waiting for the verifier included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The end of one generation.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The end, as it is counted.
    kind: String,
    took: Duration,
    tokens: u64,
    unverified: u64,
    /// Whether it ended in a way that no generation may end in.
    is_fault: bool,
}

impl Ended {
    pub(crate) fn finished(reason: FinishReason, statistics: &Statistics, took: Duration) -> Self {
        let (tokens, unverified) = (statistics.tokens(), statistics.origins.unverified);
        Self { kind: format!("text: {reason:?}"), took, tokens, unverified, is_fault: false }
    }

    pub(crate) fn failed(error: &GenerationError, took: Duration) -> Self {
        // The name of the variant: what it holds differs from one to the next.
        let name: String = format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_fault = matches!(error, GenerationError::SessionFailed | GenerationError::SessionClosed);
        Self { kind: format!("error: {name}"), took, tokens: 0, unverified: 0, is_fault }
    }

    /// A generation that did not end before its deadline.
    pub(crate) fn hung() -> Self {
        let kind = "no end before its deadline".to_owned();
        Self { kind, took: DEADLINE, tokens: 0, unverified: 0, is_fault: true }
    }
}

/// The counts of the ends of generations.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Number of generations by the way in which they ended.
    pub ends: BTreeMap<String, u64>,
    /// Number of those that ended in no way that a generation may end in.
    pub faults: u64,
    /// Number of committed tokens.
    pub tokens: u64,
    /// Number of those that no verifier has judged because none was within reach.
    pub unverified: u64,
    /// Time of the longest generation.
    pub longest: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, ended: Ended) {
        *self.ends.entry(ended.kind).or_default() += 1;
        self.faults += u64::from(ended.is_fault);
        self.tokens += ended.tokens;
        self.unverified += ended.unverified;
        self.longest = self.longest.max(ended.took);
    }

    /// Returns the number of generations.
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.ends.values().sum()
    }
}

/// The things that the server holds for its sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Open sessions.
    pub sessions: u64,
    /// Sequences of the engine in use.
    pub sequences: u64,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Ends of the generations.
    pub tally: Tally,
    /// Number of changes to each kind of weather.
    pub weather: BTreeMap<String, u64>,
    /// Number of times that the server was killed, and started again.
    pub kills: u64,
    /// Number of times that the server had ended before it was killed.
    pub server_ends: u64,
    /// Number of panics in this process.
    pub panics: u64,
    /// Held by the phones' process before the first generation and after the last; `None` where the system does not
    /// tell.
    pub phones: Option<(Held, Held)>,
    /// Held by the server's process, which is another one after each kill.
    pub server: Option<(Held, Held)>,
    /// Held by the server for its sessions after the last one was dropped; `None` where it does not tell.
    pub served: Option<Served>,
    /// Time of the run.
    pub took: Duration,
}

impl Outcome {
    /// Returns what broke a promise, in words; nothing where all were kept.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut count = |number: u64, what: &str| {
            if number > 0 {
                faults.push(format!("{number} {what}"));
            }
        };
        count(self.tally.faults, "generations ended in no way that one may end in");
        count(self.panics, "panics");
        count(self.server_ends, "times the server ended by itself");
        for (whose, held) in [("the phones", self.phones), ("the server", self.server)] {
            let Some((before, after)) = held else { continue };
            count(after.threads.saturating_sub(before.threads), &format!("threads of {whose} left over"));
            count(after.descriptors.saturating_sub(before.descriptors), &format!("descriptors of {whose} left over"));
        }
        match self.served {
            Some(Served { sessions, sequences }) => {
                count(sessions, "sessions left on the server");
                count(sequences, "sequences left on the server");
            }
            None => faults.push("the server does not say what it holds".into()),
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_that_no_generation_may_have_and_what_is_left_over_are_faults() {
        let mut outcome = Outcome { served: Some(Served::default()), ..Outcome::default() };
        let cause = uhlm_core::verifier::VerifierError::SessionGone;
        outcome.tally.add(Ended::failed(&GenerationError::Offline { cause }, Duration::from_secs(1)));
        outcome.tally.add(Ended::finished(FinishReason::MaxTokens, &Statistics::default(), Duration::ZERO));
        let held = Held { threads: 4, descriptors: 20, memory: 1 };
        outcome.phones = Some((held, Held { threads: 3, memory: 9, ..held }));
        assert_eq!(outcome.faults(), Vec::<String>::new());
        assert_eq!(outcome.tally.ends.keys().collect::<Vec<_>>(), ["error: Offline", "text: MaxTokens"]);
        outcome.tally.add(Ended::hung());
        outcome.phones = Some((held, Held { descriptors: 22, ..held }));
        outcome.served = Some(Served { sessions: 1, sequences: 0 });
        assert_eq!(
            outcome.faults(),
            [
                "1 generations ended in no way that one may end in",
                "2 descriptors of the phones left over",
                "1 sessions left on the server",
            ]
        );
    }
}

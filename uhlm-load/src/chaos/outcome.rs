//! The ends of generations and of writes, and what a process holds before and after.

use std::collections::BTreeMap;
use std::time::Duration;

use uhlm_core::{FinishReason, GenerationError, Statistics};

use super::clock::Changes;
use crate::resources::Held;

/// Longest time that a generation may take, its waiting for the verifier included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Names of the faults of phones, beside those of their network, as they are counted.
const JUMP: &str = "jump";
const STANDSTILL: &str = "standstill";
pub(crate) const FULL_DISK: &str = "full disk";

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

/// The way in which a write ended that ended as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The file is there, whole.
    Whole,
    /// The disk was full.
    Full,
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

/// The counts of the writes of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Number of those after which the file was there, whole.
    pub whole: u64,
    /// Number of those that found the disk full, and left everything as it was.
    pub full: u64,
}

/// What phones met beside their network's weather.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) weather: BTreeMap<String, u64>,
    pub(crate) writes: BTreeMap<String, Writes>,
    pub(crate) broken: Vec<String>,
}

impl Met {
    /// Counts faults of one kind.
    pub(crate) fn weather(&mut self, kind: &str, count: u64) {
        *self.weather.entry(kind.to_owned()).or_default() += count;
    }

    /// Counts the changes that a clock has made.
    pub(crate) fn changes(&mut self, changes: Changes) {
        self.weather(JUMP, changes.jumps);
        self.weather(STANDSTILL, changes.standstills);
    }

    /// Takes note of the write of a file, or of the promise that it broke.
    pub(crate) fn wrote(&mut self, file: &str, written: Result<Written, String>) {
        let writes = self.writes.entry(file.to_owned()).or_default();
        match written {
            Ok(Written::Whole) => writes.whole += 1,
            Ok(Written::Full) => writes.full += 1,
            Err(broken) => self.broken.push(format!("{file}: {broken}")),
        }
    }

    /// Takes over what another phone met.
    pub(crate) fn join(&mut self, other: Self) {
        other.weather.iter().for_each(|(kind, count)| self.weather(kind, *count));
        for (file, Writes { whole, full }) in other.writes {
            let writes = self.writes.entry(file).or_default();
            writes.whole += whole;
            writes.full += full;
        }
        self.broken.extend(other.broken);
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

/// The most memory that the phones' process had in use, in bytes, while each half of the generations began. Halves are
/// compared and not the ends: at its beginning a process makes what it makes once, and at its end an allocator may keep
/// what it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// During the first half, with what is made once.
    pub first: u64,
    /// During the second half.
    pub second: u64,
}

/// Memory that the second half may take more than the first, in bytes. Four phones of the bundled pair take 80 MB in
/// all, so neither fragments nor phones that are at their largest at the same time come near it. What is noticed is
/// what each generation leaves behind, if that is more than this divided by half their number: 0.7 MB of 200
/// generations, 13 kB of 10,000. What is smaller is for `uhlm soak` to notice.
const MAX_GROWTH: u64 = 64 << 20;

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Ends of the generations.
    pub tally: Tally,
    /// Number of changes to each kind of weather, of jumps and standstills of the phones' clocks, and of writes that
    /// found the disk full.
    pub weather: BTreeMap<String, u64>,
    /// Writes of the phones by what was written.
    pub writes: BTreeMap<String, Writes>,
    /// Writes that broke a promise: what was written, and which one.
    pub broken: Vec<String>,
    /// Number of times that the server was killed, and started again.
    pub kills: u64,
    /// Number of times that the server had ended before it was killed.
    pub server_ends: u64,
    /// Number of panics in this process.
    pub panics: u64,
    /// Number of panics in the server's process.
    pub server_panics: u64,
    /// Memory of the phones' process while the generations went on; `None` where the system does not tell.
    pub memory: Option<Halves>,
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
        count(self.server_panics, "panics of the server");
        count(self.server_ends, "times the server ended by itself");
        let grown = self.memory.map_or(0, |memory| memory.second.saturating_sub(memory.first));
        if grown > MAX_GROWTH {
            count(grown >> 20, "MiB more taken by the phones in the second half of the generations than in the first");
        }
        for (whose, held) in [("the phones", self.phones), ("the server", self.server)] {
            let Some((before, after)) = held else { continue };
            count(after.threads.saturating_sub(before.threads), &format!("threads of {whose} left over"));
            count(after.descriptors.saturating_sub(before.descriptors), &format!("descriptors of {whose} left over"));
        }
        count(self.broken.len() as u64, "writes broke a promise");
        match self.served {
            Some(Served { sessions, sequences }) => {
                count(sessions, "sessions left on the server");
                count(sequences, "sequences left on the server");
            }
            None => faults.push("the server does not say what it holds".into()),
        }
        faults.extend(self.broken.first().cloned());
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
        outcome.memory = Some(Halves { first: 80 << 20, second: (80 << 20) + MAX_GROWTH });
        assert_eq!(outcome.faults(), Vec::<String>::new());
        assert_eq!(outcome.tally.ends.keys().collect::<Vec<_>>(), ["error: Offline", "text: MaxTokens"]);
        outcome.tally.add(Ended::hung());
        outcome.phones = Some((held, Held { descriptors: 22, ..held }));
        outcome.memory = Some(Halves { first: 80 << 20, second: 150 << 20 });
        outcome.server_panics = 1;
        outcome.served = Some(Served { sessions: 1, sequences: 0 });
        outcome.broken.push("session: it does not restore".into());
        assert_eq!(
            outcome.faults(),
            [
                "1 generations ended in no way that one may end in",
                "1 panics of the server",
                "70 MiB more taken by the phones in the second half of the generations than in the first",
                "2 descriptors of the phones left over",
                "1 writes broke a promise",
                "1 sessions left on the server",
                "session: it does not restore",
            ]
        );
    }

    #[test]
    fn what_phones_met_is_counted_together() {
        let mut met = Met::default();
        met.changes(Changes { jumps: 2, standstills: 1 });
        met.wrote("session", Ok(Written::Whole));
        let mut other = Met::default();
        other.changes(Changes { jumps: 3, standstills: 0 });
        other.wrote("session", Ok(Written::Full));
        other.wrote("model", Err("it is another file".into()));
        met.join(other);
        assert_eq!(met.weather, [(JUMP.into(), 5), (STANDSTILL.into(), 1)].into());
        let (one, none) = (Writes { whole: 1, full: 1 }, Writes::default());
        assert_eq!(met.writes, [("session".into(), one), ("model".into(), none)].into());
        assert_eq!(met.broken, ["model: it is another file"]);
    }
}

//! What a load test does.

use std::time::Duration;

use crate::arrivals::Arrival;
use crate::attack::Attack;

/// The way in which a phone has its replies written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// The phone drafts a window, waits for the verdict, and drafts the next one. The target writes nothing by itself.
    Windows,
    /// The target runs ahead, and judges what the phone drafts meanwhile.
    Ahead,
    /// The target writes alone, and the phone drafts nothing.
    Stream,
}

impl Writing {
    const NAMES: [(&'static str, Self); 3] =
        [("windows", Self::Windows), ("ahead", Self::Ahead), ("stream", Self::Stream)];

    /// Tells whether the phone drafts.
    #[must_use]
    pub fn drafts(self) -> bool {
        self != Self::Stream
    }
}

impl std::fmt::Display for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::NAMES.iter().find(|(_, writing)| writing == self).map_or("", |(name, _)| name))
    }
}

impl std::str::FromStr for Writing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, writing)| *writing);
        found.ok_or_else(|| "expected windows, ahead or stream".into())
    }
}

/// How a simulated phone behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Way in which replies are written.
    pub writing: Writing,
    /// Number of tokens in a window, 1 to 256.
    pub window: usize,
    /// Probability that a drafted token is the target's own, in [0, 1].
    pub acceptance: f64,
    /// Time that the phone takes to draft a token.
    pub draft: Duration,
    /// Whether each reply has a session of its own, which is opened for it and closed after it.
    pub fresh_sessions: bool,
    /// Longest silence of an answer before the phone asks again.
    pub patience: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            writing: Writing::Windows,
            window: 4,
            acceptance: 0.8,
            draft: Duration::from_millis(20),
            fresh_sessions: false,
            patience: Duration::from_secs(10),
        }
    }
}

/// The pattern in which replies are asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Each phone asks for the next reply as soon as one has ended.
    Closed,
    /// Replies are asked for at given times, each of the next phone that is free.
    Open(Vec<Arrival>),
}

/// One load, measured once.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the load in tables and plots.
    pub name: String,
    /// Number of phones, each with a connection and a session.
    pub phones: usize,
    /// Pattern of the replies that are asked for.
    pub pattern: Pattern,
    /// Behaviour of the phones.
    pub behaviour: Behaviour,
    /// Time before anything is counted.
    pub warmup: Duration,
    /// Time for which is measured.
    pub measured: Duration,
    /// Longest time that replies under way at the end may take to become complete.
    pub grace: Duration,
    /// Longest time from a request to its verdict, or from a verdict to the next one, for its tokens to count as
    /// goodput.
    pub deadline: Duration,
    /// Something hostile that goes on meanwhile, under the name of another owner.
    pub attack: Option<Attack>,
    /// Number of hostile phones; of sockets, where the attack is one of sockets.
    pub attackers: usize,
    /// Number of phones that behave, beside the others, under the name of the owner who attacks or might: it uses its
    /// share of the target without an attack too. What they see is not counted.
    pub neighbours: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            name: String::new(),
            phones: 8,
            pattern: Pattern::Closed,
            behaviour: Behaviour::default(),
            warmup: Duration::from_secs(2),
            measured: Duration::from_secs(10),
            grace: Duration::from_secs(15),
            deadline: Duration::from_secs(1),
            attack: None,
            attackers: 4,
            neighbours: 0,
            seed: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_is_read_by_its_name() {
        for (name, writing) in Writing::NAMES {
            assert_eq!(name.parse(), Ok(writing));
            assert_eq!(writing.to_string(), name);
        }
        assert!("both".parse::<Writing>().is_err());
    }
}

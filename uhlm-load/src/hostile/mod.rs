//! Phones that are broken or mean harm, each kind by one thing that it does over and over.
//!
//! Decides which kinds there are. What asks in the words of the protocol is in [`asking`], what only opens sockets or
//! does not come to an end in [`sockets`]. None of them heeds what a refusal says.

mod asking;
mod sockets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use uhlm_law::advance::Info;
use uhlm_law::rng::derived;

use crate::error::LoadTestError;
use crate::place::Place;
use crate::plan::Plan;

/// A kind of hostile phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Opens sessions and never uses them.
    OpenFlood,
    /// Has the target write without an end in many sessions at once.
    Hoard,
    /// Gives prompts as long as the context, and another one as soon as one is read.
    GiantPrompts,
    /// Asks, and resets the request at once.
    OpenAndReset,
    /// Has drafts of 256 tokens judged under the costliest sampling chain, with all labels.
    CostlyChains,
    /// Connects and says nothing.
    SilentSockets,
    /// Connects and says a byte a second.
    SlowPreface,
    /// Sends bodies a byte at a time.
    Dripping,
    /// Announces bodies that are far too large, and sends without an end.
    Oversized,
}

impl Attack {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::OpenFlood,
        Self::Hoard,
        Self::GiantPrompts,
        Self::OpenAndReset,
        Self::CostlyChains,
        Self::SilentSockets,
        Self::SlowPreface,
        Self::Dripping,
        Self::Oversized,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::OpenFlood => "open-flood",
            Self::Hoard => "hoard",
            Self::GiantPrompts => "giant-prompts",
            Self::OpenAndReset => "open-and-reset",
            Self::CostlyChains => "costly-chains",
            Self::SilentSockets => "silent-sockets",
            Self::SlowPreface => "slow-preface",
            Self::Dripping => "dripping",
            Self::Oversized => "oversized",
        }
    }

    /// Tells whether the attack is one of sockets, of which one phone opens as many as it can.
    #[must_use]
    pub fn is_of_sockets(self) -> bool {
        matches!(self, Self::SilentSockets | Self::SlowPreface)
    }
}

impl std::fmt::Display for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|attack| attack.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|attack| attack.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// Hostile phones at work.
pub(crate) struct Attackers {
    tasks: JoinSet<()>,
    count: Arc<AtomicU64>,
}

impl Attackers {
    /// Lets them begin. They go on until they are stopped.
    pub(crate) fn start(attack: Attack, place: &Place, plan: &Plan, info: &Info) -> Result<Self, LoadTestError> {
        let count = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..plan.attackers {
            let seed = derived(!plan.seed, number as u64);
            let tally = Arc::clone(&count);
            match attack {
                Attack::SilentSockets | Attack::SlowPreface => {
                    tasks.spawn(sockets::hold(sockets::address(&place.url)?, attack == Attack::SlowPreface, tally));
                }
                Attack::Dripping | Attack::Oversized => {
                    let endless = attack == Attack::Oversized;
                    let (client, token) = sockets::client(place, attack)?;
                    let url = place.url.trim_end_matches('/').to_owned();
                    tasks.spawn(sockets::drip(client, url, token, endless, tally));
                }
                _ => {
                    let verifier = place.client(place.hostile_owner(attack))?;
                    asking::start(&mut tasks, attack, &verifier, info, seed, &tally);
                }
            }
        }
        Ok(Self { tasks, count })
    }

    /// Stops them; returns how many things they have done.
    pub(crate) fn stop(mut self) -> u64 {
        self.tasks.abort_all();
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name() {
        for attack in Attack::ALL {
            assert_eq!(attack.to_string().parse(), Ok(attack));
        }
        assert!("kindness".parse::<Attack>().expect_err("no kind").contains("open-flood"));
    }
}

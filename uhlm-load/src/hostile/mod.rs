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

use crate::attack::Attack;
use crate::error::LoadTestError;
use crate::place::Place;
use crate::plan::Plan;

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

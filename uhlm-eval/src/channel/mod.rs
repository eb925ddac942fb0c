//! Models the link between device and verifier, in virtual time.
//!
//! There are two models: [`paper`], a narrow radio channel with block fading, and [`packet`], a network with round
//! trip, jitter, loss, rate and outages. Both answer one question: when has a message arrived? Random disturbances
//! belong to a [`Place`] in the text, not to the n-th message, so every method meets the same fade at the same place.

pub mod packet;
pub mod paper;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::rng::{Rng, Stream, derived};

pub use packet::PacketChannel;
pub use paper::PaperChannel;

/// The place in the evaluated text where a message belongs, from which its random numbers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the prompt.
    pub prompt: u64,
    /// Number of tokens of the conversation that the message reaches to.
    pub token: u64,
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the verifier.
    Up,
    /// From the verifier to the device.
    Down,
}

/// Returns the random numbers of one place and direction, the same for every method.
fn dice(seed: u64, place: Place, direction: Direction) -> Rng {
    let way = if direction == Direction::Up { 0 } else { 1 };
    Rng::at(derived(seed, place.prompt), Stream::Simulation, place.token << 1 | way)
}

/// A model of the link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The paper's radio channel.
    Paper(PaperChannel),
    /// A packet network.
    Packet(PacketChannel),
}

impl Channel {
    /// Returns the link at the start of a session. `seed` fixes fades, jitter, losses and outages.
    #[must_use]
    pub fn open(&self, seed: u64) -> Link {
        Link {
            channel: self.clone(),
            seed,
            free: [Duration::ZERO; 2],
            delivered: [Duration::ZERO; 2],
            outages: packet::Outages::new(seed),
        }
    }
}

/// A link in use: each direction carries one message after the other, in order.
#[derive(Clone, Debug)]
pub struct Link {
    channel: Channel,
    seed: u64,
    /// Time when each direction has sent what it was given, and below when it has delivered it.
    free: [Duration; 2],
    delivered: [Duration; 2],
    outages: packet::Outages,
}

impl Link {
    /// Returns the time when a message of `bytes` that is sent at `at` has arrived whole. Messages of one direction do
    /// not overtake each other.
    pub fn arrival(&mut self, direction: Direction, at: Duration, bytes: u64, place: Place) -> Duration {
        let way = usize::from(direction == Direction::Down);
        let free = &mut self.free[way];
        let start = at.max(*free);
        let arrived = match &self.channel {
            Channel::Paper(paper) => {
                let gain = paper.gain(&mut dice(self.seed, place, direction));
                *free = start + paper.transmission(direction, bytes, gain);
                *free
            }
            Channel::Packet(packet) => {
                let start = self.outages.next_clear(packet.outages.as_ref(), start);
                let sent = start + packet.transmission(direction, bytes);
                let arrived = sent + packet.delay(bytes, &mut dice(self.seed, place, direction));
                // The line is free once the bytes are out.
                *free = sent;
                arrived
            }
        };
        self.delivered[way] = self.delivered[way].max(arrived);
        self.delivered[way]
    }
}

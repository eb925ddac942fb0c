//! Models a packet network: round trip, jitter, loss, rate, outages.
//!
//! The model is simplified where it does not matter for messages of tens of bytes: no slow start (connections are
//! warm), no congestion by others. A lost packet costs a tail-loss probe of two round trips (RFC 8985, section 7.2), a
//! probe that is lost too twice as much.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::rng::{Rng, Stream};

use super::Direction;

/// Most bytes of data in a packet: 1500 less the headers of IPv4 and TCP with timestamps.
pub const SEGMENT: u64 = 1448;

/// Parameters of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketChannel {
    /// Time of a round trip without queueing, in milliseconds.
    pub rtt_ms: f64,
    /// Mean of the exponential extra delay of a message, each way, in milliseconds.
    pub jitter_ms: f64,
    /// Probability that a packet is lost, from 0 to 1.
    pub loss: f64,
    /// Rate of the uplink, in Mbit/s.
    pub up_mbps: f64,
    /// Rate of the downlink, in Mbit/s.
    pub down_mbps: f64,
    /// Times without any connection; `None` for a network that is always there.
    pub outages: Option<OutageModel>,
}

/// Outages that come at random and last at random, both exponentially distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutageModel {
    /// Mean time between the end of one outage and the start of the next, in seconds.
    pub every_s: f64,
    /// Mean length of an outage, in seconds.
    pub length_s: f64,
}

impl PacketChannel {
    /// Makes a steady network with this round trip, in milliseconds, and rates at which the paper's 64 kB payload
    /// matters.
    #[must_use]
    pub fn steady(rtt_ms: f64) -> Self {
        Self { rtt_ms, jitter_ms: 0.0, loss: 0.0, up_mbps: 10.0, down_mbps: 50.0, outages: None }
    }

    pub(super) fn transmission(&self, direction: Direction, bytes: u64) -> Duration {
        let rate = if direction == Direction::Up { self.up_mbps } else { self.down_mbps };
        Duration::from_secs_f64(8e-6 * bytes as f64 / rate)
    }

    /// Returns the time from the last byte sent until the message is whole.
    pub(super) fn delay(&self, bytes: u64, dice: &mut Rng) -> Duration {
        let jitter = -self.jitter_ms * dice.uniform_positive().ln();
        let mut recovery = 0.0f64;
        if self.loss > 0.0 {
            for _ in 0..bytes.div_ceil(SEGMENT).max(1) {
                // Packets are recovered side by side, so the slowest counts.
                let (mut late, mut probe) = (0.0, 2.0 * self.rtt_ms.max(5.0));
                while dice.uniform() < self.loss {
                    late += probe;
                    probe *= 2.0;
                }
                recovery = recovery.max(late);
            }
        }
        Duration::from_secs_f64((self.rtt_ms / 2.0 + jitter + recovery) / 1e3)
    }
}

/// The outages of one session, made as time goes on; they are a function of the seed alone.
#[derive(Clone, Debug)]
pub(super) struct Outages {
    dice: Rng,
    /// Start and end of the outage that ended last, is under way or comes next, in seconds.
    current: (f64, f64),
}

impl Outages {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Rng::at(seed, Stream::Simulation, u64::from(u32::MAX)), current: (0.0, 0.0) }
    }

    /// Returns the first moment from `at` on without an outage.
    pub(super) fn next_clear(&mut self, model: Option<&OutageModel>, at: Duration) -> Duration {
        let Some(model) = model else { return at };
        let time = at.as_secs_f64();
        while self.current.1 <= time {
            let start = self.current.1 - model.every_s * self.dice.uniform_positive().ln();
            self.current = (start, start - model.length_s * self.dice.uniform_positive().ln());
        }
        if time < self.current.0 { at } else { Duration::from_secs_f64(self.current.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Channel, Place};

    const PLACE: Place = Place { prompt: 0, token: 5 };

    #[test]
    fn a_message_takes_half_a_round_trip_and_its_time_on_the_line() {
        let mut link = Channel::Packet(PacketChannel::steady(50.0)).open(1);
        let arrived = link.arrival(Direction::Up, Duration::ZERO, 64_000, PLACE).as_secs_f64();
        assert!((arrived - 0.0762).abs() < 1e-9, "{arrived}");
        // The next message waits for the line, not for the first to arrive.
        let next = link.arrival(Direction::Up, Duration::ZERO, 125, PLACE).as_secs_f64();
        assert!((next - 0.0763).abs() < 1e-9, "{next}");
    }

    #[test]
    fn losses_delay_by_probes_as_often_as_they_are_set_to() {
        // 20,000 messages of one packet at 10 %: 2,000 late ones expected, sigma 42; alarm at 5 sigma, 6e-7.
        let packet = PacketChannel { loss: 0.1, ..PacketChannel::steady(50.0) };
        let late = (0..20_000)
            .filter(|&token| {
                let delay = packet.delay(100, &mut super::super::dice(2, Place { prompt: 0, token }, Direction::Up));
                delay > Duration::from_millis(100)
            })
            .count();
        assert!((late as f64 - 2000.0).abs() < 212.0, "{late}");
    }

    #[test]
    fn a_message_sent_into_an_outage_arrives_after_it() {
        let model = OutageModel { every_s: 10.0, length_s: 2.0 };
        let mut outages = Outages::new(4);
        let mut covered = 0;
        for ms in 0..200_000u64 {
            let at = Duration::from_millis(ms);
            let clear = outages.next_clear(Some(&model), at);
            assert!(clear >= at);
            covered += u64::from(clear > at);
        }
        // Outages take 2 / 12 of the time on average; 200 s hold about 17 of them, so the bounds are wide.
        assert!((10_000..80_000).contains(&covered), "{covered}");
    }
}

//! Models the paper's channel: a message of `B` bits takes `tau = B / (W log2(1 + SNR))` with bandwidth `W`, path loss
//! and Rayleigh block fading (arXiv 2412.12687v2, section on the system model; parameters from the facts in `shared`:
//! W = 1 MHz, 23 dBm, -104 dBm, 2.5 km, exponent 4).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::rng::Rng;

use super::Direction;

/// Parameters of the radio channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaperChannel {
    /// Bandwidth, in hertz.
    pub bandwidth_hz: f64,
    /// Transmit power of the device, in dBm.
    pub power_up_dbm: f64,
    /// Transmit power of the base station, in dBm. The paper leaves the downlink out; 43 dBm is what 3GPP TR 36.942
    /// assumes of a macro cell with carriers of up to 5 MHz.
    pub power_down_dbm: f64,
    /// Noise power, in dBm.
    pub noise_dbm: f64,
    /// Distance between device and base station, in metres.
    pub distance_m: f64,
    /// Path loss exponent; the loss is `distance^-exponent`.
    pub path_loss_exponent: f64,
    /// Floor of the power gain under Rayleigh fading; `None` without fading. The gain is exponential with mean 1 and is
    /// kept at or above this floor, without which the mean of tau does not exist. One gain holds for one message.
    pub fading_floor: Option<f64>,
}

impl Default for PaperChannel {
    fn default() -> Self {
        Self {
            bandwidth_hz: 1e6,
            power_up_dbm: 23.0,
            power_down_dbm: 43.0,
            noise_dbm: -104.0,
            distance_m: 2500.0,
            path_loss_exponent: 4.0,
            fading_floor: Some(0.1),
        }
    }
}

impl PaperChannel {
    /// Returns the channel without fading: every message meets the mean gain.
    #[must_use]
    pub fn unfaded() -> Self {
        Self { fading_floor: None, ..Self::default() }
    }

    /// Returns the mean signal-to-noise ratio (SNR), as a factor.
    #[must_use]
    pub fn snr(&self, direction: Direction) -> f64 {
        let power = if direction == Direction::Up { self.power_up_dbm } else { self.power_down_dbm };
        let loss = 10.0 * self.path_loss_exponent * self.distance_m.log10();
        10f64.powf((power - loss - self.noise_dbm) / 10.0)
    }

    /// Draws the power gain that a message meets.
    pub(super) fn gain(&self, dice: &mut Rng) -> f64 {
        self.fading_floor.map_or(1.0, |floor| (-dice.uniform_positive().ln()).max(floor))
    }

    /// Returns the time of a message on the air.
    pub(super) fn transmission(&self, direction: Direction, bytes: u64, gain: f64) -> Duration {
        let rate = self.bandwidth_hz * (1.0 + self.snr(direction) * gain).log2();
        Duration::from_secs_f64(8.0 * bytes as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Channel, Place};

    #[test]
    fn the_papers_payload_takes_the_papers_time_without_fading() {
        let paper = PaperChannel::unfaded();
        assert!((10.0 * paper.snr(Direction::Up).log10() + 8.9).abs() < 0.05);
        let tau = paper.transmission(Direction::Up, 32_000 * 2, 1.0).as_secs_f64();
        assert!((tau - 2.94).abs() < 0.02, "{tau}");
    }

    #[test]
    fn every_method_meets_the_same_fade_at_the_same_place() {
        let channel = Channel::Paper(PaperChannel::default());
        let time = |first: u64, token| {
            let mut link = channel.open(3);
            // Another message before it changes nothing about the fade.
            let ready = link.arrival(Direction::Up, Duration::ZERO, first, Place { prompt: 1, token: 1 });
            link.arrival(Direction::Up, ready, 1000, Place { prompt: 2, token }) - ready
        };
        assert_eq!(time(1, 7), time(5000, 7));
        assert_ne!(time(1, 7), time(1, 8));
    }

    #[test]
    fn fades_have_the_mean_of_an_exponential_above_its_floor() {
        // 20,000 gains; mean 1 + floor - 1 + e^-floor = 1.0048, standard error 0.007; a false alarm is 5 sigma, 6e-7.
        let paper = PaperChannel::default();
        let gain = |i| paper.gain(&mut super::super::dice(9, Place { prompt: 0, token: i }, Direction::Up));
        let mean = (0..20_000).map(gain).sum::<f64>() / 20_000.0;
        assert!((mean - 1.0048).abs() < 0.035, "{mean}");
    }
}

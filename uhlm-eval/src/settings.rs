//! Lists the links that are evaluated.

use crate::billing::Billing;
use crate::channel::packet::OutageModel;
use crate::channel::{Channel, PacketChannel, PaperChannel};
use crate::lab::Setting;

/// Names of the settings that conclusions are drawn from.
pub mod names {
    /// The paper's channel with fading, everything billed.
    pub const PAPER: &str = "paper's channel";
    /// The paper's channel without fading, everything billed.
    pub const PAPER_UNFADED: &str = "paper's channel, no fading";
    /// The paper's channel with fading, billed for the models' own vocabulary.
    pub const PAPER_OWN_VOCABULARY: &str = "paper's channel, own vocabulary";

    /// Returns the name of a steady network of this round trip, in milliseconds, with the baselines' payload free.
    #[must_use]
    pub fn free(rtt_ms: u32) -> String {
        format!("RTT {rtt_ms} ms, payload free")
    }

    /// Returns the name of a steady network of this round trip, in milliseconds, with everything billed.
    #[must_use]
    pub fn billed(rtt_ms: u32) -> String {
        format!("RTT {rtt_ms} ms, all billed")
    }
}

/// Round trips of the tables, in milliseconds.
pub const ROUND_TRIPS: [u32; 4] = [20, 50, 100, 200];

fn setting(name: impl Into<String>, channel: Channel, billing: Billing) -> Setting {
    Setting { name: name.into(), channel, billing }
}

/// Returns a steady network, with the baselines' payload free or billed.
#[must_use]
pub fn steady(rtt_ms: u32, payload: bool) -> Setting {
    let name = if payload { names::billed(rtt_ms) } else { names::free(rtt_ms) };
    let channel = Channel::Packet(PacketChannel::steady(f64::from(rtt_ms)));
    setting(name, channel, Billing { payload, ..Billing::PAPER })
}

/// Returns the paper's channel.
#[must_use]
pub fn paper() -> Setting {
    setting(names::PAPER, Channel::Paper(PaperChannel::default()), Billing::PAPER)
}

/// Returns all settings, which temperature 1 is measured on.
#[must_use]
pub fn all(vocabulary: usize) -> Vec<Setting> {
    let own = Billing { vocabulary: vocabulary as u32, ..Billing::PAPER };
    let mut settings = vec![
        paper(),
        setting(names::PAPER_UNFADED, Channel::Paper(PaperChannel::unfaded()), Billing::PAPER),
        setting(names::PAPER_OWN_VOCABULARY, Channel::Paper(PaperChannel::default()), own),
    ];
    settings.extend(ROUND_TRIPS.iter().flat_map(|&rtt| [steady(rtt, false), steady(rtt, true)]));
    settings.extend(presets());
    settings
}

/// Returns the few settings that the other temperatures are measured on.
#[must_use]
pub fn few() -> Vec<Setting> {
    vec![paper(), steady(50, false), steady(50, true)]
}

/// Returns networks as people meet them, everything billed. Loss, and how often an outage comes, are assumptions; each
/// network's delays and rates have their source where it is made.
#[must_use]
pub fn presets() -> Vec<Setting> {
    let packet = |name, channel| setting(name, Channel::Packet(channel), Billing::PAPER);
    let outages = OutageModel { every_s: 60.0, length_s: 2.0 };
    vec![
        packet("LTE", lte()),
        packet("5G", five_g()),
        packet("Wi-Fi", wifi()),
        packet("LTE with outages", PacketChannel { outages: Some(outages), ..lte() }),
    ]
}

/// Returns an LTE network. Its rates are Ookla's means for the United States in the first half of 2018, when mobile
/// meant LTE (8.63 Mbit/s up, 27.33 down). Its round trip is Ookla's median for AT&T in the fourth quarter of 2023, all
/// technologies (64 ms).
fn lte() -> PacketChannel {
    PacketChannel { rtt_ms: 64.0, jitter_ms: 5.0, loss: 0.001, up_mbps: 8.63, down_mbps: 27.33, outages: None }
}

/// Returns a 5G network with Ookla's medians for T-Mobile in the United States, first half of 2024: 47 ms, 14.56 Mbit/s
/// up, 265.8 down.
fn five_g() -> PacketChannel {
    PacketChannel { rtt_ms: 47.0, jitter_ms: 5.0, loss: 0.001, up_mbps: 14.56, down_mbps: 265.8, outages: None }
}

/// Returns a Wi-Fi network. Its wireless hop follows Pei et al., "WiFi can be the weakest link of round trip network
/// latency in the wild" (INFOCOM 2016): more than half of the packets are delayed by more than 20 ms, a tenth by more
/// than 100 ms; two exponential delays of 12 ms mean have that median (and a lighter tail). Behind it is a wired path
/// of 20 ms with 20 Mbit/s up and 100 down, the least that the FCC calls broadband.
fn wifi() -> PacketChannel {
    PacketChannel { rtt_ms: 20.0, jitter_ms: 12.0, loss: 0.001, up_mbps: 20.0, down_mbps: 100.0, outages: None }
}

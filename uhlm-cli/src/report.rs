//! Writes statistics of generations in words and as JSON.

use serde::Serialize;
use uhlm_core::{Mode, Statistics, VerdictTiming};
use uhlm_eval::statistics::quantile;
use uhlm_llama::Backend;

/// Returns the part of the machine that a model computes on, and why it is not a GPU where it is none.
pub(crate) fn backend(backend: &Backend) -> String {
    let Backend { name, description, no_gpu } = backend;
    let reason = no_gpu.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{name} ({description}){reason}")
}

/// Rates that follow from the counts of [`Statistics`].
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rates {
    pub(crate) tokens: u64,
    pub(crate) tokens_per_second: f64,
    /// Whether draft and target model have different vocabularies.
    pub(crate) bridged: bool,
    /// Whether a chat service wrote whole replies.
    pub(crate) handed_off: bool,
    /// Transmission rate (TR): share of the drafted tokens that were judged; `None` in a mode that judges nothing.
    pub(crate) transmission_rate: Option<f64>,
    /// True skip rate (TSR): share of the skipped tokens that are the target's own; `None` where none was labelled.
    pub(crate) true_skip_rate: Option<f64>,
    pub(crate) target_passes_per_token: f64,
    /// Share of the judged tokens that were accepted; `None` where none was judged.
    pub(crate) acceptance_rate: Option<f64>,
    pub(crate) body_bytes_up: u64,
    pub(crate) body_bytes_down: u64,
    pub(crate) rollbacks: u64,
    pub(crate) rolled_back_tokens: u64,
    /// Number of tokens that the conversation proposed and that were read ahead, and below of those then drafted.
    pub(crate) ngram_proposed: u64,
    pub(crate) ngram_accepted: u64,
    /// Number of tokens that were written while the server was out of reach.
    pub(crate) unverified_tokens: u64,
    pub(crate) verdict_ms: Option<VerdictTimes>,
}

/// Quantiles of the verdicts' times, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VerdictTimes {
    pub(crate) total: Quantiles,
    /// Time beside queue and decode: network, TLS, HTTP, both runtimes.
    pub(crate) network: Quantiles,
    pub(crate) queue: Quantiles,
    pub(crate) decode: Quantiles,
}

/// The median and the 99th percentile of some values.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Quantiles {
    /// Returns the quantiles of these values; `None` if there are none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Some(Self { p50: quantile(values, 0.5)?, p99: quantile(values, 0.99)? })
    }
}

impl VerdictTimes {
    fn of(times: &[VerdictTiming]) -> Option<Self> {
        let part = |us: fn(&VerdictTiming) -> u32| {
            Quantiles::of(&times.iter().map(|time| f64::from(us(time)) / 1e3).collect::<Vec<_>>())
        };
        Some(Self {
            total: part(|t| t.total_us)?,
            network: part(VerdictTiming::network_us)?,
            queue: part(|t| t.queue_us)?,
            decode: part(|t| t.decode_us)?,
        })
    }
}

impl Rates {
    /// Returns the rates of one or several generations in this mode.
    pub(crate) fn of(statistics: &Statistics, mode: Mode) -> Self {
        let when = |condition: bool, value: f64| condition.then_some(value);
        Self {
            tokens: statistics.tokens(),
            tokens_per_second: statistics.tokens_per_second(),
            bridged: statistics.bridged,
            handed_off: statistics.handed_off,
            transmission_rate: when(mode.judges(), statistics.transmission_rate()),
            true_skip_rate: statistics.true_skip_rate(),
            target_passes_per_token: statistics.target_passes_per_token(),
            acceptance_rate: when(statistics.judged > 0, statistics.acceptance_rate()),
            body_bytes_up: statistics.body_up,
            body_bytes_down: statistics.body_down,
            rollbacks: statistics.rollbacks,
            rolled_back_tokens: statistics.rolled_back,
            ngram_proposed: statistics.ngram_proposed,
            ngram_accepted: statistics.ngram_accepted,
            unverified_tokens: statistics.origins.unverified,
            verdict_ms: VerdictTimes::of(&statistics.verdict_times),
        }
    }

    /// Returns the rates on one line for people.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![format!("{} tokens", self.tokens), format!("{}/s", significant(self.tokens_per_second))];
        if self.handed_off {
            parts.push("by a chat service, neither drawn with the shared noise nor judged".into());
        } else if self.bridged {
            parts.push("bridged".into());
        }
        if self.unverified_tokens > 0 {
            parts.push(format!("{} unverified (server out of reach)", self.unverified_tokens));
        }
        if let Some(rate) = self.transmission_rate {
            parts.push(format!("TR {}", percent(rate)));
        }
        if self.target_passes_per_token > 0.0 {
            parts.push(format!("{:.2} passes each", self.target_passes_per_token));
        }
        if self.ngram_accepted > 0 {
            parts.push(format!("{} of {} read ahead", self.ngram_accepted, self.ngram_proposed));
        }
        if self.body_bytes_up + self.body_bytes_down > 0 {
            parts.push(format!("{} up {} down", bytes(self.body_bytes_up), bytes(self.body_bytes_down)));
        }
        if let Some(times) = &self.verdict_ms {
            parts.push(format!("verdict {} ms", significant(times.total.p50)));
        }
        parts.join(", ")
    }
}

/// Returns in a sentence whether a pair of models is worth it, by replies in which everything was judged, and whether
/// it is; `None` where nothing was judged.
///
/// A draft that stands saves a pass, so drafting pays where a pass takes longer than the drafts for one that stands.
pub(crate) fn worth(statistics: &Statistics) -> Option<(String, bool)> {
    if statistics.judged == 0 || statistics.drafted == 0 {
        return None;
    }
    let stands = statistics.acceptance_rate();
    // Across vocabularies a drafted token may take more than one draw, or less.
    let draft = statistics.drafting.as_secs_f64() / statistics.drafted as f64;
    let passes: Vec<f64> = statistics.verdict_times.iter().map(|time| f64::from(time.decode_us) / 1e6).collect();
    let pass = quantile(&passes, 0.5)?;
    let pays = stands > 0.0 && pass > draft / stands;
    let needed = if stands > 0.0 { significant(1.0 / stands) } else { "any number of".into() };
    let is = if pays { "worth it" } else { "not worth it" };
    Some((
        format!(
            "{is}: {} of {} judged tokens are the target's own, so a pass has to take longer than {needed} drafts, and \
             takes {} ms against {} ms a draft",
            percent(stands),
            statistics.judged,
            significant(pass * 1e3),
            significant(draft * 1e3),
        ),
        pays,
    ))
}

/// Returns the value with three significant digits, without an exponent.
pub(crate) fn significant(value: f64) -> String {
    match value.abs() {
        x if x >= 99.95 => format!("{value:.0}"),
        x if x >= 9.995 => format!("{value:.1}"),
        x if x >= 0.9995 || x == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Returns a share in per cent, with a decimal near both ends.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if (value > 0.0 && value < 9.95) || (value > 95.0 && value < 99.95) {
        format!("{value:.1} %")
    } else {
        format!("{value:.0} %")
    }
}

/// Returns a number of bytes in a unit that suits it.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", significant(count as f64 / 1e3)),
        _ => format!("{} MB", significant(count as f64 / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases =
            [(1234.5, "1234"), (99.97, "100"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (0.0, "0.00")];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn shares_and_bytes_read_naturally() {
        assert_eq!(
            (percent(0.0), percent(0.0123), percent(0.5), percent(0.998)),
            ("0 %".into(), "1.2 %".into(), "50 %".into(), "99.8 %".into())
        );
        assert_eq!(
            (bytes(640), bytes(12_345), bytes(12_345_678)),
            ("640 B".into(), "12.3 kB".into(), "12.3 MB".into())
        );
    }

    #[test]
    fn rates_that_mean_nothing_are_left_out() {
        let rates = Rates::of(&Statistics::default(), Mode::DeviceOnly);
        assert!(rates.transmission_rate.is_none() && rates.true_skip_rate.is_none() && rates.verdict_ms.is_none());
        assert_eq!(rates.line(), "0 tokens, 0.00/s");
    }
}

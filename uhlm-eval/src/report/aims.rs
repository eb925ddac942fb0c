//! Compares the aims of this SDK with the measured values.

use crate::method::Method;
use crate::record::{Chapter, Record};
use crate::settings::{ROUND_TRIPS, names};
use crate::summary::Estimate;

/// One aim beside the measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// Values that are compared.
    pub what: String,
    /// Value that was aimed at.
    pub wanted: String,
    /// Measured value, with an interval where there is one.
    pub measured: String,
    /// Whether the measured value reaches the aim. The interval may still hold values that do not.
    pub reached: bool,
}

const OURS: Method = Method::OursExactAhead;

fn times(estimate: Estimate) -> String {
    format!("{:.2} x ({:.2} to {:.2})", estimate.value, estimate.low, estimate.high)
}

fn share(estimate: Estimate) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * estimate.value, 100.0 * estimate.low, 100.0 * estimate.high)
}

/// Returns the aims that a record has data for.
#[must_use]
pub fn aims(record: &Record) -> Vec<Aim> {
    let Some(chapter) = record.chapters.first() else { return Vec::new() };
    let mut aims = Vec::new();
    speed(chapter, &mut aims);
    record.chapters.iter().for_each(|chapter| quality(chapter, &mut aims));
    windows(chapter, &mut aims);
    aims
}

fn speed(chapter: &Chapter, aims: &mut Vec<Aim>) {
    let mut at_least = |what: String, estimate: Estimate, least: f64| {
        aims.push(Aim {
            what,
            wanted: format!("at least {least} x"),
            measured: times(estimate),
            reached: estimate.value >= least,
        });
    };
    if let Some(row) = chapter.setting(names::PAPER).and_then(|setting| setting.row(OURS)) {
        at_least("ours exact over HLM, paper's channel".into(), row.against.hlm, 60.0);
        at_least("ours exact over U-HLM risk-prone, paper's channel".into(), row.against.u_hlm, 20.0);
    }
    let Some(setting) = chapter.setting(&names::free(50)) else { return };
    let (Some(ours), Some(u_hlm)) = (setting.row(OURS), setting.row(Method::UHlmRiskProne)) else { return };
    at_least("ours exact over U-HLM risk-prone, RTT 50 ms, payload free".into(), ours.against.u_hlm, 1.5);
    at_least("ours exact over the target streamed, RTT 50 ms".into(), ours.against.llm, 2.1);
    let (own, other) = (ours.summary.passes_per_token, u_hlm.summary.passes_per_token);
    aims.push(Aim {
        what: "target passes a token, ours exact, RTT 50 ms".into(),
        wanted: format!("at most U-HLM's {other:.3}"),
        measured: format!("{own:.3}"),
        reached: own <= other,
    });
}

fn quality(chapter: &Chapter, aims: &mut Vec<Aim>) {
    let t = chapter.temperature;
    let of = |method| chapter.quality_of(method).filter(|quality| quality.marked > 0).map(|quality| quality.accuracy);
    let passes = |method: Method| chapter.quality.iter().find(|e| e.0 == method).map(|e| e.2.passes_per_token);
    let (Some(llm), Some(exact), Some(llm_passes)) = (of(Method::LlmOnly), of(OURS), passes(Method::LlmOnly)) else {
        return;
    };
    for (method, name) in [(Method::OursOpportunistic, "risk-prone"), (Method::OursRiskAverse, "risk-averse")] {
        let (Some(lossy), Some(lossy_passes)) = (of(method), passes(method)) else { continue };
        let kept = lossy.value / llm.value.max(1e-9);
        aims.push(Aim {
            what: format!("ours opportunistic, {name}, share of the target's accuracy, temperature {t}"),
            wanted: "at least 97.5 %".into(),
            measured: format!("{:.1} % ({} of the target's {})", 100.0 * kept, share(lossy), share(llm)),
            reached: kept >= 0.975,
        });
        let saved = 1.0 - lossy_passes / llm_passes.max(1e-9);
        aims.push(Aim {
            what: format!("ours opportunistic, {name}, target passes saved, temperature {t}"),
            wanted: "at least 46 %".into(),
            measured: format!("{:.1} %", 100.0 * saved),
            reached: saved >= 0.46,
        });
    }
    // Both values are samples: their difference counts as chance while its interval holds 0.
    let error = |e: Estimate| (e.high - e.low) / 2.0;
    let (difference, margin) = (exact.value - llm.value, error(exact).hypot(error(llm)));
    aims.push(Aim {
        what: format!("ours exact, accuracy, temperature {t}"),
        wanted: format!("the target's {}, but for chance", share(llm)),
        measured: format!(
            "{}; difference {:+.1} ({:+.1} to {:+.1})",
            share(exact),
            100.0 * difference,
            100.0 * (difference - margin),
            100.0 * (difference + margin)
        ),
        reached: difference.abs() <= margin,
    });
}

fn windows(chapter: &Chapter, aims: &mut Vec<Aim>) {
    for (method, ahead, name) in [(Method::OursExact, false, "without draft-ahead"), (OURS, true, "with draft-ahead")] {
        let shares: Vec<(u32, f64)> = ROUND_TRIPS
            .iter()
            .filter_map(|&rtt| {
                let setting = chapter.setting(&names::free(rtt))?;
                let (without, with) = setting.oracle?;
                let speed = setting.row(method)?.summary.tokens_per_second.value;
                Some((rtt, speed / if ahead { with } else { without }))
            })
            .collect();
        if shares.is_empty() {
            continue;
        }
        let text: Vec<String> = shares.iter().map(|(rtt, s)| format!("{:.0} % at {rtt} ms", 100.0 * s)).collect();
        aims.push(Aim {
            what: format!("share of the oracle's speed, {name}"),
            wanted: "at least 90 %".into(),
            measured: text.join(", "),
            reached: shares.iter().all(|s| s.1 >= 0.9),
        });
    }
}

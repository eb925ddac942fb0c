//! Chooses the plots of a record and draws them.

use plotters::prelude::SeriesLabelPosition;

use super::{Bar, Bars, Curves, EXACT, LOSSY, Mark, OURS, PALETTE, Series, color};
use crate::error::EvalError;
use crate::law::report::{EstimatorReport, LawReport};
use crate::method::Method;
use crate::record::{Chapter, Record, SettingRecord};
use crate::settings::{ROUND_TRIPS, names};

/// Fewest tokens of a mean that is drawn: means of fewer tokens are noise.
const FEW: usize = 20;

/// A plot with its caption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name of the plot's file, without ending.
    pub name: String,
    /// Caption, in a sentence.
    pub caption: String,
    /// Drawing as SVG text.
    pub svg: String,
}

/// Draws all plots of a record; those whose data it lacks are left out.
///
/// # Errors
/// [`EvalError::Plot`].
pub fn all(record: &Record) -> Result<Vec<Figure>, EvalError> {
    let mut figures = Vec::new();
    let mut add = |name: &str, caption: &str, svg: Result<String, EvalError>| -> Result<(), EvalError> {
        figures.push(Figure { name: name.into(), caption: caption.into(), svg: svg? });
        Ok(())
    };
    let Some(chapter) = record.chapters.first() else { return Ok(figures) };
    if let Some(setting) = chapter.setting(names::PAPER) {
        add(
            "speed-paper",
            "Tokens a second at the paper's channel, every byte billed (logarithmic; blue: this SDK, grey: other \
             exact methods, orange: lossy ones; the line is the 95 % interval).",
            speed(setting, "Speed at the paper's channel", true),
        )?;
        add(
            "uplink",
            "Bytes to the verifier for a token of the reply, headers and all (logarithmic).",
            uplink(setting),
        )?;
    }
    if let Some(setting) = chapter.setting(&names::free(50)) {
        add(
            "speed-rtt50",
            "Tokens a second at a round trip of 50 ms, the baselines' distributions free.",
            speed(setting, "Speed at RTT 50 ms, payload free", false),
        )?;
    }
    if ROUND_TRIPS.iter().all(|&rtt| chapter.setting(&names::free(rtt)).is_some()) {
        add(
            "speed-by-rtt",
            "Tokens a second over the round trip, the baselines' distributions free.",
            by_rtt(chapter),
        )?;
        add(
            "oracle",
            "Window policies against an oracle that knows every verdict: share of the oracle's speed.",
            oracle(chapter),
        )?;
    }
    if chapter.quality.iter().any(|entry| entry.1.marked > 0) {
        add("accuracy", "Right answers with their intervals, and what they took of the target.", accuracy(record))?;
    }
    if let Some(law) = &chapter.uncertainty {
        for (name, i) in [("law", 0), ("law-sampled", 1)] {
            let of = if i == 0 { "without sampling noise" } else { "as the paper draws it" };
            let caption = format!(
                "Rejection probability of held-out tokens over temperature perturbation {of}: single tokens, means of \
                 twenty ranges, and the line fitted to these tokens."
            );
            add(name, &caption, the_law(&law.estimators[i]))?;
        }
        add(
            "gating",
            "What a gate risks (mean beta of the tokens it lets pass) over the share of tokens that it sends.",
            gating(law),
        )?;
        add("density", "How often which uncertainty occurs, with the paper's two thresholds.", density(law))?;
    }
    Ok(figures)
}

fn speed(setting: &SettingRecord, title: &str, log: bool) -> Result<String, EvalError> {
    let bars = setting.rows.iter().map(|row| {
        let speed = row.summary.tokens_per_second;
        Bar {
            label: row.method.name(),
            value: speed.value,
            interval: Some((speed.low, speed.high)),
            text: if speed.value < 10.0 { format!("{:.2}", speed.value) } else { format!("{:.1}", speed.value) },
            color: color(row.method),
        }
    });
    Bars { title: title.into(), axis: "tokens a second".into(), bars: bars.collect(), log }.draw()
}

fn uplink(setting: &SettingRecord) -> Result<String, EvalError> {
    let rows = setting.rows.iter().filter(|row| row.summary.up_per_token > 0.0);
    let bars = rows.map(|row| Bar {
        label: row.method.name(),
        value: row.summary.up_per_token,
        interval: None,
        text: format!("{:.0}", row.summary.up_per_token),
        color: color(row.method),
    });
    let (title, axis) = ("Uplink for a token of the reply".into(), "bytes".into());
    Bars { title, axis, bars: bars.collect(), log: true }.draw()
}

/// Ends of the axis of round trips, in milliseconds, with room for the legend on the right.
const RTT_RANGE: (f64, f64) = (10.0, 290.0);

/// Methods whose speed is drawn over the round trip.
const DRAWN: [(Method, Mark); 7] = [
    (Method::OursExactAhead, Mark::LineAndPoints),
    (Method::UHlmRiskProne, Mark::LineAndPoints),
    (Method::OursOpportunistic, Mark::LineAndPoints),
    (Method::OursExact, Mark::LineAndPoints),
    (Method::LlmOnly, Mark::LineAndPoints),
    (Method::Hlm, Mark::LineAndPoints),
    (Method::FixedWindow(4), Mark::LineAndPoints),
];

fn by_rtt(chapter: &Chapter) -> Result<String, EvalError> {
    let points = |value: &dyn Fn(&SettingRecord) -> Option<f64>| -> Vec<(f64, f64)> {
        let at = |&rtt: &u32| Some((f64::from(rtt), value(chapter.setting(&names::free(rtt))?)?));
        ROUND_TRIPS.iter().filter_map(at).collect()
    };
    let series: Vec<Series> = DRAWN
        .iter()
        .zip(PALETTE)
        .map(|(&(method, mark), color)| {
            let speed = |s: &SettingRecord| Some(s.row(method)?.summary.tokens_per_second.value);
            Series::new(method.name(), points(&speed), mark, color)
        })
        .collect();
    let top = series.iter().flat_map(|s| &s.points).fold(0.0, |top: f64, p| top.max(p.1));
    Curves {
        title: "Speed over the round trip, payload free".into(),
        x: "round trip, ms".into(),
        y: "tokens a second".into(),
        x_range: RTT_RANGE,
        y_range: (0.0, top * 1.1),
        series,
        legend: SeriesLabelPosition::UpperRight,
    }
    .draw()
}

fn oracle(chapter: &Chapter) -> Result<String, EvalError> {
    let share = |method: Method, ahead: bool| -> Vec<(f64, f64)> {
        let at = |&rtt: &u32| {
            let setting = chapter.setting(&names::free(rtt))?;
            let (without, with) = setting.oracle?;
            let speed = setting.row(method)?.summary.tokens_per_second.value;
            Some((f64::from(rtt), 100.0 * speed / if ahead { with } else { without }))
        };
        ROUND_TRIPS.iter().filter_map(at).collect()
    };
    let fixed = [2, 4, 8].into_iter().zip([EXACT, PALETTE[6], PALETTE[2]]).map(|(length, color)| {
        let method = Method::FixedWindow(length);
        Series::new(method.name(), share(method, false), Mark::LineAndPoints, color)
    });
    let mut series: Vec<Series> = fixed.collect();
    let ahead = share(Method::OursExactAhead, true);
    series.push(Series::new("ours with draft-ahead, of its oracle", ahead, Mark::LineAndPoints, LOSSY));
    let ours = share(Method::OursExact, false);
    series.push(Series::new("ours without draft-ahead", ours, Mark::LineAndPoints, OURS));
    Curves {
        title: "Share of the oracle's speed".into(),
        x: "round trip, ms".into(),
        y: "%".into(),
        x_range: RTT_RANGE,
        y_range: (40.0, 105.0),
        series,
        legend: SeriesLabelPosition::LowerRight,
    }
    .draw()
}

fn accuracy(record: &Record) -> Result<String, EvalError> {
    // The greedy results come first where they were measured: the demo's tasks are meant to be answered so.
    let chapter = record.chapter(0.0).filter(|c| !c.quality.is_empty()).or_else(|| record.chapters.first());
    let Some(chapter) = chapter else { return Ok(String::new()) };
    let bars = chapter.quality.iter().map(|(method, quality, summary)| {
        let share = quality.accuracy;
        Bar {
            label: method.name(),
            value: 100.0 * share.value,
            interval: Some((100.0 * share.low, 100.0 * share.high)),
            text: format!("{:.1} % at {:.2} passes", 100.0 * share.value, summary.passes_per_token),
            color: color(*method),
        }
    });
    let title = format!("Right answers and target passes a token, temperature {}", chapter.temperature);
    Bars { title, axis: "% right".into(), bars: bars.collect(), log: false }.draw()
}

fn the_law(report: &EstimatorReport) -> Result<String, EvalError> {
    let (a, b) = (report.a.value, report.b.value);
    let start = if a > 0.0 { (-b / a).clamp(0.0, 1.0) } else { 0.0 };
    let line = vec![(0.0, 0.0), (start, 0.0), (1.0, (a + b).clamp(0.0, 1.0))];
    let binned = report.binned.iter().filter(|bin| bin.2 >= FEW).map(|bin| (bin.0, bin.1)).collect();
    Curves {
        title: format!("{}: beta = {a:.2} u {} {:.3}", report.line.name, if b < 0.0 { '-' } else { '+' }, b.abs()),
        x: "uncertainty u".into(),
        y: "rejection probability".into(),
        x_range: (0.0, 1.0),
        y_range: (0.0, 1.0),
        series: vec![
            Series::new("single tokens", report.scatter.clone(), Mark::Cloud, EXACT),
            Series::new("line fitted to these tokens", line, Mark::Line, LOSSY),
            Series::new(format!("means of {FEW} tokens or more"), binned, Mark::LineAndPoints, OURS),
        ],
        legend: SeriesLabelPosition::UpperLeft,
    }
    .draw()
}

fn gating(law: &LawReport) -> Result<String, EvalError> {
    let reports = law.estimators.iter().map(|e| &e.line).chain(law.learned.iter().skip(1));
    let series: Vec<Series> = reports
        .zip(PALETTE)
        .map(|(report, color)| Series::new(&report.name, report.risk_curve.clone(), Mark::Line, color))
        .collect();
    Curves {
        title: "Risk over the share of tokens sent".into(),
        x: "share sent".into(),
        y: "risk a token".into(),
        x_range: (0.0, 0.6),
        y_range: (0.0, law.mean_beta * 1.05),
        series,
        legend: SeriesLabelPosition::UpperRight,
    }
    .draw()
}

fn density(law: &LawReport) -> Result<String, EvalError> {
    let steps = |value: &dyn Fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let width = law.density.first().map_or(1.0, |bin| bin.0);
        let step = |bin: &(f64, f64, f64)| [(bin.0 - width, 100.0 * value(bin)), (bin.0, 100.0 * value(bin))];
        law.density.iter().flat_map(step).collect()
    };
    let (paper, ours) = (steps(&|bin| bin.1), steps(&|bin| bin.2));
    let top = paper.iter().chain(&ours).fold(0.0, |top: f64, p| top.max(p.1)) * 1.08;
    let at = |u: f32| vec![(f64::from(u), 0.0), (f64::from(u), top)];
    Curves {
        title: "Density of the uncertainty".into(),
        x: "uncertainty u".into(),
        y: "% of tokens".into(),
        x_range: (0.0, 1.0),
        y_range: (0.0, top),
        series: vec![
            Series::new("as the paper draws it", paper, Mark::Area, LOSSY),
            Series::new("without sampling noise", ours, Mark::Area, OURS),
            Series::new("risk-averse threshold", at(law.risk.risk_averse), Mark::Dashed, PALETTE[2]),
            Series::new("risk-prone threshold", at(law.risk.risk_prone), Mark::Dashed, PALETTE[4]),
        ],
        legend: SeriesLabelPosition::UpperRight,
    }
    .draw()
}

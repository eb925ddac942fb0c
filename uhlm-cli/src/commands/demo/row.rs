//! Keeps the figures of one measured mode, and makes the tables of several.

use serde::Serialize;
use uhlm_core::{Mode, OriginCounts, Statistics};
use uhlm_eval::statistics::{line, median};
use uhlm_law::gate::Goal;
use uhlm_server::Snapshot;

use super::which::Which;
use crate::evaluate::Evaluation;
use crate::report::{Quantiles, Rates, percent, significant};
use crate::terminal::style::{Style, paint};
use crate::terminal::table::Table;

/// Number of bytes of a round's upload for each judged token, by the project's claim; the claim allows 40 bytes beside.
const CLAIMED_PER_TOKEN: f64 = 8.0;

/// The results of one mode on the questions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    mode: Which,
    /// Goal of the gate; only in the mode `opportunistic`.
    goal: Option<Goal>,
    accuracy: Accuracy,
    #[serde(flatten)]
    rates: Rates,
    origins: OriginCounts,
    seconds: f64,
    /// Bytes for each token; `None` in the mode `device-only`.
    bytes_per_token: Option<Traffic>,
    /// Sizes of the rounds; `None` where none was sent.
    round: Option<Rounds>,
}

/// The right replies, with Wilson's 95 % interval of their share.
#[derive(Clone, Copy, Debug, Serialize)]
struct Accuracy {
    right: usize,
    questions: usize,
    value: f64,
    low: f64,
    high: f64,
}

/// The bytes for each token of the replies.
#[derive(Clone, Copy, Debug, Serialize)]
struct Traffic {
    body_up: f64,
    body_down: f64,
    /// Bytes below TLS, as the server counts them: TLS records, HTTP/2 frames and headers included.
    wire_up: f64,
    wire_down: f64,
}

/// The sizes of the requests that asked for a verdict, and of their answers.
#[derive(Clone, Copy, Debug, Serialize)]
struct Rounds {
    count: usize,
    /// Mean number of tokens in a window.
    tokens_mean: f64,
    body_up_median: f64,
    body_down_median: f64,
    body_up: Quantiles,
    body_down: Quantiles,
    /// Wire bytes in each round, both ways.
    wire_up_mean: f64,
    wire_down_mean: f64,
    /// Line of the upload over the window's length: bytes for each token, and below bytes beside.
    up_per_token: Option<f64>,
    up_beside: Option<f64>,
    /// Most bytes over all rounds that an upload has beyond 8 for each token: the claim is 40.
    up_beyond_8_a_token_max: f64,
    up_per_judged_token: f64,
}

impl Rounds {
    fn of(statistics: &Statistics, wire: (u64, u64)) -> Option<Self> {
        let up: Vec<f64> = statistics.round_bytes.iter().map(|bytes| f64::from(bytes.0)).collect();
        let down: Vec<f64> = statistics.round_bytes.iter().map(|bytes| f64::from(bytes.1)).collect();
        let points: Vec<(f64, f64)> =
            statistics.round_tokens.iter().map(|&tokens| f64::from(tokens)).zip(up.iter().copied()).collect();
        let count = up.len();
        let fit = line(&points);
        let beyond = points.iter().map(|(tokens, bytes)| bytes - CLAIMED_PER_TOKEN * tokens);
        Some(Self {
            count,
            tokens_mean: points.iter().map(|point| point.0).sum::<f64>() / count as f64,
            body_up_median: median(&up)?,
            body_down_median: median(&down)?,
            body_up: Quantiles::of(&up)?,
            body_down: Quantiles::of(&down)?,
            wire_up_mean: wire.0 as f64 / count as f64,
            wire_down_mean: wire.1 as f64 / count as f64,
            up_per_token: fit.map(|fit| fit.1),
            up_beside: fit.map(|fit| fit.0),
            up_beyond_8_a_token_max: beyond.fold(f64::NEG_INFINITY, f64::max),
            up_per_judged_token: up.iter().sum::<f64>() / statistics.judged.max(1) as f64,
        })
    }
}

impl Row {
    pub(crate) fn new(
        which: Which,
        mode: Mode,
        goal: Option<Goal>,
        evaluation: &Evaluation,
        before: &Snapshot,
        after: &Snapshot,
    ) -> Self {
        let (statistics, accuracy) = (&evaluation.statistics, evaluation.accuracy());
        let (low, high) = accuracy.wilson95();
        let wire = (after.wire_bytes_in - before.wire_bytes_in, after.wire_bytes_out - before.wire_bytes_out);
        let per_token = |bytes: u64| bytes as f64 / statistics.tokens().max(1) as f64;
        Self {
            mode: which,
            goal,
            accuracy: Accuracy {
                right: accuracy.successes,
                questions: accuracy.trials,
                value: accuracy.value(),
                low,
                high,
            },
            rates: Rates::of(statistics, mode),
            origins: statistics.origins,
            seconds: statistics.elapsed.as_secs_f64(),
            bytes_per_token: (mode != Mode::DeviceOnly).then(|| Traffic {
                body_up: per_token(statistics.body_up),
                body_down: per_token(statistics.body_down),
                wire_up: per_token(wire.0),
                wire_down: per_token(wire.1),
            }),
            round: Rounds::of(statistics, wire),
        }
    }
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".into())
}

/// Returns the tables for people; `available` questions could be asked.
pub(crate) fn render(rows: &[Row], questions: usize, available: usize) -> String {
    let heading = |text: &str| paint(Style::Heading, text);
    let more = if questions < available { format!(" (--questions {available} asks all)") } else { String::new() };
    let parts = [
        format!("{} on {questions} held-out questions{more}", heading("Every mode")),
        quality(rows).render(),
        "TR: share of drafted tokens sent to be judged. TSR: share of skipped tokens\n\
         that the target would have accepted. passes: target passes for each token.\n\
         Both models are tiny and share this machine's cores: behind a target that\n\
         takes tens of ms a pass, fewer passes save far more."
            .into(),
        String::new(),
        format!("{} a token (wire: with headers, HTTP/2, TLS), and the median round", heading("Bytes")),
        bytes(rows).render(),
        String::new(),
        format!("{} in milliseconds (parts are medians)", heading("Verdicts")),
        verdicts(rows).render(),
    ];
    parts.join("\n")
}

fn quality(rows: &[Row]) -> Table {
    let mut table = Table::new(&["mode", "right", "95 %", "tok/s", "TR", "TSR", "passes", "accepted"]);
    for row in rows {
        let Row { accuracy: a, rates, .. } = row;
        table.push(vec![
            row.mode.title().into(),
            format!("{:.1} %", a.value * 100.0),
            format!("{:.0}-{:.0}", a.low * 100.0, a.high * 100.0),
            significant(rates.tokens_per_second),
            or_dash(rates.transmission_rate.map(percent)),
            or_dash(rates.true_skip_rate.map(percent)),
            if rates.target_passes_per_token > 0.0 {
                format!("{:.3}", rates.target_passes_per_token)
            } else {
                "-".into()
            },
            or_dash(rates.acceptance_rate.map(percent)),
        ]);
    }
    table
}

fn bytes(rows: &[Row]) -> Table {
    let mut table = Table::new(&["up/down", "body", "wire", "round", "upload of n tokens"]);
    for row in rows {
        let Some(traffic) = &row.bytes_per_token else { continue };
        let round = row.round.as_ref();
        let pair = |up: f64, down: f64| format!("{}/{}", significant(up), significant(down));
        table.push(vec![
            row.mode.title().into(),
            pair(traffic.body_up, traffic.body_down),
            pair(traffic.wire_up, traffic.wire_down),
            or_dash(round.map(|round| format!("{:.0}/{:.0}", round.body_up_median, round.body_down_median))),
            or_dash(round.and_then(|round| Some(format!("{:.1} n {:+.1}", round.up_per_token?, round.up_beside?)))),
        ]);
    }
    table
}

fn verdicts(rows: &[Row]) -> Table {
    let mut table = Table::new(&["mode", "p50", "p99", "network", "queue", "decode", "rounds", "rolled back"]);
    for row in rows {
        let (Some(times), Some(round)) = (&row.rates.verdict_ms, &row.round) else { continue };
        table.push(vec![
            row.mode.title().into(),
            significant(times.total.p50),
            significant(times.total.p99),
            significant(times.network.p50),
            significant(times.queue.p50),
            significant(times.decode.p50),
            round.count.to_string(),
            row.rates.rolled_back_tokens.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_split_into_bytes_a_token_and_bytes_beside() {
        let statistics = Statistics {
            judged: 12,
            round_bytes: vec![(30, 20), (36, 20), (48, 22)],
            round_tokens: vec![2, 3, 5],
            ..Statistics::default()
        };
        let rounds = Rounds::of(&statistics, (300, 200)).expect("there are rounds");
        assert_eq!(rounds.up_per_token.map(f64::round), Some(6.0));
        assert_eq!(rounds.up_beside.map(f64::round), Some(18.0));
        assert_eq!(rounds.up_beyond_8_a_token_max, 14.0);
        assert_eq!((rounds.body_up_median, rounds.body_down_median), (36.0, 20.0));
        assert_eq!((rounds.wire_up_mean, rounds.up_per_judged_token), (100.0, 9.5));
    }

    #[test]
    fn a_mode_without_rounds_has_no_numbers_about_them() {
        assert!(Rounds::of(&Statistics::default(), (0, 0)).is_none());
    }
}

//! Which modes are measured, and how.

use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::Serialize;
use uhlm_core::calibration::Calibration;
use uhlm_core::gate::Goal;
use uhlm_core::session::{DraftAhead, Mode, SessionOptions};

use super::row::Row;
use crate::evaluate::Evaluator;
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::options::default_goal;
use crate::terminal::progress;

/// A mode to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// The target alone, streamed
    Target,
    /// The draft model alone
    Draft,
    /// Exact; drafting goes on while a verdict travels
    Exact,
    /// Exact; the device waits for each verdict
    ExactWaiting,
    /// Exact; two windows in flight
    ExactPipelined,
    /// Opportunistic at the threshold that calibration recommends
    Opportunistic,
    /// Opportunistic at the paper's risk-averse threshold
    RiskAverse,
    /// Opportunistic at the paper's risk-prone threshold
    RiskProne,
}

impl Which {
    pub(crate) const ALL: [Self; 8] = [
        Self::Target,
        Self::Draft,
        Self::Exact,
        Self::ExactWaiting,
        Self::ExactPipelined,
        Self::Opportunistic,
        Self::RiskAverse,
        Self::RiskProne,
    ];

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Target => "target alone",
            Self::Draft => "draft alone",
            Self::Exact => "exact, draft-ahead",
            Self::ExactWaiting => "exact, waiting",
            Self::ExactPipelined => "exact, 2 in flight",
            Self::Opportunistic => "opp., goal",
            Self::RiskAverse => "opp., risk-averse",
            Self::RiskProne => "opp., risk-prone",
        }
    }

    fn options(self, base: &SessionOptions, calibration: &Calibration) -> SessionOptions {
        let base = SessionOptions { calibration: calibration.clone(), ..base.clone() };
        let exact = |draft_ahead| SessionOptions { mode: Mode::Exact, draft_ahead, ..base.clone() };
        let opportunistic = |goal| SessionOptions { mode: Mode::Opportunistic, goal, ..base.clone() };
        match self {
            Self::Target => SessionOptions { mode: Mode::RemoteOnly, ..base },
            Self::Draft => SessionOptions { mode: Mode::DeviceOnly, ..base },
            Self::Exact => exact(DraftAhead::WhileWaiting),
            Self::ExactWaiting => exact(DraftAhead::Off),
            Self::ExactPipelined => exact(DraftAhead::Pipelined(2)),
            Self::Opportunistic => opportunistic(default_goal(calibration)),
            Self::RiskAverse => opportunistic(Goal::RiskAverse),
            Self::RiskProne => opportunistic(Goal::RiskProne),
        }
    }
}

/// Measures the modes one after the other on the same questions. The server's counters are read around each, so that
/// the bytes on the wire are that mode's own.
pub(crate) fn measure(
    evaluator: &Evaluator<'_>,
    base: &SessionOptions,
    calibration: &Calibration,
    loopback: &Loopback,
    wanted: &[Which],
) -> Result<Vec<Row>, Failure> {
    let bar = progress::bar(evaluator.questions.len() * wanted.len(), "");
    let rows = wanted
        .iter()
        .map(|&which| {
            bar.set_message(which.title());
            let options = which.options(base, calibration);
            let (mode, goal) = (options.mode, (options.mode == Mode::Opportunistic).then_some(options.goal));
            let session = evaluator.warm_session(options.clone())?;
            let before = loopback.counters();
            let mut evaluation = evaluator.run(&session, false, &bar)?;
            let after = loopback.counters();
            if mode == Mode::Opportunistic {
                // What skipped tokens are worth is only known where they report it, which costs bytes that no app would
                // spend: a second pass says it, and nothing else of it counts.
                let labelled =
                    evaluator.run(&evaluator.warm_session(options)?, true, &ProgressBar::hidden())?.statistics;
                evaluation.statistics.skipped_labelled = labelled.skipped_labelled;
                evaluation.statistics.skipped_acceptable = labelled.skipped_acceptable;
            }
            Ok(Row::new(which, mode, goal, &evaluation, &before, &after))
        })
        .collect();
    bar.finish_and_clear();
    rows
}

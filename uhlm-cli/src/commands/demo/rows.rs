//! Measures the modes of the demo.

use indicatif::ProgressBar;
use uhlm_core::{Mode, SessionOptions};
use uhlm_law::calibration::Calibration;

use super::row::Row;
use super::which::Which;
use crate::evaluate::Evaluator;
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::terminal::progress;

/// Measures the modes one after the other on the same questions. The server's counters are read before and after each
/// mode, so that the bytes on the wire are that mode's own.
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
                // The worth of skipped tokens is only known where they report it, which costs bytes that no app would
                // spend: a second pass measures it, and nothing else of that pass counts.
                let labelled =
                    evaluator.run(&evaluator.warm_session(options)?, true, &ProgressBar::hidden())?.statistics;
                evaluation.statistics.skipped_labelled = labelled.skipped_labelled;
                evaluation.statistics.skipped_matched = labelled.skipped_matched;
            }
            Ok(Row::new(which, mode, goal, &evaluation, &before, &after))
        })
        .collect();
    bar.finish_and_clear();
    rows
}

//! Finds the largest threshold that keeps a share of the target's accuracy.
//!
//! Accuracy falls as more tokens are skipped, but not in a way that the law predicts: one wrong digit spoils an answer,
//! a synonym does not. So it is measured, on the questions themselves, by bisection over a ladder of thresholds. The
//! comparison is paired (the same question under target and hybrid), and a threshold passes if the lower end of the
//! one-sided 90 % interval of the kept share reaches the wanted share.

use serde::Serialize;
use uhlm_core::{Mode, SessionOptions};
use uhlm_law::calibration::Calibration;
use uhlm_law::gate::Goal;

use crate::evaluate::Evaluator;
use crate::failure::Failure;
use crate::report::percent;
use crate::terminal::progress;
use crate::terminal::table::Table;

/// Share of the target's accuracy that the demo keeps.
pub(crate) const KEEP: f64 = 0.975;
/// Quantile of the standard normal distribution for a one-sided 90 %.
const Z90: f64 = 1.281_552;
/// Rungs of the ladder of thresholds, as shares of tokens sent on the calibration run.
const SHARES: [f64; 15] = [0.6, 0.5, 0.4, 0.32, 0.26, 0.2, 0.16, 0.12, 0.09, 0.07, 0.05, 0.03, 0.02, 0.01, 0.0];

/// Reads a share in (0, 1].
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err("expected a share above 0, at most 1".into()) }
}

/// The thresholds that were tried, and the result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Search {
    keep: f64,
    target_accuracy: f64,
    questions: usize,
    trials: Vec<Trial>,
    /// Largest threshold that passed; `None` if even the smallest did not.
    pub(crate) threshold: Option<f32>,
}

/// The results of one threshold.
#[derive(Clone, Debug, Serialize)]
struct Trial {
    threshold: f32,
    transmission_rate: f64,
    accuracy: f64,
    kept: f64,
    /// Lower end of the interval of `kept`.
    kept_low: f64,
    passed: bool,
}

/// Measures the target alone and the thresholds that bisection asks for.
pub(crate) fn search(
    evaluator: &Evaluator<'_>,
    base: &SessionOptions,
    calibration: &Calibration,
    keep: f64,
) -> Result<Search, Failure> {
    let mut ladder: Vec<f32> = SHARES.iter().map(|&share| calibration.threshold_for_share(share)).collect();
    ladder.dedup();
    let bar = progress::bar(evaluator.questions.len(), "target alone");
    let options = SessionOptions { mode: Mode::RemoteOnly, ..base.clone() };
    let target = evaluator.run(&evaluator.warm_session(options)?, false, &bar)?;
    let mut trials = Vec::new();
    let best = last_that_passes(ladder.len(), |i| {
        let threshold = ladder[i];
        bar.set_position(0);
        bar.set_message(format!("opportunistic at u_th {threshold:.3}"));
        let options = SessionOptions {
            mode: Mode::Opportunistic,
            calibration: calibration.clone(),
            goal: Goal::Threshold(threshold),
            ..base.clone()
        };
        let hybrid = evaluator.run(&evaluator.warm_session(options)?, false, &bar)?;
        let (kept, kept_low) = kept(&target.marks, &hybrid.marks);
        let passed = kept_low >= keep;
        trials.push(Trial {
            threshold,
            transmission_rate: hybrid.statistics.transmission_rate(),
            accuracy: hybrid.accuracy().value(),
            kept,
            kept_low,
            passed,
        });
        Ok::<_, Failure>(passed)
    })?;
    bar.finish_and_clear();
    trials.sort_by(|a, b| a.threshold.total_cmp(&b.threshold));
    Ok(Search {
        keep,
        target_accuracy: target.accuracy().value(),
        questions: evaluator.questions.len(),
        trials,
        threshold: best.map(|i| ladder[i]),
    })
}

/// Returns the last of `count` candidates that passes, by bisection, given that all after it fail; `None` if the first
/// one fails.
fn last_that_passes<E>(count: usize, mut passes: impl FnMut(usize) -> Result<bool, E>) -> Result<Option<usize>, E> {
    let (mut good, mut bad) = (0, count);
    // `good` is the number of candidates known to pass, `bad` the index of the first one known to fail.
    while good < bad {
        let middle = good.midpoint(bad);
        if passes(middle)? {
            good = middle + 1;
        } else {
            bad = middle;
        }
    }
    Ok(good.checked_sub(1))
}

/// Returns the share of the target's accuracy that the hybrid keeps, and the lower end of its one-sided 90 % interval.
/// Questions on which both agree say nothing about the difference, so its variance rests on the others alone (as in
/// McNemar's test).
fn kept(target: &[bool], hybrid: &[bool]) -> (f64, f64) {
    let n = target.len() as f64;
    let count = |t: bool, h: bool| target.iter().zip(hybrid).filter(|&(&a, &b)| (a, b) == (t, h)).count() as f64;
    let (lost, won) = (count(true, false), count(false, true));
    let right = target.iter().filter(|right| **right).count() as f64;
    if right == 0.0 {
        return (1.0, 1.0);
    }
    // One more discordant question than was seen is counted: none seen does not mean that there are none.
    let variance = (lost + won + 1.0 - (lost - won) * (lost - won) / n).max(0.0);
    let kept = 1.0 + (won - lost) / right;
    (kept, kept - Z90 * variance.sqrt() / right)
}

impl Search {
    /// Returns the search as a table for people.
    pub(crate) fn render(&self) -> String {
        let mut table = Table::new(&["u_th", "TR", "accuracy", "of target's", "at least", ""]);
        for trial in &self.trials {
            table.push(vec![
                format!("{:.3}", trial.threshold),
                percent(trial.transmission_rate),
                format!("{:.1} %", trial.accuracy * 100.0),
                format!("{:.1} %", trial.kept * 100.0),
                format!("{:.1} %", trial.kept_low * 100.0),
                if trial.passed { "passes".into() } else { "fails".into() },
            ]);
        }
        let goal = format!(
            "goal: at least {:.1} % of the target's accuracy, which is {:.1} % on {} questions",
            self.keep * 100.0,
            self.target_accuracy * 100.0,
            self.questions
        );
        let outcome = match self.threshold {
            Some(threshold) => format!("recommended: u_th = {threshold:.3}"),
            None => "no threshold keeps it; every token should be judged".to_owned(),
        };
        format!("{goal}\n{}\n{outcome}", table.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bisection_finds_the_last_candidate_that_passes() {
        for count in 0..12_usize {
            for passing in 0..=count {
                let found = last_that_passes::<()>(count, |i| Ok(i < passing));
                assert_eq!(found, Ok(passing.checked_sub(1)), "{passing} of {count}");
            }
        }
    }

    #[test]
    fn equal_marks_keep_everything_but_not_for_certain() {
        let marks = [true; 200];
        let (share, low) = kept(&marks, &marks);
        assert_eq!(share, 1.0);
        assert!(low > 0.99 && low < 1.0, "{low}");
    }

    #[test]
    fn lost_answers_count_against_the_share_and_widen_the_interval() {
        let target = [true; 200];
        let mut hybrid = target;
        hybrid[..4].fill(false);
        let (share, low) = kept(&target, &hybrid);
        assert!((share - 0.98).abs() < 1e-9);
        assert!(low < 0.975, "{low}");
    }
}

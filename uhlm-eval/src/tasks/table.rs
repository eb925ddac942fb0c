//! Computes the accuracy and the costs of each method over all replies.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::Outcome;
use crate::statistics::{Proportion, Z95};

/// Name of the method that the others are compared with.
pub const TARGET: &str = "target";

/// A row of the table: one method on one set at one temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the set.
    pub set: String,
    /// Temperature of sampling.
    pub temperature: f64,
    /// Name of the method.
    pub method: String,
    /// Share of right replies.
    pub accuracy: Proportion,
    /// Accuracy less the target's on the same tasks, with its interval at 95 %; `None` for the target itself and where
    /// no task was answered by both.
    pub difference: Option<(f64, f64, f64)>,
    /// Number of tokens of all replies.
    pub tokens: u64,
    /// Number of passes of the target for each token.
    pub passes: f64,
    /// Transmission rate (TR): share of the drafted tokens that were judged; `None` where none was judged or skipped.
    pub transmission: Option<f64>,
    /// True skip rate (TSR): share of the skipped tokens that are the target's own; `None` where none was labelled.
    pub true_skips: Option<f64>,
    /// Number of bytes of request bodies for each token.
    pub up: f64,
    /// Number of bytes of response bodies for each token.
    pub down: f64,
    /// Number of tokens that were not judged because the verifier was out of reach.
    pub unverified: u64,
}

/// Returns the difference of two methods' accuracy on the same tasks and its interval at 95 %: mean and normal interval
/// of the tasks' own differences, of which each is -1, 0 or 1. One more task on which they differ is added in each
/// direction, because the absence of such tasks among few says little.
fn difference(pairs: &[(bool, bool)]) -> Option<(f64, f64, f64)> {
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len() as f64;
    let count = |own: bool, other: bool| pairs.iter().filter(|&&pair| pair == (own, other)).count() as f64;
    let (won, lost) = (count(true, false), count(false, true));
    let mean = (won - lost) / n;
    let variance = ((won + lost + 2.0) / n - mean * mean).max(0.0) / n;
    let half = Z95 * variance.sqrt();
    Some((mean, mean - half, mean + half))
}

/// Returns the rows, by set and temperature, in each the target first and the others by name.
#[must_use]
pub fn rows(outcomes: &[Outcome]) -> Vec<Row> {
    let mut groups = BTreeMap::<(&str, u32), BTreeMap<&str, Vec<&Outcome>>>::new();
    for outcome in outcomes {
        let group = groups.entry((&outcome.key.set, outcome.key.temperature_hundredths)).or_default();
        group.entry(&outcome.key.method).or_default().push(outcome);
    }
    let mut rows = Vec::new();
    for ((set, hundredths), methods) in &groups {
        let right: BTreeMap<&str, bool> = methods
            .get(TARGET)
            .map(|outcomes| outcomes.iter().map(|outcome| (outcome.key.task.as_str(), outcome.right)).collect())
            .unwrap_or_default();
        let names: BTreeSet<(bool, &str)> = methods.keys().map(|&name| (name != TARGET, name)).collect();
        for (is_other, method) in names {
            let outcomes = &methods[method];
            let pairs: Vec<(bool, bool)> = outcomes
                .iter()
                .filter_map(|outcome| Some((outcome.right, *right.get(outcome.key.task.as_str())?)))
                .collect();
            let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(|outcome| count(outcome)).sum::<u64>();
            let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
            let tokens = sum(|outcome| outcome.tokens);
            let each = |count: u64| share(count, tokens).unwrap_or(0.0);
            let (judged, skipped) = (sum(|outcome| outcome.judged), sum(|outcome| outcome.skipped));
            rows.push(Row {
                set: (*set).to_owned(),
                temperature: f64::from(*hundredths) / 100.0,
                method: method.to_owned(),
                accuracy: Proportion {
                    successes: outcomes.iter().filter(|outcome| outcome.right).count(),
                    trials: outcomes.len(),
                },
                difference: if is_other { difference(&pairs) } else { None },
                tokens,
                passes: each(sum(|outcome| outcome.passes)),
                transmission: share(judged, judged + skipped),
                true_skips: share(sum(|outcome| outcome.matched), sum(|outcome| outcome.labelled)),
                up: each(sum(|outcome| outcome.up)),
                down: each(sum(|outcome| outcome.down)),
                unverified: sum(|outcome| outcome.unverified),
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    #[test]
    fn a_method_is_compared_with_the_target_on_the_tasks_that_both_answered() {
        let marks = [(true, true), (true, false), (false, true), (true, true)];
        let mut all: Vec<Outcome> = Vec::new();
        for (task, &(target, draft)) in marks.iter().enumerate() {
            all.push(outcome("target", task, target));
            all.push(outcome("draft", task, draft));
        }
        // The target did not answer this task, so it does not count in the difference.
        all.push(outcome("draft", 9, true));
        let rows = rows(&all);
        let names: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
        assert_eq!(names, ["target", "draft"]);
        assert_eq!((rows[0].accuracy.successes, rows[0].accuracy.trials, rows[0].difference), (3, 4, None));
        assert_eq!((rows[1].accuracy.successes, rows[1].accuracy.trials), (4, 5));
        let (mean, low, high) = rows[1].difference.expect("four tasks");
        assert!(mean.abs() < 1e-12 && (low + high).abs() < 1e-12 && high > 0.9, "{mean} {low} {high}");
        assert_eq!(rows[1].transmission, Some(0.75));
    }

    #[test]
    fn many_equal_marks_leave_a_narrow_interval_around_nothing() {
        let pairs = [(true, true); 200];
        let (mean, low, high) = difference(&pairs).expect("pairs");
        assert_eq!(mean, 0.0);
        assert!(low > -0.02 && high < 0.02, "{low} {high}");
        assert_eq!(difference(&[]), None);
    }
}

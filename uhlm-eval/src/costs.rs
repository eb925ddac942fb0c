//! The cost of passes in virtual time beyond a base: further tokens of a draft batch, further rows of the target.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pair::ComputeTimes;

/// The cost of passes of the draft and the target model, in virtual time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassCosts {
    /// Time of one pass of either model.
    pub times: ComputeTimes,
    /// Cost of each further token of a batch to the draft model, as a share of one draft pass: the device reads several
    /// tokens at once where the target has written on without it. A prompt is one pass.
    pub further_draft: f64,
    /// Time of a target pass by its number of rows; `None` where rows cost nothing beyond
    /// [`ComputeTimes::target_per_token_ms`].
    pub rows: Option<RowTable>,
}

impl From<ComputeTimes> for PassCosts {
    fn from(times: ComputeTimes) -> Self {
        Self { times, further_draft: 0.0, rows: None }
    }
}

impl PassCosts {
    /// Returns the time of a draft pass over `tokens` tokens of the reply, at least one.
    #[must_use]
    pub fn draft(&self, tokens: usize) -> Duration {
        self.times.draft().mul_f64(1.0 + self.further_draft * tokens.saturating_sub(1) as f64)
    }

    /// Returns the time of a target pass over `tokens` tokens, of which the last `rows` decide something; zero for no
    /// tokens.
    #[must_use]
    pub fn target(&self, tokens: usize, rows: usize) -> Duration {
        let factor = self.rows.as_ref().map_or(1.0, |table| table.factor(rows));
        let base = self.times.target(tokens);
        let further = Duration::from_secs_f64(self.times.target_ms * (factor - 1.0).max(0.0) / 1e3);
        if tokens == 0 { base } else { base + further }
    }
}

/// Time of a target pass by its number of rows, as a multiple of a pass of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTable {
    /// Numbers of rows, ascending, each with its multiple.
    points: Vec<(usize, f64)>,
}

impl RowTable {
    /// Makes a table of measured passes, given as numbers of rows with milliseconds. Returns `None` unless it begins
    /// with one row, the numbers ascend and the times are positive.
    #[must_use]
    pub fn measured(passes: &[(usize, f64)]) -> Option<Self> {
        let (&(first, base), ascends) = (passes.first()?, passes.is_sorted_by(|a, b| a.0 < b.0));
        let sound = first == 1 && ascends && passes.iter().all(|pass| pass.1 > 0.0 && pass.1.is_finite());
        sound.then(|| Self { points: passes.iter().map(|&(rows, ms)| (rows, ms / base)).collect() })
    }

    /// Returns the multiple for a pass of `rows` rows: on a line between the measured numbers, and beyond them on the
    /// line from the first to the last.
    #[must_use]
    pub fn factor(&self, rows: usize) -> f64 {
        let (Some(&first), Some(&last)) = (self.points.first(), self.points.last()) else { return 1.0 };
        let after = self.points.iter().position(|point| point.0 >= rows);
        let (a, b) = match after {
            Some(0) => return first.1,
            Some(place) => (self.points[place - 1], self.points[place]),
            None if last.0 > first.0 => (first, last),
            None => return last.1,
        };
        let slope = (b.1 - a.1) / (b.0 - a.0) as f64;
        let from = if after.is_some() { a } else { b };
        from.1 + slope * (rows as f64 - from.0 as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: ComputeTimes = ComputeTimes { draft_ms: 20.0, target_ms: 100.0, target_per_token_ms: 1.0 };

    #[test]
    fn rows_cost_what_was_measured_and_lie_on_lines_between_and_beyond() {
        let table = RowTable::measured(&[(1, 100.0), (3, 160.0), (5, 200.0)]).expect("sound");
        let at = |rows| (table.factor(rows) * 1e6).round() / 1e6;
        assert_eq!([0, 1, 2, 3, 4, 5, 9].map(at), [1.0, 1.0, 1.3, 1.6, 1.8, 2.0, 3.0]);
        assert!(RowTable::measured(&[(2, 1.0)]).is_none() && RowTable::measured(&[(1, 1.0), (1, 2.0)]).is_none());
        assert!(RowTable::measured(&[]).is_none() && RowTable::measured(&[(1, 0.0)]).is_none());
    }

    #[test]
    fn a_pass_of_many_tokens_and_few_rows_costs_the_rows() {
        let costs = PassCosts { times: TIMES, further_draft: 0.15, rows: RowTable::measured(&[(1, 50.0), (2, 75.0)]) };
        assert_eq!(costs.target(300, 2), Duration::from_millis(100 + 300 + 50));
        assert_eq!(costs.target(0, 0), Duration::ZERO);
        assert_eq!([costs.draft(1), costs.draft(5)], [20, 32].map(Duration::from_millis));
        assert_eq!(PassCosts::from(TIMES).target(2, 2), TIMES.target(2));
    }
}

//! The measured time that it takes to score rows which cost more than usual: those of a chain with penalties, and those
//! whose distribution is wanted as well.
//!
//! How long a pass takes follows from its width ([`super::times`]) where its rows are cheap to score. A window of 256
//! rows under a costly chain may take as long again to score as it does to decode, so such rows have a limit of their
//! own in a pass that owners share. The code here is pure: it is told what was measured.

/// Weight of a new time in the average.
const WEIGHT: f64 = 0.25;

/// Measured times of scoring.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowCosts {
    /// Seconds that scoring takes after a pass without costly rows. An engine that works on its own may count some of
    /// its decoding as that.
    plain: Option<f64>,
    /// Seconds that each costly row adds.
    costly: Option<f64>,
}

impl RowCosts {
    /// Takes note that scoring `rows` rows, of which so many were costly, took `seconds` after a pass. Nothing is known
    /// of costly rows before there was a pass without them, for an engine that works on its own decodes in that time.
    pub(super) fn observe(&mut self, rows: usize, costly: usize, seconds: f64) {
        if rows == 0 || !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        if costly == 0 {
            self.plain = Some(nearer(self.plain, seconds));
        } else if let Some(plain) = self.plain {
            self.costly = Some(nearer(self.costly, (seconds - plain).max(0.0) / costly as f64));
        }
    }

    /// Returns the number of costly rows that take about `seconds` to score, at most `most`; `most` while none was
    /// measured.
    pub(super) fn within(&self, seconds: f64, most: usize) -> usize {
        let Some(each) = self.costly.filter(|each| *each > 0.0) else { return most };
        // A float beyond the integers becomes the largest one.
        ((seconds / each) as usize).min(most)
    }
}

fn nearer(average: Option<f64>, new: f64) -> f64 {
    average.map_or(new, |average| average + WEIGHT * (new - average))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costly_rows_are_measured_beside_what_scoring_takes_without_them() {
        let mut costs = RowCosts::default();
        assert_eq!(costs.within(0.001, 64), 64, "nothing is measured");
        costs.observe(20, 20, 0.5);
        assert_eq!(costs.within(0.001, 64), 64, "all of it may have been decoding");
        (0..40).for_each(|_| costs.observe(9, 0, 0.002));
        (0..40).for_each(|_| costs.observe(29, 20, 0.002 + 20.0 * 0.000_4));
        assert_eq!(costs.within(0.004_1, 64), 10);
        assert_eq!(costs.within(1.0, 64), 64);
        costs.observe(3, 3, f64::NAN);
        assert_eq!(costs.within(0.004_1, 64), 10);
    }

    #[test]
    fn rows_that_cost_nothing_more_have_no_limit() {
        let mut costs = RowCosts::default();
        costs.observe(9, 0, 0.002);
        costs.observe(19, 10, 0.002);
        assert_eq!(costs.within(0.0, 64), 64);
    }
}

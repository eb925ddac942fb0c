//! Decides how many rows of a window go into one pass.
//!
//! A window is judged row by row up to the first token that does not stand; the rows after it were decoded for nothing.
//! Where a pass costs much and a row little, as on a GPU, the whole window goes into one pass. Where rows cost as much
//! one by one as together, as on a CPU at its limit, a few rows at a time bring the verdict sooner and leave the rest
//! to others: of a window of 4 whose tokens stand with 0.8, a third of the rows is saved. The code here is pure: it is
//! told what was measured ([`super::times`]) and who waits.

use super::times::Times;

/// Largest number of rows of one window that a pass may be cut to; longer windows are left to the pass's budget.
const MOST: usize = 32;
/// Largest share of the time of whole windows for which they are cut: times are known to about a tenth.
const GAIN: f64 = 0.9;
/// Seconds that a pass costs beside the engine's time: it is planned, drawn from, and its verdicts are sent.
const AROUND: f64 = 0.000_3;

/// A window that waits for a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// Number of its rows that are to be scored.
    pub(super) rows: usize,
    /// Probability that a drafted token of it stands, given that those before it do.
    pub(super) acceptance: f64,
}

/// Expected times of the next passes, by the number of rows of each window that they have at most.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    /// Seconds of a pass to which each window gives up to one row, up to two, and so on; infinite where passes are
    /// narrower than any that was measured, and empty while nothing is measured.
    seconds: Vec<f64>,
}

impl Cuts {
    /// Looks at all windows that wait. A pass has `beside` other tokens, and at most `budget` in all.
    pub(super) fn new(times: &Times, windows: &[Window], beside: usize, budget: usize) -> Self {
        let longest = windows.iter().map(|window| window.rows).max().unwrap_or(0).min(MOST);
        let tokens = |most: usize| beside + windows.iter().map(|window| window.rows.min(most)).sum::<usize>();
        let seconds = (1..=longest).map_while(|most| {
            let tokens = tokens(most).clamp(1, budget.max(1));
            // What narrower passes than those that were measured take is not known, however cheap it would be.
            let seconds = if times.reaches(tokens) { times.at(tokens)? + AROUND } else { f64::INFINITY };
            Some(seconds)
        });
        Self { seconds: seconds.collect() }
    }

    /// Returns the number of rows of this window with which its verdict is expected soonest, if no window has more in
    /// a pass; no limit where that is about as soon with the whole window.
    pub(super) fn rows_at_once(&self, window: &Window) -> usize {
        let whole = window.rows.min(self.seconds.len());
        let settled_after = |rows: usize| {
            let (pass, mut reached, mut passes) = (self.seconds[rows - 1], 1.0, 0.0);
            let survives = window.acceptance.powi(rows as i32);
            for _ in 0..window.rows.div_ceil(rows) {
                passes += reached;
                reached *= survives;
            }
            pass * passes
        };
        if whole < 2 {
            return usize::MAX;
        }
        let cuts = (1..whole).map(|rows| (settled_after(rows), rows));
        match cuts.min_by(|one, other| one.0.total_cmp(&other.0)) {
            Some((seconds, rows)) if seconds.is_finite() && seconds <= GAIN * settled_after(whole) => rows,
            _ => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::tests::engine;
    use super::*;

    const WINDOW: Window = Window { rows: 5, acceptance: 0.8 };
    const BUDGET: usize = 512;

    fn rows_at_once(times: &Times, count: usize, window: Window, beside: usize, budget: usize) -> usize {
        Cuts::new(times, &vec![window; count], beside, budget).rows_at_once(&window)
    }

    #[test]
    fn windows_are_cut_where_rows_cost_as_much_together_as_one_by_one() {
        let times = engine(0.0, 0.003);
        assert_eq!(rows_at_once(&times, 32, WINDOW, 0, BUDGET), 1);
        assert_eq!(rows_at_once(&times, 1, WINDOW, 0, BUDGET), 1);
    }

    #[test]
    fn windows_stay_whole_where_a_pass_costs_more_than_rows() {
        assert_eq!(rows_at_once(&engine(0.020, 0.000_01), 32, WINDOW, 0, BUDGET), usize::MAX);
        assert_eq!(rows_at_once(&engine(0.020, 0.000_25), 4, WINDOW, 60, BUDGET), usize::MAX);
        let sure = Window { acceptance: 1.0, ..WINDOW };
        assert_eq!(rows_at_once(&engine(0.0, 0.003), 32, sure, 0, BUDGET), usize::MAX, "and where all of them stand");
    }

    #[test]
    fn another_owners_long_windows_do_not_cut_short_ones_where_the_pass_is_full_anyway() {
        let mut windows = vec![Window { rows: 256, acceptance: 0.7 }; 16];
        windows.push(WINDOW);
        let cuts = Cuts::new(&engine(0.020, 0.000_6), &windows, 12, 32);
        assert_eq!(cuts.rows_at_once(&WINDOW), usize::MAX);
    }

    #[test]
    fn windows_stay_whole_where_passes_are_nothing_beside_what_is_done_around_them() {
        assert_eq!(rows_at_once(&engine(0.0, 0.000_02), 1, WINDOW, 0, BUDGET), usize::MAX);
    }

    #[test]
    fn windows_stay_whole_while_nothing_is_measured() {
        assert_eq!(rows_at_once(&Times::default(), 32, WINDOW, 0, BUDGET), usize::MAX);
        let mut wide = Times::default();
        (0..9).for_each(|_| wide.observe(5, 0.015));
        assert_eq!(rows_at_once(&wide, 1, WINDOW, 0, BUDGET), usize::MAX, "or nothing as narrow");
        assert_eq!(Cuts::new(&engine(0.0, 0.003), &[], 9, BUDGET).rows_at_once(&WINDOW), usize::MAX, "or none waits");
    }
}

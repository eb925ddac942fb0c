//! The measured times of the engine's passes, from which everything follows that is decided by time: how many tokens a
//! pass may have, how much of a long prompt it takes, how many drafted tokens a session gets judged, when a request can
//! be served.
//!
//! Times are kept by classes of widths, each power of two its own; narrow passes, where a row more or less matters, by
//! the law's table of each width ([`PassTimes`]) as well. The code here is pure: it is told what was measured.

use uhlm_law::pass_times::PassTimes;

/// Number of classes of widths: each power of two up to 2^15 tokens has a measurement of its own.
const CLASSES: usize = 16;
/// Weight of a new time in the average.
const WEIGHT: f64 = 0.25;
/// Largest multiple of the average that a new time counts as: one that stands out is not a new rule.
const OUTLIER: f64 = 2.0;
/// Longest time that a pass may spend on long prompts, in seconds.
const PIECE_SECONDS: f64 = 1.0;
/// Smallest number of tokens of long prompts that a pass may have, unless the engine's passes are shorter than that.
const LEAST_PIECE: usize = 8;

/// Measured times of passes by their number of tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Average number of tokens and average seconds of passes of 2^i to 2^(i+1) - 1 tokens.
    classes: [Option<(f64, f64)>; CLASSES],
    /// Times of narrow passes, width by width, with the load of the machine.
    narrow: PassTimes,
}

impl Times {
    /// Takes note that a pass of `tokens` took `seconds`.
    pub(super) fn observe(&mut self, tokens: usize, seconds: f64) {
        self.narrow.observe(tokens, seconds);
        let Some(class) = tokens.checked_ilog2().and_then(|class| self.classes.get_mut(class as usize)) else { return };
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        let tokens = tokens as f64;
        *class = Some(class.map_or((tokens, seconds), |(width, time)| {
            let seconds = seconds.min(time * OUTLIER + 1e-6);
            (width + WEIGHT * (tokens - width), time + WEIGHT * (seconds - time))
        }));
    }

    /// Returns the estimated time of a pass of `tokens`, in seconds; `None` while nothing is measured.
    pub(super) fn at(&self, tokens: usize) -> Option<f64> {
        let tokens = tokens as f64;
        let measured: Vec<(f64, f64)> = self.classes.iter().flatten().copied().collect();
        let (first, last) = (*measured.first()?, *measured.last()?);
        if tokens > last.0 {
            // Beyond what is measured each token costs what it does in the widest pass: an upper bound.
            return Some(last.1 * tokens / last.0);
        }
        let above = measured.iter().position(|(width, _)| *width >= tokens)?;
        if let Some(&before) = above.checked_sub(1).and_then(|below| measured.get(below)) {
            return Some(along(before, measured[above], tokens));
        }
        // Narrower than anything measured: as the next two widths say, but no less than its share of the narrowest.
        let share = first.1 * tokens / first.0;
        let next = measured.get(1).map_or(share, |second| along(first, *second, tokens));
        // Rounding may put the share above the whole.
        Some(next.max(share).min(first.1))
    }

    /// Tells whether a pass as narrow as `tokens` was measured, so that [`Self::at`] has more than a guess for it.
    pub(super) fn reaches(&self, tokens: usize) -> bool {
        self.classes.iter().flatten().next().is_some_and(|(width, _)| tokens as f64 >= width.floor())
    }

    /// Returns the largest number of tokens, at most `most`, with which a pass takes no longer than `seconds`.
    pub(super) fn within(&self, seconds: f64, most: usize) -> usize {
        let fits = |tokens: usize| self.at(tokens).is_none_or(|time| time <= seconds);
        let (mut fit, mut over) = (0, most + 1);
        while over - fit > 1 {
            let middle = fit + (over - fit) / 2;
            if fits(middle) { fit = middle } else { over = middle }
        }
        fit
    }

    /// Returns the times of narrow passes, by which the width of one session's pass is chosen.
    pub(super) fn narrow(&self) -> &PassTimes {
        &self.narrow
    }

    /// Returns how many tokens of long prompts go into a pass of at most `batch` tokens: what is read in about a
    /// second, or an eighth of `batch` before anything was measured.
    ///
    /// A pass cannot be broken off: while it lasts no session opens, no window is judged, and a client that went away
    /// is not noticed. On an engine that reads 60 tokens a second a pass of 512 takes 8.5 s.
    pub(super) fn piece(&self, batch: usize) -> usize {
        let is_measured = self.classes.iter().any(Option::is_some);
        let piece = if is_measured { self.within(PIECE_SECONDS, batch) } else { batch / 8 };
        piece.max(LEAST_PIECE).min(batch)
    }

    /// Returns how long the engine takes to read `tokens` tokens in passes of at most `batch`, in seconds; 0 while
    /// nothing is measured.
    pub(super) fn reading(&self, tokens: usize, batch: usize) -> f64 {
        let piece = self.piece(batch).max(1);
        self.at(piece).unwrap_or(0.0) * tokens as f64 / piece as f64
    }
}

fn along((from, start): (f64, f64), (to, end): (f64, f64), at: f64) -> f64 {
    start + (end - start) * (at - from) / (to - from).max(f64::EPSILON)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns the times of an engine whose passes take `base` seconds and `each` for a token.
    pub(in super::super) fn engine(base: f64, each: f64) -> Times {
        let mut times = Times::default();
        for _ in 0..3 {
            (0..10).for_each(|i| times.observe(1 << i, base + each * f64::from(1 << i)));
        }
        times
    }

    #[test]
    fn what_a_pass_of_one_token_costs_is_known_from_wider_ones() {
        let mut times = Times::default();
        times.observe(24, 0.026);
        assert!(times.at(1).is_some_and(|time| time <= 0.026));
        times.observe(48, 0.032);
        let time = times.at(1).expect("measured");
        assert!((time - 0.02025).abs() < 1e-9, "{time}");
        // An average of widths is hardly ever that width to the bit.
        (0..9).for_each(|_| times.observe(25, 0.026_3));
        (1..60).for_each(|tokens| assert!(times.at(tokens).is_some_and(|time| time > 0.0)));
        times.observe(100, 0.001);
        assert!(times.at(1).is_some_and(|time| time > 0.0), "whatever was measured");
    }

    #[test]
    fn times_lie_between_the_measured_ones_and_one_that_stands_out_is_not_believed() {
        let mut times = engine(0.020, 0.0005);
        let time = times.at(48).expect("measured");
        assert!((time - 0.044).abs() < 1e-3, "{time}");
        times.observe(64, 10.0);
        assert!(times.at(64).expect("measured") < 0.070);
        assert!(times.at(5000).expect("measured") > times.at(512).expect("measured"));
    }

    #[test]
    fn slow_engines_read_for_a_second_and_fast_ones_fill_their_passes() {
        let mut times = Times::default();
        assert_eq!(times.piece(512), 64);
        times.observe(64, 64.0 / 60.0);
        assert_eq!(times.piece(512), 60);
        assert!((times.reading(600, 512) - 10.0).abs() < 1e-6);
        (0..20).for_each(|_| times.observe(60, 0.02));
        (0..20).for_each(|_| times.observe(500, 0.1));
        assert_eq!(times.piece(512), 512);
        let mut slow = Times::default();
        (0..20).for_each(|_| slow.observe(512, 2000.0));
        assert_eq!(slow.piece(512), LEAST_PIECE);
        assert_eq!(slow.piece(1), 1, "an engine of single tokens");
    }
}

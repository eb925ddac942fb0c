//! Decides how many tokens a pass of the engine may have.
//!
//! A pass cannot be broken off, and while it lasts nobody else is served. An owner that is alone decides for itself how
//! long its devices wait; as soon as there are two, a pass takes no longer than a target time, so that nobody's long
//! prompts and many streams keep another's verdicts waiting. The times of passes are measured, width by width. The code
//! here is pure: it is told what was measured and who is there.

/// Number of classes of widths: each power of two up to 2^15 tokens has a measurement of its own.
const CLASSES: usize = 16;
/// Weight of a new time in the average.
const WEIGHT: f64 = 0.25;
/// Largest multiple of the average that a new time counts as: one that stands out is not a new rule.
const OUTLIER: f64 = 2.0;
/// Smallest number of tokens to which a pass is cut: a window of usual length is judged in one pass.
const LEAST_TOKENS: usize = 32;
/// Multiple of the shortest pass's time that any pass may take, however short the target time is: an engine cannot do
/// better.
const STRETCH: f64 = 2.0;

/// Measured times of passes by their number of tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Costs {
    /// Average number of tokens and average seconds of passes of 2^i to 2^(i+1) - 1 tokens.
    classes: [Option<(f64, f64)>; CLASSES],
}

impl Costs {
    /// Takes note that a pass of `tokens` took `seconds`.
    pub(super) fn observe(&mut self, tokens: usize, seconds: f64) {
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
        let next = measured.get(1).map_or(first.1, |second| along(first, *second, tokens));
        Some(next.clamp(first.1 * tokens / first.0, first.1))
    }

    /// Returns the largest number of tokens, at most `most`, with which a pass takes no longer than `seconds`.
    fn within(&self, seconds: f64, most: usize) -> usize {
        let fits = |tokens: usize| self.at(tokens).is_none_or(|time| time <= seconds);
        let (mut fit, mut over) = (0, most + 1);
        while over - fit > 1 {
            let middle = fit + (over - fit) / 2;
            if fits(middle) { fit = middle } else { over = middle }
        }
        fit
    }
}

fn along((from, start): (f64, f64), (to, end): (f64, f64), at: f64) -> f64 {
    start + (end - start) * (at - from) / (to - from).max(f64::EPSILON)
}

/// The load at the moment when a pass is filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Whether a device waits for a pass that is short.
    pub(super) short: bool,
    /// Whether owners other than those of the long prompts are at work, or were lately.
    pub(super) others: bool,
}

/// The limits of one pass, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Largest number of tokens in all.
    pub(super) tokens: usize,
    /// Largest number of tokens of long prompts, all of them together.
    pub(super) prefill: usize,
    /// Tokens kept for long prompts, where there are any.
    pub(super) reserved: usize,
}

impl Budget {
    /// Makes the budget of a pass of at most `batch` tokens. `piece` is the largest number of tokens of long prompts in
    /// one pass, `target` the time that a pass may take when more than one owner is there, in seconds.
    pub(super) fn new(costs: &Costs, batch: usize, piece: usize, target: f64, load: Load) -> Self {
        let tokens = if load.others { Self::limit(costs, batch, target) } else { batch };
        let part = (tokens / 8).max(1);
        let prefill = if load.short { part } else { tokens };
        Self { tokens, prefill: prefill.min(piece).max(1), reserved: part }
    }

    fn limit(costs: &Costs, batch: usize, target: f64) -> usize {
        let shortest = costs.at(1).unwrap_or(0.0);
        costs.within(target.max(STRETCH * shortest), batch).max(LEAST_TOKENS).min(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(base: f64, each: f64) -> Costs {
        let mut costs = Costs::default();
        for _ in 0..3 {
            (0..10).for_each(|i| costs.observe(1 << i, base + each * f64::from(1 << i)));
        }
        costs
    }

    const ALONE: Load = Load { short: false, others: false };
    const SHARED: Load = Load { short: true, others: true };

    #[test]
    fn a_pass_that_owners_share_takes_no_longer_than_its_target() {
        let costs = engine(0.020, 0.0005);
        let budget = Budget::new(&costs, 512, 512, 0.060, SHARED);
        assert!((78..=82).contains(&budget.tokens), "{budget:?}");
        assert_eq!((budget.prefill, budget.reserved), (budget.tokens / 8, budget.tokens / 8));
        assert_eq!(Budget::new(&costs, 512, 512, 0.060, ALONE), Budget { tokens: 512, prefill: 512, reserved: 64 });
    }

    #[test]
    fn an_engine_slower_than_the_target_still_judges_windows_whole() {
        let costs = engine(0.120, 0.040);
        assert_eq!(Budget::new(&costs, 512, 8, 0.060, SHARED).tokens, LEAST_TOKENS);
        assert_eq!(Budget::new(&costs, 16, 8, 0.060, SHARED).tokens, 16, "an engine of short passes");
    }

    #[test]
    fn an_engine_for_which_tokens_are_free_fills_its_passes() {
        assert_eq!(Budget::new(&engine(0.020, 0.0), 512, 512, 0.060, SHARED).tokens, 512);
        let unknown = Budget::new(&Costs::default(), 512, 512, 0.060, SHARED);
        assert_eq!(unknown.tokens, 512, "and one of which nothing is known");
    }

    #[test]
    fn what_a_pass_of_one_token_costs_is_known_from_wider_ones() {
        let mut costs = Costs::default();
        costs.observe(24, 0.026);
        assert!(costs.at(1).is_some_and(|time| time <= 0.026));
        costs.observe(48, 0.032);
        let time = costs.at(1).expect("measured");
        assert!((time - 0.02025).abs() < 1e-9, "{time}");
        costs.observe(100, 0.001);
        assert!(costs.at(1).is_some_and(|time| time > 0.0), "whatever was measured");
    }

    #[test]
    fn times_lie_between_the_measured_ones_and_one_that_stands_out_is_not_believed() {
        let mut costs = engine(0.020, 0.0005);
        let time = costs.at(48).expect("measured");
        assert!((time - 0.044).abs() < 1e-3, "{time}");
        costs.observe(64, 10.0);
        assert!(costs.at(64).expect("measured") < 0.070);
        assert!(costs.at(5000).expect("measured") > costs.at(512).expect("measured"));
    }
}

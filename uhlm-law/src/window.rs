//! The window: tokens drafted and not yet judged, the risk they carry, and when it pays to close it.
//!
//! Decides when a window is sent. It leaves to [`crate::gate`] what a token's uncertainty means and to the round loop
//! whether the link can take a window now.

use serde::{Deserialize, Serialize};

use crate::pass_times::MAX_MEASURED_ROWS;

/// The rule by which an open window is sent to be judged. An end token, a stop sequence and a full window close it in
/// any case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseRule {
    /// The window is sent when one more token no longer pays by the cost model, with every term measured online.
    CostModel,
    /// The window is sent when the probability that the target rejects something in it, `1 - prod(1 - beta_i)` with the
    /// rejection probabilities `beta_i` of its tokens, exceeds this.
    Risk(f64),
    /// The window is sent at the first token whose uncertainty exceeds the gate's threshold.
    Uncertainty,
    /// The window is sent at this many tokens.
    Fixed(usize),
}

/// The risk of drafted tokens in order, each of which must be the target's own for those after it to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    len: usize,
    /// The probability that all of them stand.
    survival: f64,
    /// The expected number of those that stand.
    expected: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { len: 0, survival: 1.0, expected: 0.0 }
    }
}

impl Window {
    /// Makes an empty window.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token that is rejected with probability `beta`; 0 for one that nothing decides on.
    pub fn push(&mut self, beta: f64) {
        self.len += 1;
        self.survival *= 1.0 - beta.clamp(0.0, 1.0);
        self.expected += self.survival;
    }

    /// Returns the number of tokens that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether it holds no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the probability that some token in it is rejected: `1 - prod(1 - beta_i)`.
    #[must_use]
    pub fn risk(&self) -> f64 {
        1.0 - self.survival
    }

    /// Returns the expected number of tokens that stand: `sum_j prod_{i<=j} (1 - beta_i)`.
    #[must_use]
    pub fn expected_accepted(&self) -> f64 {
        self.expected
    }
}

impl FromIterator<f64> for Window {
    fn from_iter<I: IntoIterator<Item = f64>>(betas: I) -> Self {
        let mut window = Self::new();
        betas.into_iter().for_each(|beta| window.push(beta));
        window
    }
}

/// Weight of a pass beyond the device's time where nothing else is asked for. On the bundled pairs at a round trip of
/// 50 ms, 2.5 saves the target 18 and 13 % of its passes for at most 2 % of the speed that 1 gives; 4 saves 27 and 17 %
/// for 3 and 5 %.
pub const PASS_WEIGHT: f64 = 2.5;

/// The costs of a round, times in seconds, each measured online.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Time of one drafted token, in seconds: forward pass, sampling, uncertainty.
    pub draft: f64,
    /// Time of each further token that the draft model reads in the same pass, in seconds.
    pub catch_up: f64,
    /// Time of the target's pass over a window without tokens, in seconds.
    pub target_base: f64,
    /// Time that each token of the window adds to that pass, in seconds.
    pub target_per_token: f64,
    /// Measured times of passes of 1, 2, ... rows, in seconds, the row of the last decided token included; 0 where
    /// nothing is known, for which the line above stands.
    pub by_rows: [f64; MAX_MEASURED_ROWS],
    /// Round trip of the network, both runtimes included, in seconds. A token adds 3 bytes, which no link that can hold
    /// a conversation notices.
    pub round_trip: f64,
    /// Largest number of drafted tokens that a pass judges where the target runs on: more would cost it more time than
    /// they are likely to save.
    pub width: usize,
}

impl Costs {
    /// Returns the time of the target's pass over a window of `tokens` tokens, in seconds.
    #[must_use]
    pub fn target(&self, tokens: usize) -> f64 {
        let measured = self.by_rows.get(tokens).copied().filter(|seconds| *seconds > 0.0);
        measured.unwrap_or(self.target_base + tokens as f64 * self.target_per_token)
    }

    /// Tells whether it pays to wait for one more token before the window is sent, where the device drafts on in any
    /// case and up to `windows` are in flight at once.
    ///
    /// All that a round costs then is the time between the drafting of a token that will be rejected and its verdict,
    /// for everything drafted in between is in vain. One more token delays what is in the window: `risk x t_draft`.
    /// Sent without it, the window keeps the way blocked for a whole round (or, with several in flight, for as long
    /// as the target works on it), and what is drafted next waits for half of that on average, if the window survives
    /// to need it: `(1 - risk) x beta x blocked / 2`. That is multiplied by `weight`, because each window costs the
    /// target a pass as well.
    #[must_use]
    pub fn waiting_pays(&self, window: &Window, next_beta: f64, windows: usize, weight: f64) -> bool {
        let target = self.target(window.len());
        let blocked = if windows > 1 { target } else { target + self.round_trip };
        weight * (1.0 - window.risk()) * next_beta * blocked / 2.0 > window.risk() * self.draft
    }

    /// Tells whether the verdict on the first window, which is ready in `ready` seconds, is there sooner if the target
    /// reads a prompt of `prompt` tokens at once and the window after it, than if it reads both in one pass when the
    /// window comes.
    #[must_use]
    pub fn prompt_pays_ahead(&self, prompt: usize, ready: f64) -> bool {
        ready.max(self.target(prompt)) + self.target(1) < ready + self.target(prompt + 1)
    }

    /// Returns the expected tokens a second of a round that drafts and sends `tokens`, of which `accepted` are expected
    /// to stand, and waits for its verdict, which brings one token more: `(1 + accepted) / (tokens t_draft +
    /// t_target(tokens) + RTT)`, RTT being the round trip.
    #[must_use]
    pub fn rate(&self, accepted: f64, tokens: usize) -> f64 {
        let seconds = tokens as f64 * self.draft + self.target(tokens) + self.round_trip;
        (1.0 + accepted) / seconds.max(1e-9)
    }

    /// Tells whether drafting one more token, which is rejected with probability `next_beta`, raises the expected rate
    /// of a device that waits for its verdicts.
    #[must_use]
    pub fn one_more_pays(&self, window: &Window, next_beta: f64) -> bool {
        let len = window.len();
        let grown = window.expected_accepted() + (1.0 - window.risk()) * (1.0 - next_beta);
        self.rate(grown, len + 1) > self.rate(window.expected_accepted(), len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(betas: &[f64]) -> Window {
        betas.iter().copied().collect()
    }

    const PAPER: Costs = Costs {
        draft: 0.0246,
        catch_up: 0.0,
        target_base: 0.1046,
        target_per_token: 0.0,
        by_rows: [0.0; MAX_MEASURED_ROWS],
        round_trip: 0.05,
        width: usize::MAX,
    };

    #[test]
    fn risk_and_expectation_follow_their_formulas() {
        let w = window(&[0.1, 0.5]);
        assert!((w.risk() - (1.0 - 0.9 * 0.5)).abs() < 1e-12);
        assert!((w.expected_accepted() - (0.9 + 0.45)).abs() < 1e-12);
    }

    #[test]
    fn tokens_that_nothing_decides_on_carry_no_risk() {
        let w = window(&[0.5, 0.0]);
        assert!((w.risk() - 0.5).abs() < 1e-12 && w.len() == 2);
    }

    #[test]
    fn the_cost_model_stops_exactly_where_the_rate_peaks() {
        let beta = 0.2;
        let rate = |g: usize| {
            let w = window(&vec![beta; g]);
            PAPER.rate(w.expected_accepted(), g)
        };
        let best = (1..40).max_by(|&a, &b| rate(a).total_cmp(&rate(b))).unwrap_or(0);
        let stops = (1..40).find(|&g| !PAPER.one_more_pays(&window(&vec![beta; g]), beta));
        assert_eq!(stops, Some(best));
    }

    #[test]
    fn a_longer_round_trip_makes_longer_windows() {
        let stop = |round_trip| {
            let costs = Costs { round_trip, ..PAPER };
            (1..100).find(|&g| !costs.one_more_pays(&window(&vec![0.1; g]), 0.1)).unwrap_or(100)
        };
        assert!(stop(0.2) > stop(0.02));
    }

    #[test]
    fn a_prompt_goes_ahead_where_the_device_reads_for_longer_than_the_target() {
        // A short prompt on fast models: one pass over prompt and window is there first.
        assert!(!PAPER.prompt_pays_ahead(20, 0.0492));
        // A long one, which the phone reads for seconds while the target could.
        let costs = Costs { draft: 0.03, catch_up: 0.0, target_base: 0.03, target_per_token: 0.0003, ..PAPER };
        assert!(costs.prompt_pays_ahead(500, 2.5));
        assert!(!costs.prompt_pays_ahead(500, 0.02));
    }

    #[test]
    fn a_device_that_drafts_on_sends_at_the_sign_of_risk_and_holds_safe_tokens_back() {
        // Of a token in twenty that is rejected, with one window in flight: the odds of a rejection at which the
        // paper's times make waiting one token more as dear as it is worth are 2.5 x 0.05 x 0.1546 / 2 / 0.0246 =
        // 0.393.
        assert!(PAPER.waiting_pays(&window(&[0.28]), 0.05, 1, PASS_WEIGHT));
        assert!(!PAPER.waiting_pays(&window(&[0.29]), 0.05, 1, PASS_WEIGHT));
        assert!(PAPER.waiting_pays(&window(&[0.001; 8]), 0.05, 1, PASS_WEIGHT));
        // With several in flight the way is blocked for shorter.
        assert!(!PAPER.waiting_pays(&window(&[0.28]), 0.05, 2, PASS_WEIGHT));
        // Where everything is rejected at once, nothing is worth waiting for.
        assert!(!PAPER.waiting_pays(&window(&[1.0]), 1.0, 1, PASS_WEIGHT));
    }
}

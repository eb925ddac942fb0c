//! A byte budget: what was spent, what a judged token costs, and what share of the tokens that leaves to be judged.

/// How many tokens it takes to pay back a deviation: fewer than for the other goals, because what a judged token costs is
/// only known roughly (bonus tokens come for nothing, skipped ones travel as context), and the deviation makes up for that.
const PAYBACK_TOKENS: f64 = 8.0;
/// The most tokens whose budget is carried on.
const MAX_SAVED_TOKENS: f64 = 64.0;
/// Bytes of a round that judges one token, before one was seen; on the demo pair, 35 with the bonus token asked for.
const FIRST_ROUND: f64 = 36.0;
/// Weight of the newest round in the averages.
const NEWEST: f64 = 1.0 / 16.0;

/// Bytes spent and allowed.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    /// Bytes allowed so far and not spent; negative where more was spent.
    saved: f64,
    /// Bytes of a round for each token that it judged.
    per_judged: f64,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { saved: 0.0, per_judged: FIRST_ROUND }
    }
}

impl Bytes {
    pub(super) fn observe_round(&mut self, bytes: u64, judged: usize) {
        let bytes = bytes as f64;
        self.saved -= bytes;
        if judged > 0 {
            self.per_judged += NEWEST * (bytes / judged as f64 - self.per_judged);
        }
    }

    pub(super) fn observe_token(&mut self, budget: f64) {
        let limit = budget * MAX_SAVED_TOKENS;
        self.saved = (self.saved + budget).clamp(-limit, limit);
    }

    /// The share of the drafted tokens to judge so that the budget holds.
    pub(super) fn share(&self, budget: f64) -> f64 {
        ((budget + self.saved / PAYBACK_TOKENS) / self.per_judged.max(1.0)).clamp(0.0, 1.0)
    }
}

//! A byte budget: what was spent, what a judged token costs, and what share of the tokens that leaves to be judged.

/// Number of tokens that it takes to pay back a deviation: fewer than for the other goals, because what a judged token
/// costs is only known roughly (bonus tokens come for nothing), and the deviation makes up for that.
const PAYBACK_TOKENS: f64 = 8.0;
/// Largest number of tokens whose budget is carried on.
const MAX_SAVED_TOKENS: f64 = 64.0;
/// Bytes of a round that judges one token, before one was seen; on the demo pair, 35 with the bonus token asked for.
const FIRST_ROUND: f64 = 36.0;
/// Bytes of a skipped token in the next request, before one was seen: its id.
const FIRST_CONTEXT: f64 = 2.0;
/// Weight of the newest round in the averages.
const NEWEST: f64 = 1.0 / 16.0;

/// The tokens and the bytes of one verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundBytes {
    /// Bytes of request and response bodies.
    pub all: u64,
    /// Those of the bytes that brought unjudged tokens of the reply.
    pub context: u64,
    /// Number of unjudged tokens that it brought.
    pub skipped: usize,
    /// Number of tokens that it judged.
    pub judged: usize,
}

/// Bytes spent and allowed.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    /// Bytes allowed so far and not spent; negative where more was spent.
    saved: f64,
    /// Bytes of a round for each token that it judged, those of the skipped ones left out.
    per_judged: f64,
    /// Bytes of a skipped token.
    per_skipped: f64,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { saved: 0.0, per_judged: FIRST_ROUND, per_skipped: FIRST_CONTEXT }
    }
}

impl Bytes {
    pub(super) fn observe_round(&mut self, round: &RoundBytes) {
        self.saved -= round.all as f64;
        if round.judged > 0 {
            let each = round.all.saturating_sub(round.context) as f64 / round.judged as f64;
            self.per_judged += NEWEST * (each - self.per_judged);
        }
        if round.skipped > 0 {
            self.per_skipped += NEWEST * (round.context as f64 / round.skipped as f64 - self.per_skipped);
        }
    }

    pub(super) fn observe_token(&mut self, budget: f64) {
        let limit = budget * MAX_SAVED_TOKENS;
        self.saved = (self.saved + budget).clamp(-limit, limit);
    }

    /// Returns the share `s` of the drafted tokens to judge so that `s x judged + (1 - s) x skipped` bytes keep the
    /// budget.
    pub(super) fn share(&self, budget: f64) -> f64 {
        let left = budget + self.saved / PAYBACK_TOKENS - self.per_skipped;
        let more = self.per_judged - self.per_skipped;
        // Where judging costs no more than skipping, the budget decides all or nothing.
        (left / more.max(1.0)).clamp(0.0, 1.0)
    }
}

//! What one method made of one prompt, in the same terms for every method.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::sampling::TokenId;

use crate::verifier::Ledger;

/// One reply and what it cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Its text, for marking.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// From the question until the last token.
    pub elapsed: Duration,
    /// From the question until the first token that stands.
    pub first_token: Duration,
    /// How long the device computed: the energy proxy.
    pub device: Duration,
    /// Bytes, messages, passes.
    pub ledger: Ledger,
    /// How often which decision was taken.
    pub decisions: Decisions,
}

/// Counts of decisions; sums over replies add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Tokens drafted, rolled back ones included.
    pub drafted: u64,
    /// Drafted tokens that a verdict decided on.
    pub judged: u64,
    /// Of those, the rejected ones.
    pub rejected: u64,
    /// Drafted tokens that were committed without a verdict.
    pub skipped: u64,
    /// Skipped tokens whose target probability is known.
    pub skipped_labelled: u64,
    /// Sum of `min(1, p/q)` over those.
    pub skipped_acceptable: f64,
    /// Times that tokens were taken back.
    pub rollbacks: u64,
}

impl Decisions {
    /// Adds another one's counts.
    pub fn add(&mut self, other: &Self) {
        self.drafted += other.drafted;
        self.judged += other.judged;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.skipped_labelled += other.skipped_labelled;
        self.skipped_acceptable += other.skipped_acceptable;
        self.rollbacks += other.rollbacks;
    }

    /// TR: the share of decided draft tokens that were judged.
    #[must_use]
    pub fn transmission_rate(&self) -> f64 {
        let decided = self.judged + self.skipped;
        if decided == 0 { 0.0 } else { self.judged as f64 / decided as f64 }
    }

    /// TSR: the expected share of skipped tokens that the target would have accepted; none if none was skipped.
    #[must_use]
    pub fn true_skip_rate(&self) -> Option<f64> {
        (self.skipped_labelled > 0).then(|| self.skipped_acceptable / self.skipped_labelled as f64)
    }
}

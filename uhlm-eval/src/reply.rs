//! The reply of one method to one prompt, in the same terms for every method.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::sampling::TokenId;

use crate::verifier::Ledger;

/// One reply and its costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Text of the reply, for marking.
    pub text: String,
    /// Tokens of the reply.
    pub tokens: Vec<TokenId>,
    /// Time from the question until the last token.
    pub elapsed: Duration,
    /// Time from the question until the first committed token.
    pub first_token: Duration,
    /// Time for which the device computed: a measure in place of its energy.
    pub device: Duration,
    /// Bytes, messages and passes that the reply cost.
    pub ledger: Ledger,
    /// Number of times that each decision was taken.
    pub decisions: Decisions,
}

/// Counts of decisions; sums over replies add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Number of drafted tokens, rolled back ones included.
    pub drafted: u64,
    /// Number of drafted tokens that a verdict decided on.
    pub judged: u64,
    /// Number of rejected tokens among the judged ones.
    pub rejected: u64,
    /// Number of drafted tokens that were committed without a verdict.
    pub skipped: u64,
    /// Number of skipped tokens whose target probability is known.
    pub skipped_labelled: u64,
    /// Sum of `min(1, p/q)`, the target's probability over the draft model's, over the labelled skipped tokens; for
    /// this SDK the number of those that are the target's own.
    pub skipped_acceptable: f64,
    /// Number of times that tokens were taken back.
    pub rollbacks: u64,
}

impl Decisions {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.drafted += other.drafted;
        self.judged += other.judged;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
        self.skipped_labelled += other.skipped_labelled;
        self.skipped_acceptable += other.skipped_acceptable;
        self.rollbacks += other.rollbacks;
    }

    /// Returns the transmission rate (TR): the share of decided draft tokens that were judged.
    #[must_use]
    pub fn transmission_rate(&self) -> f64 {
        let decided = self.judged + self.skipped;
        if decided == 0 { 0.0 } else { self.judged as f64 / decided as f64 }
    }

    /// Returns the true skip rate (TSR): the expected share of skipped tokens that the target would have accepted;
    /// `None` if none was labelled.
    #[must_use]
    pub fn true_skip_rate(&self) -> Option<f64> {
        (self.skipped_labelled > 0).then(|| self.skipped_acceptable / self.skipped_labelled as f64)
    }
}

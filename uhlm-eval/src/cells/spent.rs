//! Counts what a method spent on one reply, or on several.

use serde::{Deserialize, Serialize};
use uhlm_core::Statistics;

use crate::reply::Reply;
use crate::yesterday::Written;

/// The costs of one reply or their sums over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Number of tokens of the reply.
    pub tokens: f64,
    /// Time from the question to the last token, in seconds.
    pub seconds: f64,
    /// Number of passes of the target.
    pub passes: f64,
    /// Number of requests to the verifier.
    pub requests: f64,
    /// Number of drafted tokens.
    pub drafted: f64,
    /// Number of bytes to the verifier, with all headers.
    pub up: f64,
    /// Number of bytes to the device, with all headers.
    pub down: f64,
    /// Number of bytes of request bodies.
    pub body_up: f64,
    /// Number of bytes of answer bodies.
    pub body_down: f64,
}

impl Spent {
    /// Adds a share of the counts of `other`.
    pub fn add(&mut self, other: &Self, share: f64) {
        self.tokens += share * other.tokens;
        self.seconds += share * other.seconds;
        self.passes += share * other.passes;
        self.requests += share * other.requests;
        self.drafted += share * other.drafted;
        self.up += share * other.up;
        self.down += share * other.down;
        self.body_up += share * other.body_up;
        self.body_down += share * other.body_down;
    }

    /// Returns the sum of several counts.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, spent| {
            sum.add(spent, 1.0);
            sum
        })
    }

    /// Returns the speed in tokens a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.tokens / self.seconds.max(1e-9)
    }

    /// Returns a count for each token.
    #[must_use]
    pub fn a_token(&self, count: f64) -> f64 {
        count / self.tokens.max(1.0)
    }

    pub(super) fn of_session(reply: &Reply, statistics: &Statistics) -> Self {
        Self {
            tokens: reply.tokens.len() as f64,
            seconds: reply.elapsed.as_secs_f64(),
            passes: reply.ledger.passes as f64,
            requests: reply.ledger.messages as f64,
            drafted: reply.decisions.drafted as f64,
            up: reply.ledger.up as f64,
            down: reply.ledger.down as f64,
            body_up: statistics.body_up as f64,
            body_down: statistics.body_down as f64,
        }
    }
}

impl From<&Written> for Spent {
    fn from(written: &Written) -> Self {
        Self {
            tokens: written.tokens as f64,
            seconds: written.seconds,
            passes: written.passes as f64,
            requests: written.requests as f64,
            drafted: written.drafted as f64,
            up: written.up as f64,
            down: written.down as f64,
            body_up: written.body_up as f64,
            body_down: written.body_down as f64,
        }
    }
}

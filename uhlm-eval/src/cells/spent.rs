//! What a method spent on one reply, or on several.

use serde::{Deserialize, Serialize};
use uhlm_core::Statistics;

use crate::reply::Reply;
use crate::yesterday::Written;

/// Counts of one reply or sums over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens of the reply.
    pub tokens: f64,
    /// Seconds from the question to the last token.
    pub seconds: f64,
    /// Passes of the target.
    pub passes: f64,
    /// Requests to the verifier.
    pub requests: f64,
    /// Tokens drafted.
    pub drafted: f64,
    /// Bytes to the verifier, headers and all.
    pub up: f64,
    /// Bytes to the device.
    pub down: f64,
    /// Bytes of request bodies.
    pub body_up: f64,
    /// Bytes of answer bodies.
    pub body_down: f64,
}

impl Spent {
    /// Adds a share of another one's counts.
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

    /// Adds up.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, spent| {
            sum.add(spent, 1.0);
            sum
        })
    }

    /// Tokens a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.tokens / self.seconds.max(1e-9)
    }

    /// A count a token.
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

//! What a baseline computed and sent, to be timed afterwards on any channel.

use uhlm_law::sampling::TokenId;

use crate::reply::Decisions;

/// Something that is sent, so that it can be billed for any vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Token ids.
    pub ids: u64,
    /// Bits of anything else: single probabilities, verdicts.
    pub bits: u64,
    /// Whole distributions over the vocabulary.
    pub distributions: u64,
}

/// A message to the target, its pass and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What goes up.
    pub up: Payload,
    /// Tokens that the target decodes, with the skipped ones that it had not seen.
    pub decoded: usize,
    /// What comes down.
    pub down: Payload,
    /// How many tokens the conversation then holds: which fade it meets.
    pub place: u64,
}

/// Draft passes, then perhaps an exchange; then some tokens stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Passes of the draft model.
    pub drafts: u64,
    /// The exchange, if the target was asked.
    pub exchange: Option<Exchange>,
    /// Tokens that stand at its end.
    pub committed: u64,
}

/// What became of one judged token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Whether the target accepted the drafted token.
    pub accepted: bool,
    /// Whether another draw from `q` would have guessed the token that stands.
    pub guessed: bool,
}

/// What a baseline did for one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Which prompt.
    pub prompt: u64,
    /// In order.
    pub steps: Vec<Step>,
    /// The reply's tokens.
    pub tokens: Vec<TokenId>,
    /// Its text.
    pub text: String,
    /// How often which decision was taken.
    pub decisions: Decisions,
    /// HLM only: each token's fate.
    pub fates: Vec<Fate>,
}

//! Records what a baseline computed and sent, to be timed afterwards on any channel.

use uhlm_law::sampling::TokenId;

use crate::reply::Decisions;

/// The contents of a message, counted so that it can be billed for any vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Number of token ids.
    pub ids: u64,
    /// Number of bits of anything else: single probabilities, verdicts.
    pub bits: u64,
    /// Number of whole distributions over the vocabulary.
    pub distributions: u64,
}

/// A message to the target, its pass and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Contents of the message to the target.
    pub up: Payload,
    /// Number of tokens that the target decodes, with the skipped ones that it had not seen.
    pub decoded: usize,
    /// Contents of the answer.
    pub down: Payload,
    /// Number of tokens in the conversation after the exchange, which decides the fade that the messages meet.
    pub place: u64,
}

/// Some draft passes, then perhaps an exchange, after which some tokens are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of passes of the draft model.
    pub drafts: u64,
    /// Exchange with the target; `None` if it was not asked.
    pub exchange: Option<Exchange>,
    /// Number of tokens that are committed at the end of the step.
    pub committed: u64,
}

/// The verdict on one token, and whether its place was guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Whether the target accepted the drafted token.
    pub accepted: bool,
    /// Whether another draw from the draft distribution `q` would have guessed the committed token.
    pub guessed: bool,
}

/// The record of a baseline's reply to one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Number of the prompt.
    pub prompt: u64,
    /// Steps of the reply, in order.
    pub steps: Vec<Step>,
    /// Tokens of the reply.
    pub tokens: Vec<TokenId>,
    /// Text of the reply.
    pub text: String,
    /// Number of times that each decision was taken.
    pub decisions: Decisions,
    /// Fate of each token; only HLM records it.
    pub fates: Vec<Fate>,
}

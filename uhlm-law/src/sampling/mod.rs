//! The canonical sampling chain: from logits to the distribution that a token is drawn from, and to the token that the
//! shared noise draws from it.
//!
//! There is one chain and one implementation. On the device it yields the draft distribution `q`, on the verifier the
//! target distribution `p`; acceptance compares the two, so both must come from the same code and the same parameters.
//! The order is llama.cpp's: logit bias, penalties, top-n-sigma, top-k, top-p, min-p, temperature. Temperature 0 is
//! greedy.

mod chain;
mod cut;
mod deviation;
mod distribution;
mod draw;
mod mass;
mod order;
mod params;
mod partial;
mod row;
mod top;

pub use chain::{ChainInput, SamplingChain, Scored, Scratch, TokenMask};
pub use distribution::Distribution;
pub use draw::Winner;
pub use params::{LogitBias, MAX_LOGIT_BIAS, MAX_PENALTY_LAST_N, SamplingParams};
pub use partial::{PartialRow, PartialRowError, Uncertain};
pub use top::top_log_probabilities;

pub use crate::token::TokenId;

/// The reason why no distribution or draw could be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A parameter lies outside its range.
    #[error("sampling parameter {name} is {value}, allowed is {allowed}")]
    InvalidParameter {
        /// The parameter's name as in [`SamplingParams`].
        name: &'static str,
        /// The value that was given.
        value: f32,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// The logits hold a NaN or `+inf`, or no finite value at all: the model or its file is damaged.
    #[error("the model returned logits that are not finite")]
    NonFiniteLogits,
    /// There are no logits: the model has not decoded anything, or its answer was lost.
    #[error("the model returned no logits")]
    EmptyLogits,
    /// The table of token keys belongs to another vocabulary than the logits.
    #[error("{logits} logits for a table of {keys} token keys")]
    VocabularyMismatch {
        /// Number of logits that were given.
        logits: usize,
        /// Number of keys in the table.
        keys: usize,
    },
    /// A generation has a grammar, and nothing that says what it allows.
    #[error("nothing here reads the grammar of this generation")]
    Unconstrained,
    /// The mask leaves no token.
    #[error("the grammar allows no token here")]
    EmptyMask,
}

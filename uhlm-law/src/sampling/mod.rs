//! The canonical sampling chain: from logits to the distribution that a token is drawn from.
//!
//! There is one chain and one implementation. On the device it yields the draft distribution `q`, on the verifier the
//! target distribution `p`; acceptance compares the two, so both must come from the same code and the same parameters.
//! The order is llama.cpp's: penalties, top-k, top-p, min-p, temperature. Temperature 0 is greedy.

mod chain;
mod cut;
mod distribution;
mod params;
mod row;

pub use chain::{ChainInput, SamplingChain, Scratch, TokenMask};
pub use distribution::Distribution;
pub use params::SamplingParams;

/// A token's index in the vocabulary.
pub type TokenId = u32;

/// Why no distribution could be made.
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
    /// The mask leaves no token.
    #[error("the grammar allows no token here")]
    EmptyMask,
}

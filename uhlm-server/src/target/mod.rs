//! What the scheduler needs of an engine that runs the target model.
//!
//! [`LlamaTarget`] is llama.cpp in this process. An engine behind HTTP fits as well: its `decode` sends the sequences
//! that a pass touches, all at once, and its `distribution` reads what came back.

mod llama;

pub use llama::{EngineOptions, LlamaTarget};
pub use uhlm_llama::BatchToken;

use uhlm_law::model::ModelError;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::{Distribution, SamplingChain, TokenId};

/// What a target is, for `/v1/info` and for checking sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// The model's name, for people.
    pub name: String,
    /// Fingerprint of the model.
    pub fingerprint: Digest,
    /// Hash over the vocabulary.
    pub vocabulary: Digest,
    /// Number of tokens in the vocabulary.
    pub vocabulary_size: u32,
    /// The longest sequence that the model was trained for, in tokens.
    pub context: u32,
}

/// A target model with a number of sequences ("slots") whose tokens are decoded together.
///
/// The scheduler owns it on one thread; calls block. A slot is a number below [`Self::slots`].
pub trait Target: Send {
    /// What it is.
    fn info(&self) -> &TargetInfo;
    /// Whether a token ends a reply.
    fn is_end(&self, id: TokenId) -> bool;
    /// Tokens that its cache holds, all slots together.
    fn capacity(&self) -> usize;
    /// Tokens in one pass at most.
    fn batch_size(&self) -> usize;
    /// Sequences that it holds at once.
    fn slots(&self) -> u32;
    /// Runs tokens of any slots in one pass. Positions of a slot continue what it holds; a slot's tokens stand in order.
    ///
    /// # Errors
    /// [`ModelError`]. The slots involved then hold an undefined tail, and the scheduler truncates them.
    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError>;
    /// The target distribution after the `index`-th token of the last pass, which must have asked for logits; `history`
    /// is everything before the position, that token included.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row or it holds no distribution.
    fn distribution(
        &mut self,
        index: usize,
        chain: &SamplingChain,
        history: &[TokenId],
    ) -> Result<Distribution, ModelError>;
    /// Forgets a slot's tokens from position `from` on.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine cannot roll back.
    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError>;
}

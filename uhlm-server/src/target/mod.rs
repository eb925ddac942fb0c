//! What the scheduler needs of an engine that runs the target model.
//!
//! [`LlamaTarget`] is llama.cpp in this process. An engine behind HTTP fits as well: its `decode` sends the sequences
//! that a pass touches, all at once; its `winner` adds the noise to the part of the distribution that came back, and
//! fails where that part is not sure to hold the winner; its `distribution`, which only devices that want labels ask
//! for, may fail likewise.

mod llama;

pub use llama::{EngineOptions, LlamaTarget};
pub use uhlm_llama::BatchToken;

use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_law::noise::PositionKey;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::{Distribution, SamplingChain, TokenId};

/// What a target is, for `/v2/info` and for checking sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// The model's name, for people.
    pub name: String,
    /// Fingerprint of the model.
    pub fingerprint: Digest,
    /// Hashes over the vocabulary.
    pub vocabulary: VocabularyHashes,
    /// Number of ids of the vocabulary, up to its last token.
    pub vocabulary_size: u32,
    /// The longest sequence that the model was trained for, in tokens.
    pub context: u32,
}

/// A target model with a number of sequences ("slots") whose tokens are decoded together.
///
/// The scheduler owns it on one thread; calls block. A slot is a number below [`Self::slots`].
pub trait Target: Send {
    /// Returns what it is.
    fn info(&self) -> &TargetInfo;
    /// Returns its vocabulary: the text of tokens, by which noise and stop strings go, and which of them end a reply.
    fn vocabulary(&self) -> &dyn Vocabulary;
    /// Returns the number of tokens that its cache holds, all slots together.
    fn capacity(&self) -> usize;
    /// Returns the most tokens in one pass, at least 1.
    fn batch_size(&self) -> usize;
    /// Returns the number of sequences that it holds at once.
    fn slots(&self) -> u32;
    /// Runs tokens of any slots in one pass. Positions of a slot continue what it holds; a slot's tokens stand in
    /// order.
    ///
    /// # Errors
    /// [`ModelError`]. The slots involved then hold an undefined tail, and the scheduler truncates them.
    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError>;
    /// Draws the token after the `index`-th token of the last pass, which must have asked for logits, with the noise of
    /// `position` and the keys of its vocabulary. `history` is everything before the drawn token.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row, or it does not tell the winner.
    fn winner(
        &mut self,
        index: usize,
        chain: &SamplingChain,
        history: &[TokenId],
        position: PositionKey,
    ) -> Result<TokenId, ModelError>;
    /// Returns the distribution that [`Self::winner`] draws from, for labels.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row, or it holds no distribution.
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

//! The interface by which the scheduler uses an engine that runs the target model.
//!
//! [`LlamaTarget`] is llama.cpp in this process. An engine behind HTTP fits as well: its `decode` sends the sequences
//! that a pass touches, all at once; its `draw` adds the noise to the part of the distribution that came back, and
//! fails where that part is not sure to hold the winner, or does not hold the label that a device wants.

mod llama;
mod rows;

pub use llama::{EngineOptions, LlamaTarget};
pub use rows::RowTask;
pub use uhlm_llama::BatchToken;

use std::path::Path;
use std::sync::Arc;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::{LanguageModel, ModelError, Vocabulary};
use uhlm_law::sampling::TokenId;
use uhlm_llama::VocabularyFile;

/// Makes the file with a model's vocabulary that devices with another one are offered; `None` if `offers` is false.
/// Devices with the same vocabulary need none, so a model that no such file can be made of is served all the same.
pub(crate) fn offered_vocabulary(model: &Path, offers: bool) -> Option<VocabularyFile> {
    let file = offers.then(|| VocabularyFile::of(model)).transpose();
    file.inspect_err(|error| tracing::warn!(%error, "no file with the vocabulary is offered")).ok().flatten()
}

/// Description of a target, for `/v2/info` and for checking sessions.
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
    /// Length of the longest sequence that the model was trained for, in tokens.
    pub context: u32,
    /// Number of tokens that the cache holds, all slots together.
    pub capacity: usize,
    /// Largest number of tokens in one pass, at least 1.
    pub batch_size: usize,
    /// Number of sequences that it holds at once.
    pub slots: u32,
}

/// A target model with a number of sequences ("slots") whose tokens are decoded together.
///
/// The scheduler owns it on one thread; calls block. A slot is a number below [`TargetInfo::slots`].
pub trait Target: Send {
    /// Returns the description of the target.
    fn info(&self) -> &TargetInfo;
    /// Returns its vocabulary: the text of tokens, by which noise and stop strings go, and which of them end a reply.
    fn vocabulary(&self) -> &dyn Vocabulary;
    /// Returns its language, by which grammars are read; `None`, the default, takes no grammars.
    fn language(&self) -> Option<Arc<dyn LanguageModel>> {
        None
    }
    /// Returns the file with the vocabulary that devices of another one are offered; `None`, the default, offers none.
    fn vocabulary_file(&self) -> Option<VocabularyFile> {
        None
    }
    /// Runs tokens of any slots in one pass. Positions of a slot continue what it holds; a slot's tokens stand in
    /// order.
    ///
    /// # Errors
    /// [`ModelError`]. The slots involved then hold an undefined tail, and the scheduler truncates them.
    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError>;
    /// Draws the token after the `index`-th token of the last pass, which must have asked for logits, and the label
    /// that is wanted with it.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row, or it does not tell the winner or the label.
    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError>;
    /// Draws the rows of several sessions, those of each in order. An engine that has rows at hand may draw for several
    /// sessions at once.
    fn draw_all(&mut self, tasks: &mut [RowTask<'_>]) {
        for task in tasks {
            task.draw(|index, draw| self.draw(index, draw));
        }
    }
    /// Returns the number of contexts, each with an equal part of the slots, in order, and of the cache. A sequence has
    /// room in its own context alone.
    fn contexts(&self) -> u32 {
        1
    }
    /// Has an empty slot hold the first `tokens` tokens of another slot of its context as well; returns `false`, and
    /// changes nothing, where the engine cannot do that.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine fails.
    fn share(&mut self, _source: u32, _slot: u32, _tokens: usize) -> Result<bool, ModelError> {
        Ok(false)
    }
    /// Returns the beginnings of conversations that the operator has declared to be no secret, such as the system
    /// prompt of an app: a session may take them from the slot of another owner.
    fn declared(&self) -> &[Vec<TokenId>] {
        &[]
    }
    /// Forgets a slot's tokens from position `from` on.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine cannot roll back.
    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError>;
}

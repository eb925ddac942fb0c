//! The interface to a target model in virtual time, whether it computes or answers from a recording.
//!
//! The draft side has this already: [`DraftModel`](uhlm_law::chat::DraftModel).

use uhlm_law::advance::{Draw, Row};
use uhlm_law::digest::Digest;
use uhlm_law::model::{LanguageModel, ModelError};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::pair::Pair;
use crate::target::Target;

/// A target model, as the simulated verifier runs it.
pub trait TargetModel: Send + Sync {
    /// Returns the model's name.
    fn name(&self) -> &str;
    /// Returns the fingerprint of the model's file.
    fn fingerprint(&self) -> Digest;
    /// Returns the model's vocabulary.
    fn language(&self) -> &dyn LanguageModel;
    /// Returns the most tokens that a sequence holds.
    fn context(&self) -> u32;
    /// Makes an empty sequence.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no memory for it.
    fn sequence(&self) -> Result<Box<dyn TargetSequence>, ModelError>;
}

/// One sequence of a target, which decodes many rows in a pass.
pub trait TargetSequence: Send {
    /// Rolls back to `start` tokens and decodes `tokens` in one pass that leaves logits after the last `rows` of them.
    ///
    /// # Errors
    /// [`ModelError`].
    fn pass(&mut self, start: usize, tokens: &[TokenId], rows: usize) -> Result<(), ModelError>;
    /// Draws a row of the last pass.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row or it decides nothing.
    fn draw(&mut self, draw: Draw<'_>, keys: &TokenKeys) -> Result<Row, ModelError>;
}

impl TargetModel for Pair {
    fn name(&self) -> &str {
        self.target.name()
    }

    fn fingerprint(&self) -> Digest {
        self.target.fingerprint()
    }

    fn language(&self) -> &dyn LanguageModel {
        self.target.as_ref()
    }

    fn context(&self) -> u32 {
        Pair::context(self)
    }

    fn sequence(&self) -> Result<Box<dyn TargetSequence>, ModelError> {
        Ok(Box::new(Target::new(self)?))
    }
}

impl TargetSequence for Target {
    fn pass(&mut self, start: usize, tokens: &[TokenId], rows: usize) -> Result<(), ModelError> {
        Target::pass(self, start, tokens, rows)
    }

    fn draw(&mut self, draw: Draw<'_>, keys: &TokenKeys) -> Result<Row, ModelError> {
        Target::draw(self, draw, keys)
    }
}

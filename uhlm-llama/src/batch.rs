//! Many sequences in one context: the verifier's target model.

use std::sync::Arc;

use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::context::{Entry, OwnedContext};
use crate::model::Model;
use crate::options::ContextOptions;

/// One token of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchToken {
    /// The token.
    pub id: TokenId,
    /// Its position in its sequence, from 0.
    pub position: usize,
    /// Its sequence, below [`ContextOptions::sequences`].
    pub sequence: u32,
    /// Whether the logits after it are wanted.
    pub logits: bool,
}

/// A context whose sequences are decoded together. All sequences share its capacity.
pub struct BatchContext {
    context: OwnedContext,
    sequences: u32,
    /// Which tokens of the last pass have logits; empty after a failed pass.
    rows: Vec<bool>,
}

impl std::fmt::Debug for BatchContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchContext").field("sequences", &self.sequences).finish_non_exhaustive()
    }
}

impl BatchContext {
    /// A context with `options.sequences` empty sequences.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        Ok(Self { context: OwnedContext::new(model, options)?, sequences: options.sequences.max(1), rows: Vec::new() })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        self.context.model()
    }

    /// Tokens that fit, all sequences together.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.context.capacity()
    }

    /// Tokens in one pass at most.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.context.batch_size()
    }

    /// Decodes tokens of any sequences in one pass; positions of a sequence must continue what it holds.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`] when no room is left, [`ModelError::Decode`] for more than [`Self::batch_size`] tokens
    /// or a failing engine. The sequences involved then hold an undefined tail: truncate them to what they held.
    pub fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        if tokens.is_empty() {
            return Ok(());
        }
        if tokens.len() > self.batch_size() || tokens.iter().any(|t| t.sequence >= self.sequences) {
            return Err(ModelError::Decode {
                reason: format!(
                    "a batch of {} tokens for at most {} in {} sequences",
                    tokens.len(),
                    self.batch_size(),
                    self.sequences
                ),
            });
        }
        self.rows.clear();
        self.context.decode(tokens.iter().map(|t| Entry {
            id: t.id,
            position: t.position,
            sequence: t.sequence,
            logits: t.logits,
        }))?;
        self.rows.extend(tokens.iter().map(|t| t.logits));
        Ok(())
    }

    /// Logits after the `index`-th token of the last pass; `None` unless that pass succeeded and the token asked for them.
    #[must_use]
    pub fn logits(&self, index: usize) -> Option<&[f32]> {
        self.rows.get(index).is_some_and(|&row| row).then(|| self.context.logits(index))
    }

    /// Forgets a sequence's tokens from position `from` on.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine cannot roll back.
    pub fn truncate(&mut self, sequence: u32, from: usize) -> Result<(), ModelError> {
        self.context.truncate(sequence, from)
    }
}

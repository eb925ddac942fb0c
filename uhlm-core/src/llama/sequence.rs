//! One sequence in a context of its own: the device's draft model.

use std::sync::Arc;

use super::context::{ContextOptions, Entry, OwnedContext};
use super::model::Model;
use crate::model::{ModelError, Sequence};
use crate::sampling::TokenId;

/// A sequence with its own context. Send, but used from one thread at a time.
pub struct LlamaSequence {
    context: OwnedContext,
    len: usize,
    /// Index in the last batch of the token whose logits are valid, if they still are.
    logits_at: Option<usize>,
}

impl LlamaSequence {
    pub(super) fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        let context = OwnedContext::new(model, &ContextOptions { sequences: 1, ..options.clone() })?;
        Ok(Self { context, len: 0, logits_at: None })
    }

    /// The model it belongs to.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        self.context.model()
    }
}

impl std::fmt::Debug for LlamaSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaSequence").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Sequence for LlamaSequence {
    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.context.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        let needed = self.len + tokens.len();
        if needed > self.capacity() {
            return Err(ModelError::ContextFull { needed, capacity: self.capacity() });
        }
        let mut done = 0;
        for chunk in tokens.chunks(self.context.batch_size()) {
            if cancelled() {
                return Err(ModelError::Cancelled);
            }
            self.logits_at = None;
            let (start, last) = (self.len, tokens.len() - 1 - done);
            let entries = chunk.iter().enumerate().map(|(i, &id)| Entry {
                id,
                position: start + i,
                sequence: 0,
                logits: i == last,
            });
            if let Err(error) = self.context.decode(entries) {
                // A failed pass may leave part of its tokens in the cache.
                self.context.truncate(0, self.len)?;
                return Err(error);
            }
            self.len += chunk.len();
            done += chunk.len();
            self.logits_at = (done == tokens.len()).then_some(chunk.len() - 1);
        }
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        self.logits_at.map_or(&[], |index| self.context.logits(index))
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.len {
            self.context.truncate(0, len)?;
            self.len = len;
            self.logits_at = None;
        }
        Ok(())
    }
}

//! A draft model whose passes take another time than its own.

use std::sync::Arc;

use uhlm_law::chat::DraftModel;
use uhlm_law::model::{Decoder, ModelError, Sequence};
use uhlm_law::sampling::TokenId;

/// A pass of the model, to be run once.
pub type Pass<'a> = &'a mut dyn FnMut() -> Result<(), ModelError>;

/// A function that is given each pass with its number of tokens, runs it, and takes the time that it should take.
pub type Pace = dyn Fn(usize, Pass<'_>) -> Result<(), ModelError> + Send + Sync;

/// A decoder that computes another model at a pace of its own.
struct PacedDraft {
    inner: Arc<dyn Decoder>,
    pace: Arc<Pace>,
}

/// Makes a model whose passes take the time that `pace` gives them.
pub fn paced(
    model: impl Into<DraftModel>,
    pace: impl Fn(usize, Pass<'_>) -> Result<(), ModelError> + Send + Sync + 'static,
) -> DraftModel {
    let model = model.into();
    let decoder = Arc::new(PacedDraft { inner: model.decoder, pace: Arc::new(pace) });
    DraftModel { decoder, ..model }
}

impl Decoder for PacedDraft {
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.inner).sequence(context, threads)?;
        Ok(Box::new(PacedSequence { inner, pace: Arc::clone(&self.pace) }))
    }

    fn default_threads(&self) -> u32 {
        self.inner.default_threads()
    }

    fn is_on_gpu(&self) -> bool {
        self.inner.is_on_gpu()
    }
}

struct PacedSequence {
    inner: Box<dyn Sequence>,
    pace: Arc<Pace>,
}

impl Sequence for PacedSequence {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        (self.pace)(tokens.len(), &mut || self.inner.decode(tokens, cancelled))
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn max_rows(&self) -> usize {
        self.inner.max_rows()
    }

    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        (self.pace)(tokens.len(), &mut || self.inner.decode_rows(tokens, rows, cancelled))
    }

    fn logits_at(&self, row: usize) -> &[f32] {
        self.inner.logits_at(row)
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

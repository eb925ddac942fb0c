//! A draft model that says it is on a GPU, and tells of each pass before it makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uhlm_law::chat::DraftModel;
use uhlm_law::model::{Decoder, ModelError, Sequence};
use uhlm_law::sampling::TokenId;

/// Takes the number of a pass, from 1, before it is made.
type BeforePass = dyn Fn(usize) + Send + Sync;

/// A decoder that computes another model, as if on a GPU. A pass is what one call decodes.
pub struct OnGpu {
    model: DraftModel,
    before_pass: Box<BeforePass>,
    passes: AtomicUsize,
}

impl OnGpu {
    /// Makes a model that calls `before_pass` with the number of each pass, from 1.
    #[must_use]
    pub fn new(model: impl Into<DraftModel>, before_pass: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { model: model.into(), before_pass: Box::new(before_pass), passes: AtomicUsize::new(0) })
    }

    /// Returns the model that says so.
    #[must_use]
    pub fn model(self: &Arc<Self>) -> DraftModel {
        DraftModel { decoder: Arc::clone(self) as _, ..self.model.clone() }
    }

    /// Returns the number of passes so far.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::Acquire)
    }
}

impl Decoder for OnGpu {
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.model.decoder).sequence(context, threads)?;
        Ok(Box::new(SequenceOnGpu { inner, model: self }))
    }

    fn is_on_gpu(&self) -> bool {
        true
    }
}

struct SequenceOnGpu {
    inner: Box<dyn Sequence>,
    model: Arc<OnGpu>,
}

impl Sequence for SequenceOnGpu {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.decode_rows(tokens, 1, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn max_rows(&self) -> usize {
        self.inner.max_rows()
    }

    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        // An engine asks before each part of its input, and once it has begun one nothing stops it.
        if cancelled() {
            return Err(ModelError::Cancelled);
        }
        (self.model.before_pass)(self.model.passes.fetch_add(1, Ordering::AcqRel) + 1);
        self.inner.decode_rows(tokens, rows, &|| false)
    }

    fn logits_at(&self, row: usize) -> &[f32] {
        self.inner.logits_at(row)
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

//! A draft model that counts its passes and takes its time for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use uhlm_law::chat::DraftModel;
use uhlm_law::digest::Digest;
use uhlm_law::model::{CacheSize, Decoder, ModelError, Sequence};
use uhlm_law::sampling::TokenId;

/// Tokens of a pass.
const PASS: usize = 16;

/// A decoder that computes another model, and counts its passes.
pub struct Counted {
    model: DraftModel,
    pause: Duration,
    passes: AtomicUsize,
}

impl Counted {
    /// Makes a model whose passes take `pause`; a long input counts one pass for each 16 tokens.
    #[must_use]
    pub fn new(model: impl Into<DraftModel>, pause: Duration) -> Arc<Self> {
        Arc::new(Self { model: model.into(), pause, passes: AtomicUsize::new(0) })
    }

    /// Returns the model that is counted.
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

impl Decoder for Counted {
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.model.decoder).sequence(context, threads)?;
        Ok(Box::new(CountedSequence { inner, model: self }))
    }

    fn default_threads(&self) -> u32 {
        self.model.decoder.default_threads()
    }

    fn is_on_gpu(&self) -> bool {
        self.model.decoder.is_on_gpu()
    }

    fn fingerprint(&self) -> Option<Digest> {
        self.model.decoder.fingerprint()
    }

    fn largest_cache(&self, context: u32) -> Option<CacheSize> {
        self.model.decoder.largest_cache(context)
    }
}

struct CountedSequence {
    inner: Box<dyn Sequence>,
    model: Arc<Counted>,
}

impl Sequence for CountedSequence {
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
        self.inner.max_rows().min(PASS)
    }

    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        let rows = rows.min(self.max_rows());
        let mut rest = tokens;
        while !rest.is_empty() {
            let taken = if rest.len() <= PASS { rest.len() } else { PASS.min(rest.len() - rows) };
            let (chunk, after) = rest.split_at(taken);
            self.inner.decode_rows(chunk, if after.is_empty() { rows } else { 1 }, cancelled)?;
            self.model.passes.fetch_add(1, Ordering::AcqRel);
            std::thread::sleep(self.model.pause);
            rest = after;
        }
        Ok(())
    }

    fn logits_at(&self, row: usize) -> &[f32] {
        self.inner.logits_at(row)
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }

    fn save(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        self.inner.save()
    }

    fn restore(&mut self, len: usize, saved: &[u8]) -> Result<(), ModelError> {
        self.inner.restore(len, saved)
    }
}

//! A draft model that counts its passes and takes its time for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use uhlm_law::chat::{DraftModel, Message, Reasoning, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

/// Tokens of a pass.
const PASS: usize = 16;

/// The model.
pub struct Counted {
    model: Arc<dyn DraftModel>,
    pause: Duration,
    passes: Arc<AtomicUsize>,
}

impl Counted {
    /// A model whose passes take `pause`; a long input counts one pass for each 16 tokens.
    #[must_use]
    pub fn new(model: impl DraftModel + 'static, pause: Duration) -> Self {
        Self::of(Arc::new(model), pause)
    }

    /// The same around a model that is shared already.
    #[must_use]
    pub fn of(model: Arc<dyn DraftModel>, pause: Duration) -> Self {
        Self { model, pause, passes: Arc::default() }
    }

    /// Passes so far.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::Acquire)
    }
}

impl DraftModel for Counted {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.model.vocabulary()
    }

    fn token_keys(&self) -> &TokenKeys {
        self.model.token_keys()
    }

    fn vocabulary_hash(&self) -> Digest {
        self.model.vocabulary_hash()
    }

    fn fingerprint(&self) -> Digest {
        self.model.fingerprint()
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        self.model.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.model.detokenize(tokens)
    }

    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        self.model.render(messages, options)
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.model.reasoning()
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.model).sequence(context, threads)?;
        Ok(Box::new(CountedSequence { inner, model: self }))
    }

    fn default_threads(&self) -> u32 {
        self.model.default_threads()
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
}

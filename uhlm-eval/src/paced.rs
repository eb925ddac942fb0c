//! A draft model whose passes take another time than its own.

use std::sync::Arc;

use uhlm_law::chat::{DraftModel, Message, Reasoning, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

/// A pass of the model, to be run once.
pub type Pass<'a> = &'a mut dyn FnMut() -> Result<(), ModelError>;

/// A function that is given each pass with its number of tokens, runs it, and takes the time that it should take.
pub type Pace = dyn Fn(usize, Pass<'_>) -> Result<(), ModelError> + Send + Sync;

/// A draft model that differs from the one inside only in the pace of its passes.
pub struct PacedDraft {
    inner: Arc<dyn DraftModel>,
    pace: Arc<Pace>,
}

impl PacedDraft {
    /// Makes `inner` run at this pace.
    pub fn new(
        inner: Arc<dyn DraftModel>,
        pace: impl Fn(usize, Pass<'_>) -> Result<(), ModelError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, pace: Arc::new(pace) }
    }
}

impl DraftModel for PacedDraft {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.inner.vocabulary()
    }

    fn token_keys(&self) -> &TokenKeys {
        self.inner.token_keys()
    }

    fn vocabulary_hash(&self) -> Digest {
        self.inner.vocabulary_hash()
    }

    fn fingerprint(&self) -> Digest {
        self.inner.fingerprint()
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        self.inner.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.inner.detokenize(tokens)
    }

    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        self.inner.render(messages, options)
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.inner.reasoning()
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.inner).sequence(context, threads)?;
        Ok(Box::new(PacedSequence { inner, pace: Arc::clone(&self.pace) }))
    }

    fn default_threads(&self) -> u32 {
        self.inner.default_threads()
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

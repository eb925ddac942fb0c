//! A synthetic draft model whose passes take virtual time.

use std::sync::Arc;
use std::time::Duration;

use uhlm_law::chat::{DraftModel, Message, Reasoning, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use super::clock::BedClock;
use crate::synthetic::SyntheticModel;

/// The time that a pass takes: `pass + tokens x token`.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Time of every pass, whatever its tokens.
    pub pass: Duration,
    /// Further time for each token.
    pub token: Duration,
}

impl Times {
    /// Returns how long a pass over `tokens` tokens takes.
    #[must_use]
    pub fn of(&self, tokens: usize) -> Duration {
        self.pass + self.token * u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

/// The draft model of a bed.
#[derive(Debug)]
pub struct BedDraft {
    /// Model that computes the logits.
    pub model: SyntheticModel,
    /// Virtual time that its passes take.
    pub times: Times,
    /// Clock that this time is charged to.
    pub clock: Arc<BedClock>,
}

impl DraftModel for BedDraft {
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
        let inner = Arc::new(self.model).sequence(context, threads)?;
        Ok(Box::new(BedSequence { inner, model: self }))
    }
}

struct BedSequence {
    inner: Box<dyn Sequence>,
    model: Arc<BedDraft>,
}

impl Sequence for BedSequence {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.model.clock.compute(self.model.times.of(tokens.len()));
        self.inner.decode(tokens, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

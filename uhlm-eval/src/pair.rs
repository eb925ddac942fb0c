//! A pair of models, and the draft model with its time charged to the virtual clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_core::chat::{DraftModel, Message, Special, TemplateError};
use uhlm_core::llama::{BatchContext, ContextOptions, LoadOptions, Model};
use uhlm_core::model::{ModelError, Sequence, Vocabulary};
use uhlm_core::protocol::Digest;
use uhlm_core::sampling::TokenId;

use crate::clock::VirtualClock;
use crate::error::EvalError;

/// Tokens of context that an evaluation needs: a short prompt and a reply.
pub const CONTEXT: u32 = 512;

/// A draft and a target model with one vocabulary.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The draft model.
    pub draft: Arc<Model>,
    /// The target model.
    pub target: Arc<Model>,
}

impl Pair {
    /// Loads both; blocks.
    ///
    /// # Errors
    /// [`EvalError::Load`], [`EvalError::Vocabularies`].
    pub fn load(draft: &Path, target: &Path) -> Result<Self, EvalError> {
        let options = LoadOptions::default();
        let pair = Self { draft: Model::load(draft, &options)?, target: Model::load(target, &options)? };
        if pair.draft.vocabulary_hash() == pair.target.vocabulary_hash() {
            Ok(pair)
        } else {
            Err(EvalError::Vocabularies)
        }
    }

    /// Number of tokens in the vocabulary.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.draft.vocabulary().size()
    }

    /// The tokens of a conversation that begins with this message, up to where the reply starts.
    ///
    /// # Errors
    /// [`EvalError::Template`].
    pub fn prompt(&self, question: &str) -> Result<Vec<TokenId>, EvalError> {
        let rendered = self.draft.render(&[Message::user(question)], true)?;
        Ok(self.draft.tokenize(&rendered, Special::ParseWithBos))
    }

    /// A context of the target for one sequence.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn target_context(&self) -> Result<BatchContext, ModelError> {
        let options = ContextOptions { context: CONTEXT, threads: 1, batch: CONTEXT, sequences: 1 };
        BatchContext::new(Arc::clone(&self.target), &options)
    }

    /// A sequence of the draft model.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn draft_sequence(&self) -> Result<Box<dyn Sequence>, ModelError> {
        Arc::clone(&self.draft).sequence(CONTEXT, 1)
    }
}

/// What computing costs, in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComputeTimes {
    /// One pass of the draft model, milliseconds; a prompt is one pass.
    pub draft_ms: f64,
    /// One pass of the target, milliseconds.
    pub target_ms: f64,
    /// What each token of a pass adds to it, milliseconds. The paper has one token a pass and nothing to say about it.
    pub target_per_token_ms: f64,
}

impl ComputeTimes {
    /// The paper's: TinyLlama-1.1B on the device, Llama-2-7B on the server (arXiv 2412.12687v2).
    pub const PAPER: Self = Self { draft_ms: 24.6, target_ms: 104.6, target_per_token_ms: 0.0 };

    /// One draft pass.
    #[must_use]
    pub fn draft(&self) -> Duration {
        Duration::from_secs_f64(self.draft_ms / 1e3)
    }

    /// One target pass over `tokens` tokens; nothing for none.
    #[must_use]
    pub fn target(&self, tokens: usize) -> Duration {
        if tokens == 0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((self.target_ms + self.target_per_token_ms * tokens as f64) / 1e3)
    }
}

/// The draft model, each of whose passes costs virtual time.
pub struct TimedDraft {
    inner: Arc<Model>,
    clock: Arc<VirtualClock>,
    pass: Duration,
}

impl TimedDraft {
    /// Charges `pass` for each decode.
    #[must_use]
    pub fn new(inner: Arc<Model>, clock: Arc<VirtualClock>, pass: Duration) -> Self {
        Self { inner, clock, pass }
    }
}

impl DraftModel for TimedDraft {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.inner.vocabulary()
    }

    fn vocabulary_hash(&self) -> Digest {
        self.inner.vocabulary_hash()
    }

    fn fingerprint(&self) -> Digest {
        self.inner.fingerprint()
    }

    fn tokenize(&self, text: &str, special: Special) -> Vec<TokenId> {
        self.inner.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.inner.detokenize(tokens)
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        self.inner.render(messages, add_generation_prompt)
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::clone(&self.inner).sequence(context, threads)?;
        Ok(Box::new(TimedSequence { inner, clock: Arc::clone(&self.clock), pass: self.pass }))
    }
}

struct TimedSequence {
    inner: Box<dyn Sequence>,
    clock: Arc<VirtualClock>,
    pass: Duration,
}

impl Sequence for TimedSequence {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.clock.advance(self.pass);
        self.inner.decode(tokens, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

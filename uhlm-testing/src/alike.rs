//! A draft model that is another one but for what a test changes of it.

use std::sync::Arc;

use uhlm_law::chat::{DraftModel, Message, Reasoning, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

type Render = dyn Fn(&dyn DraftModel, &[Message], &RenderOptions) -> Result<Rendered, TemplateError> + Send + Sync;
type Sequences = dyn Fn() -> Box<dyn Sequence> + Send + Sync;

/// The model.
pub struct Alike {
    model: Arc<dyn DraftModel>,
    reasoning: Option<Reasoning>,
    render: Option<Box<Render>>,
    sequences: Option<Box<Sequences>>,
}

impl Alike {
    /// Makes a model that is `model`, until it is changed.
    #[must_use]
    pub fn to(model: Arc<dyn DraftModel>) -> Self {
        Self { reasoning: model.reasoning(), model, render: None, sequences: None }
    }

    /// Makes it mark its reasoning so.
    #[must_use]
    pub fn with_reasoning(self, reasoning: Reasoning) -> Self {
        Self { reasoning: Some(reasoning), ..self }
    }

    /// Makes it render so; the function is given the model that it is alike to.
    #[must_use]
    pub fn with_render(
        self,
        render: impl Fn(&dyn DraftModel, &[Message], &RenderOptions) -> Result<Rendered, TemplateError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { render: Some(Box::new(render)), ..self }
    }

    /// Makes it decode with these sequences.
    #[must_use]
    pub fn with_sequences(self, sequences: impl Fn() -> Box<dyn Sequence> + Send + Sync + 'static) -> Self {
        Self { sequences: Some(Box::new(sequences)), ..self }
    }
}

impl DraftModel for Alike {
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
        match &self.render {
            Some(render) => render(self.model.as_ref(), messages, options),
            None => self.model.render(messages, options),
        }
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.reasoning
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        match &self.sequences {
            Some(sequences) => Ok(sequences()),
            None => Arc::clone(&self.model).sequence(context, threads),
        }
    }

    fn default_threads(&self) -> u32 {
        self.model.default_threads()
    }
}

//! Messages of a conversation, and what a session needs of a model to speak with it.

mod reasoning;
mod rendered;
mod variables;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{ModelError, Sequence, Vocabulary};
use crate::noise::TokenKeys;
use crate::protocol::Digest;
use crate::sampling::TokenId;

pub use reasoning::{Channel, Reasoning, ReasoningFormat, ReasoningSplitter, Split};
pub use rendered::{Part, Rendered};
pub use variables::{TemplateVariables, VariableError};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said. Text, whatever it looks like: control tokens that it spells are not read as such.
    pub content: String,
    /// What the model thought before it said that, for templates that show it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

impl Message {
    /// A message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into(), reasoning: None }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into(), reasoning: None }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into(), reasoning: None }
    }
}

/// The model has no chat template, or it cannot render these messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The model's file has no template, and none was given.
    #[error("the model's file has no chat template, and none was given")]
    Missing,
    /// The template does not compile.
    #[error("the chat template cannot be used: {reason}")]
    Invalid {
        /// What the template engine said.
        reason: String,
    },
    /// The template refuses these messages.
    #[error("the chat template refuses the conversation: {reason}")]
    Refused {
        /// What the template said.
        reason: String,
    },
    /// The template failed on these messages.
    #[error("the chat template failed: {reason}")]
    Failed {
        /// What the template engine said.
        reason: String,
    },
    /// What the template wrote cannot be made tokens of.
    #[error("the conversation cannot be read: {reason}")]
    Tokens {
        /// What the tokenizer said.
        reason: String,
    },
    /// The template takes more steps than any conversation needs.
    #[error("the chat template does not come to an end")]
    TooSlow,
    /// The template writes more than any context holds.
    #[error("the chat template writes more than {bytes} bytes")]
    TooLong {
        /// Bytes that it may write.
        bytes: usize,
    },
}

/// What a template is told beside the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether the text ends where the model's reply begins.
    pub add_generation_prompt: bool,
    /// Whether the model is to think before it replies; `None` leaves it to the template.
    pub thinking: Option<bool>,
    /// Variables of the template.
    pub variables: TemplateVariables,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, thinking: None, variables: TemplateVariables::default() }
    }
}

/// A loaded draft model: vocabulary, tokenizer, chat template, and sequences to decode with.
pub trait DraftModel: Send + Sync {
    /// The vocabulary.
    fn vocabulary(&self) -> &dyn Vocabulary;
    /// Keys of the vocabulary's tokens: what makes the noise of a token the same for device and verifier.
    fn token_keys(&self) -> &TokenKeys;
    /// Hash over the vocabulary's tokens, as [`crate::fingerprint::vocabulary`] makes it.
    fn vocabulary_hash(&self) -> Digest;
    /// Fingerprint of the model's file.
    fn fingerprint(&self) -> Digest;
    /// Text to tokens. `special` also reads special tokens written in the text and adds BOS where the model wants it.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError>;
    /// The text of tokens with special tokens written out, as bytes.
    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8>;
    /// Renders a conversation with the model's template.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError>;
    /// Returns the tokens of a conversation up to where the reply begins, as a session without options of its own reads
    /// them.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn prompt(&self, messages: &[Message]) -> Result<Vec<TokenId>, TemplateError> {
        let rendered = self.render(messages, &RenderOptions::default())?;
        let tokens = rendered.tokens(|text, special| self.tokenize(text, special));
        tokens.map_err(|error| TemplateError::Tokens { reason: error.to_string() })
    }
    /// How the model marks what it thinks before it replies; `None` where it does not.
    fn reasoning(&self) -> Option<Reasoning> {
        None
    }
    /// An empty sequence of at most `context` tokens (0: as long as the model was trained for and memory allows) on
    /// `threads` threads.
    ///
    /// # Errors
    /// [`ModelError::NotEnoughMemory`], [`ModelError::Decode`] where the engine cannot make it.
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError>;
    /// Threads that a sequence gets when it asks for 0.
    fn default_threads(&self) -> u32 {
        1
    }
}

/// How special tokens are treated when text is tokenised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Text is text: `<|im_end|>` written by a person is eleven characters, never a control token.
    Plain,
    /// Control tokens written in the text are read as such (rendered templates).
    Parse,
    /// As `Parse`, and BOS is added where the model wants it and the text does not begin with it.
    ParseWithBos,
}

//! Messages of a conversation, and the way in which a model's chat template renders them.

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

/// The speaker of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The person who talks with the model.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Speaker of the message.
    pub role: Role,
    /// Text of the message, whatever it looks like: control tokens that it spells are not read as such.
    pub content: String,
    /// Thoughts of the model before the message, for templates that show them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

impl Message {
    /// Makes a message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into(), reasoning: None }
    }

    /// Makes a message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into(), reasoning: None }
    }

    /// Makes a message of instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into(), reasoning: None }
    }
}

/// The reason why no conversation, or not this one, can be rendered for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The model's file has no template, and none was given.
    #[error("the model's file has no chat template, and none was given")]
    Missing,
    /// The template does not compile.
    #[error("the chat template cannot be used: {reason}")]
    Invalid {
        /// Message of the template engine.
        reason: String,
    },
    /// The template refuses these messages.
    #[error("the chat template refuses the conversation: {reason}")]
    Refused {
        /// Message of the template.
        reason: String,
    },
    /// The template failed on these messages.
    #[error("the chat template failed: {reason}")]
    Failed {
        /// Message of the template engine.
        reason: String,
    },
    /// The text that the template wrote cannot be split into tokens.
    #[error("the conversation cannot be read: {reason}")]
    Tokens {
        /// Message of the tokenizer.
        reason: String,
    },
    /// The template takes more steps than any conversation needs.
    #[error("the chat template does not come to an end")]
    TooSlow,
    /// The template writes more than any context holds.
    #[error("the chat template writes more than {bytes} bytes")]
    TooLong {
        /// Largest number of bytes that it may write.
        bytes: usize,
    },
}

/// Settings that a template gets beside the messages.
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
    /// Returns the vocabulary.
    fn vocabulary(&self) -> &dyn Vocabulary;
    /// Returns the keys of the vocabulary's tokens, which make the noise of a token the same for device and verifier.
    fn token_keys(&self) -> &TokenKeys;
    /// Returns the hash over the vocabulary's tokens, as [`crate::fingerprint::vocabulary`] makes it.
    fn vocabulary_hash(&self) -> Digest;
    /// Returns the fingerprint of the model's file.
    fn fingerprint(&self) -> Digest;
    /// Makes tokens of text. `special` says whether special tokens written in the text are read as such, and whether
    /// BOS (the token that begins a text) is added where the model wants it.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError>;
    /// Returns the text of tokens with special tokens written out, as bytes.
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
    /// Returns how the model marks what it thinks before it replies; `None` where it does not.
    fn reasoning(&self) -> Option<Reasoning> {
        None
    }
    /// Makes an empty sequence of at most `context` tokens (0: as long as the model was trained for and memory allows)
    /// on `threads` threads.
    ///
    /// # Errors
    /// [`ModelError::NotEnoughMemory`], [`ModelError::Decode`] where the engine cannot make it.
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError>;
    /// Returns the number of threads that a sequence gets when it asks for 0.
    fn default_threads(&self) -> u32 {
        1
    }
}

/// The treatment of special tokens when text is tokenised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Text is text: `<|im_end|>` written by a person is eleven characters, never a control token.
    Plain,
    /// Control tokens written in the text are read as such (rendered templates).
    Parse,
    /// As `Parse`, and BOS is added where the model wants it and the text does not begin with it.
    ParseWithBos,
}

//! Messages of a conversation, and what a session needs of a model to speak with it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{ModelError, Sequence, Vocabulary};
use crate::noise::TokenKeys;
use crate::protocol::Digest;
use crate::sampling::TokenId;

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
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }
}

/// The model has no chat template, or it cannot render these messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model's chat template failed: {reason}")]
pub struct TemplateError {
    /// What the template engine said.
    pub reason: String,
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
    /// Renders a conversation with the model's own template.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError>;
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

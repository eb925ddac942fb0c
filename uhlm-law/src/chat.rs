//! Messages of a conversation, and the way in which a model's chat template renders them.

mod reasoning;
mod rendered;
mod tool_call;
mod variables;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Decoder, LanguageModel};
use crate::sampling::TokenId;

pub use reasoning::{Channel, Reasoning, ReasoningFormat, ReasoningSplitter, Split};
pub use rendered::{Part, Rendered};
pub use tool_call::ToolCall;
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
    /// A tool that the model called.
    Tool,
}

/// One message of a conversation. `Debug` shows its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Speaker of the message.
    pub role: Role,
    /// Text of the message, whatever it looks like: control tokens that it spells are not read as such.
    pub content: String,
    /// Thoughts of the model before the message, for templates that show them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Calls of tools that the model made with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Id of the call that the message is the result of, if it is a tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Name of the tool, if the message is a tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
}

impl Message {
    /// Makes a message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self::of(Role::User, content.into())
    }

    /// Makes a message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::of(Role::Assistant, content.into())
    }

    /// Makes a message of instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::of(Role::System, content.into())
    }

    /// Makes the message of a tool that has the result of a call.
    pub fn tool(call: &ToolCall, content: impl Into<String>) -> Self {
        let (id, name) = (call.id.clone(), call.name.clone());
        Self { tool_call_id: Some(id), tool_name: Some(name), ..Self::of(Role::Tool, content.into()) }
    }

    fn of(role: Role, content: String) -> Self {
        Self { role, content, reasoning: None, tool_calls: Vec::new(), tool_call_id: None, tool_name: None }
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

/// A model's way to write a conversation.
pub trait ChatTemplate: Send + Sync {
    /// Renders a conversation.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError>;
    /// Returns how the model marks what it thinks before it replies; `None` where it does not.
    fn reasoning(&self) -> Option<Reasoning> {
        None
    }
    /// Returns the template's own text, which shows what a model can do; `None` where there is none.
    fn source(&self) -> Option<&str> {
        None
    }
    /// Returns the tokens of a conversation up to where the reply begins, as a session without options of its own reads
    /// them.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn prompt(&self, messages: &[Message]) -> Result<Vec<TokenId>, TemplateError>
    where
        Self: LanguageModel + Sized,
    {
        prompt(self, self, messages)
    }
}

/// A draft model: what a session needs of a model to write with it. Each part can be replaced by itself.
#[derive(Clone)]
pub struct DraftModel {
    /// Vocabulary and tokenizer.
    pub language: Arc<dyn LanguageModel>,
    /// Computation of the model.
    pub decoder: Arc<dyn Decoder>,
    /// Chat template.
    pub template: Arc<dyn ChatTemplate>,
}

impl<M: LanguageModel + Decoder + ChatTemplate + 'static> From<Arc<M>> for DraftModel {
    fn from(model: Arc<M>) -> Self {
        Self { language: Arc::clone(&model) as _, decoder: Arc::clone(&model) as _, template: model }
    }
}

impl DraftModel {
    /// Returns the tokens of a conversation as [`ChatTemplate::prompt`] does.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<TokenId>, TemplateError> {
        prompt(self.template.as_ref(), self.language.as_ref(), messages)
    }
}

impl std::fmt::Debug for DraftModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DraftModel").field("vocabulary", &self.language.vocabulary_hash()).finish_non_exhaustive()
    }
}

fn prompt(
    template: &dyn ChatTemplate,
    language: &dyn LanguageModel,
    messages: &[Message],
) -> Result<Vec<TokenId>, TemplateError> {
    let rendered = template.render(messages, &RenderOptions::default())?;
    let tokens = rendered.tokens(|text, special| language.tokenize(text, special));
    tokens.map_err(|error| TemplateError::Tokens { reason: error.to_string() })
}

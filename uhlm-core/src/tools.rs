//! Tools of a reply: what the model may call, who runs it, and what became of a call.
//!
//! Which texts are calls is decided in `uhlm-tools`; what a result sends to the verifier, by consent and redaction, as
//! for any message.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uhlm_law::cancel::Cancel;
pub use uhlm_tools::{CallError, ToolCall, ToolDefinition};

/// Number of times in one generation that results are given back to the model, unless an app says otherwise.
const DEFAULT_ROUNDS: usize = 8;

/// The tools of one reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Tools {
    /// Definitions of the tools; without any, no text is taken for a call.
    pub definitions: Vec<ToolDefinition>,
    /// Whether the model chooses to call a tool, or has to.
    pub choice: ToolChoice,
    /// Who runs the tools that the model calls.
    pub usage: ToolUse,
    /// Largest number of times that results are given back to the model in one generation, so that a model which calls
    /// and calls comes to an end.
    pub max_rounds: usize,
}

impl Default for Tools {
    fn default() -> Self {
        Self { definitions: Vec::new(), choice: ToolChoice::Auto, usage: ToolUse::Manual, max_rounds: DEFAULT_ROUNDS }
    }
}

/// Whether a model calls a tool.
///
/// Where it has to, a grammar lets both models write nothing but one call whose arguments keep to the tool's schema
/// ([`GenerationOptions::grammar`](crate::GenerationOptions::grammar) has what that means for the reply). It holds for
/// the first reply of a generation; what the model writes with the results is up to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// It calls one of the tools.
    Required,
    /// It calls the tool with this name.
    Named(String),
}

impl ToolChoice {
    /// Tells whether a reply has to be a call.
    pub(crate) fn is_forced(&self) -> bool {
        *self != Self::Auto
    }
}

/// Who runs the tools that a model calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ToolUse {
    /// The app does, when it likes: the generation ends with the calls, and goes on with
    /// [`Prompt::ToolResults`](crate::Prompt::ToolResults).
    #[default]
    Manual,
    /// The runner does, as soon as a reply has ended with calls, several calls side by side. The model then goes on
    /// with the results. What looks like a call is one, also where a reply only quotes it: text that somebody else
    /// wrote may bring a model to write calls. Tools that cannot be undone are for [`ToolUse::Ask`].
    Automatic(Runner),
    /// As `Automatic`, but one after another, and only what [`ToolRunner::allows`]. The model is told of the others
    /// that they were not allowed.
    Ask(Runner),
}

/// A tool that failed, with the reason in words that the model reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolFailure(pub String);

/// Runs tools for a model. Calls come on threads of their own, so they may block; a generation that is cancelled does
/// not wait for them.
pub trait ToolRunner: Send + Sync {
    /// Tells whether a call may be run, under [`ToolUse::Ask`]: most apps ask the person. By default none may.
    fn allows(&self, call: &ToolCall) -> bool {
        let _ = call;
        false
    }
    /// Runs a tool and returns its result as text that the model reads.
    ///
    /// # Errors
    /// [`ToolFailure`]; the model is told of it, and goes on.
    fn run(&self, call: &ToolCall) -> Result<String, ToolFailure>;
    /// Asks as [`allows`](Self::allows) does, for runners that can stop: once `cancel` is raised, nobody waits for the
    /// answer.
    fn allows_until(&self, call: &ToolCall, cancel: &Cancel) -> bool {
        let _ = cancel;
        self.allows(call)
    }
    /// Runs a tool as [`run`](Self::run) does, for runners that can stop: once `cancel` is raised, nobody waits for the
    /// result.
    ///
    /// # Errors
    /// [`ToolFailure`]; the model is told of it, and goes on.
    fn run_until(&self, call: &ToolCall, cancel: &Cancel) -> Result<String, ToolFailure> {
        let _ = cancel;
        self.run(call)
    }
}

/// A function is a runner that allows every call.
impl<F: Fn(&ToolCall) -> Result<String, ToolFailure> + Send + Sync> ToolRunner for F {
    fn allows(&self, _: &ToolCall) -> bool {
        true
    }

    fn run(&self, call: &ToolCall) -> Result<String, ToolFailure> {
        self(call)
    }
}

/// A runner of tools that options can hold. Two are equal if they are the same.
#[derive(Clone)]
pub struct Runner(Arc<dyn ToolRunner>);

impl Runner {
    /// Makes a runner that options can hold.
    pub fn new(runner: impl ToolRunner + 'static) -> Self {
        Self(Arc::new(runner))
    }

    pub(crate) fn get(&self) -> &Arc<dyn ToolRunner> {
        &self.0
    }
}

impl From<Arc<dyn ToolRunner>> for Runner {
    fn from(runner: Arc<dyn ToolRunner>) -> Self {
        Self(runner)
    }
}

impl PartialEq for Runner {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runner(..)")
    }
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Id of the call.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Result, in words that the model reads; where the tool failed, that it did.
    pub content: String,
    /// Whether the tool failed, does not exist, or was not allowed to run.
    pub is_failure: bool,
}

impl ToolResult {
    /// Makes the result of a call.
    pub fn new(call: &ToolCall, content: impl Into<String>) -> Self {
        Self { id: call.id.clone(), name: call.name.clone(), content: content.into(), is_failure: false }
    }

    /// Makes the result of a call that failed because of `reason`.
    pub fn failure(call: &ToolCall, reason: impl std::fmt::Display) -> Self {
        Self { is_failure: true, ..Self::new(call, format!("Error: {reason}")) }
    }
}

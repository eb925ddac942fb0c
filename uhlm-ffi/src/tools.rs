//! Tools that a model may call: definitions, who runs them, and what became of a call.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use uhlm_core::{ToolCall, ToolDefinition, ToolResult};

use uhlm_law::cancel::Cancel;

use crate::error::UhlmError;

/// Time between two looks at the cancel signal while the app's code runs.
const LOOK: Duration = Duration::from_millis(20);

/// Definition of a tool.
#[uniffi::remote(Record)]
pub struct ToolDefinition {
    /// Name of the tool: 1 to 64 letters, digits, `_`, `-` and `.`, by which the model calls it.
    pub name: String,
    /// Purpose of the tool, in words that the model reads.
    pub description: String,
    /// JSON schema of the arguments, as text. An empty text means a tool without arguments.
    pub parameters: String,
}

/// A call of a tool that the model wrote.
#[uniffi::remote(Record)]
pub struct ToolCall {
    /// Id by which the result finds its call; unique in a conversation.
    pub id: String,
    /// Name of the tool, which need not be one that there is.
    pub name: String,
    /// Arguments: a JSON object, as the model wrote it.
    pub arguments: String,
}

/// The result of a call.
#[uniffi::remote(Record)]
pub struct ToolResult {
    /// Id of the call.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Result, in words that the model reads; where the tool failed, that it did.
    pub content: String,
    /// True if the tool failed, does not exist, or was not allowed to run.
    #[uniffi(default)]
    pub is_failure: bool,
}

/// Who runs the tools that a model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ToolUse {
    /// The app does, when it likes: the generation ends with the calls and `ToolCalls`, and goes on with the prompt
    /// `ToolResults`.
    Manual,
    /// The runner does, as soon as a reply has ended with calls, several calls side by side. The model then goes on
    /// with the results. What looks like a call is one, also where a reply only quotes it: text that somebody else
    /// wrote may bring a model to write calls. Tools that cannot be undone are for `Ask`.
    Automatic,
    /// As `Automatic`, but one call after another, and only what the runner allows. The model is told of the others
    /// that they were not allowed.
    Ask,
}

/// Whether a model calls a tool. Where it has to, both models write nothing but one call whose arguments keep to the
/// tool's schema; what the model writes with the results is up to it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// It calls one of the tools.
    Required,
    /// It calls the tool with this name.
    Named {
        /// Name of the tool.
        name: String,
    },
}

impl From<ToolChoice> for uhlm_core::ToolChoice {
    fn from(choice: ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Auto,
            ToolChoice::Required => Self::Required,
            ToolChoice::Named { name } => Self::Named(name),
        }
    }
}

/// The error of a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ToolError {
    /// The tool failed. The model reads the reason, and goes on.
    #[error("{reason}")]
    Failed {
        /// Reason, in words that the model reads, and with it the verifier, if one is asked.
        reason: String,
    },
}

/// Takes anything else that a foreign implementation throws. Its words may hold anything, so the model does not read
/// them.
impl From<uniffi::UnexpectedUniFFICallbackError> for ToolError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: "the tool failed".into() }
    }
}

/// Runs the tools that a model calls. Calls come from threads of the library; a generation that is cancelled does not
/// wait for them, and drops them, which cancels the app's task.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait ToolRunner: Send + Sync {
    /// Returns whether a call may be run. It is asked under `Ask` alone; most apps ask the person.
    ///
    /// # Errors
    /// `ToolError`. The call is not run.
    async fn allows(&self, call: ToolCall) -> Result<bool, ToolError>;
    /// Runs a tool and returns its result as text that the model reads.
    ///
    /// # Errors
    /// `ToolError`. The model is told of it, and goes on.
    async fn run(&self, call: ToolCall) -> Result<String, ToolError>;
}

/// The app's runner as the core wants it: the core's thread waits for what the app computes.
struct Running(Arc<dyn ToolRunner>);

impl Running {
    /// Waits for a future of the app on this thread, which is the call's own. Once `cancel` is raised the future is
    /// dropped, which cancels the app's task.
    fn wait<T>(future: impl Future<Output = T>, cancel: &Cancel) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
        runtime.block_on(async {
            let mut future = pin!(future);
            while !cancel.is_cancelled() {
                if let Ok(value) = tokio::time::timeout(LOOK, future.as_mut()).await {
                    return Some(value);
                }
            }
            None
        })
    }
}

impl uhlm_core::ToolRunner for Running {
    fn allows(&self, call: &ToolCall) -> bool {
        self.allows_until(call, &Cancel::new())
    }

    fn run(&self, call: &ToolCall) -> Result<String, uhlm_core::ToolFailure> {
        self.run_until(call, &Cancel::new())
    }

    fn allows_until(&self, call: &ToolCall, cancel: &Cancel) -> bool {
        matches!(Self::wait(self.0.allows(call.clone()), cancel), Some(Ok(true)))
    }

    fn run_until(&self, call: &ToolCall, cancel: &Cancel) -> Result<String, uhlm_core::ToolFailure> {
        let failed = |reason: String| uhlm_core::ToolFailure(reason);
        let result = Self::wait(self.0.run(call.clone()), cancel);
        let result = result.ok_or_else(|| failed("the tool did not end".into()))?;
        result.map_err(|ToolError::Failed { reason }| failed(reason))
    }
}

/// Tools of one reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct Tools {
    /// Definitions of the tools. Without any, no text is taken for a call.
    #[uniffi(default)]
    pub definitions: Vec<ToolDefinition>,
    /// Who runs the tools. `Automatic` and `Ask` need the session's runner. Left out: `Manual`.
    #[uniffi(default)]
    pub usage: Option<ToolUse>,
    /// Largest number of times that results are given back to the model in one generation. Left out: 8.
    #[uniffi(default)]
    pub max_rounds: Option<u32>,
    /// Whether the model chooses to call a tool, or has to. Left out: `Auto`.
    #[uniffi(default)]
    pub choice: Option<ToolChoice>,
}

impl Tools {
    pub(crate) fn into_core(self, runner: Option<Arc<dyn ToolRunner>>) -> Result<uhlm_core::Tools, UhlmError> {
        let default = uhlm_core::Tools::default();
        let runner = || {
            let runner = runner.ok_or_else(|| UhlmError::invalid("tools: the session has no runner"))?;
            Ok::<_, UhlmError>(uhlm_core::Runner::new(Running(runner)))
        };
        let usage = match self.usage.unwrap_or(ToolUse::Manual) {
            ToolUse::Manual => uhlm_core::ToolUse::Manual,
            ToolUse::Automatic => uhlm_core::ToolUse::Automatic(runner()?),
            ToolUse::Ask => uhlm_core::ToolUse::Ask(runner()?),
        };
        let max_rounds = self.max_rounds.map_or(default.max_rounds, |rounds| rounds as usize);
        let choice = self.choice.map_or(default.choice, Into::into);
        Ok(uhlm_core::Tools { definitions: self.definitions, choice, usage, max_rounds })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use uhlm_core::ToolRunner as _;

    use super::*;

    /// A tool that never ends, and tells when it was dropped.
    struct Endless {
        dropped: Sender<()>,
    }

    #[async_trait::async_trait]
    impl ToolRunner for Endless {
        async fn allows(&self, _: ToolCall) -> Result<bool, ToolError> {
            Ok(true)
        }

        async fn run(&self, _: ToolCall) -> Result<String, ToolError> {
            let _guard = Guard(self.dropped.clone());
            std::future::pending().await
        }
    }

    struct Guard(Sender<()>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits");
        }
    }

    #[test]
    fn what_the_app_computes_is_dropped_once_it_is_cancelled() {
        let (dropped, was_dropped): (_, Receiver<()>) = channel();
        let running = Running(Arc::new(Endless { dropped }));
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() };
        assert!(running.allows(&call));
        let cancel = Cancel::new();
        let canceller = cancel.clone();
        let later = std::thread::spawn(move || {
            std::thread::sleep(2 * LOOK);
            canceller.cancel();
        });
        assert!(running.run_until(&call, &cancel).is_err());
        was_dropped.try_recv().expect("the future is gone");
        later.join().expect("no panic");
    }
}

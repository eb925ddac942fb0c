//! A conversation.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uhlm_core::GenerationError;
pub use uhlm_core::SessionStatus;
use uhlm_core::calibration_file;
pub use uhlm_law::chat::{Message, Role};

use crate::choices::Prompt;
use crate::config::GenerationOptions;
use crate::device::DeviceState;
use crate::error::UhlmError;
use crate::event::{LinkCause, LinkState};
use crate::generation::UhlmGeneration;
use crate::privacy::{Consent, SentRecord};
use crate::thread::off_thread;
use crate::tools::{ToolCall, ToolRunner};
use crate::totals::Totals;

/// The speaker of a message.
#[uniffi::remote(Enum)]
pub enum Role {
    /// The author of instructions for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

/// One message of a conversation.
#[uniffi::remote(Record)]
pub struct Message {
    /// Speaker of the message.
    pub role: Role,
    /// Text of the message.
    pub content: String,
    /// Reasoning of the model before the message, for chat templates that show it again; nothing if there was none.
    #[uniffi(default)]
    pub reasoning: Option<String>,
    /// Calls of tools that the model made with the message.
    #[uniffi(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Id of the call that the message is the result of, if it is a tool's.
    #[uniffi(default)]
    pub tool_call_id: Option<String>,
    /// Name of the tool, if the message is a tool's.
    #[uniffi(default)]
    pub tool_name: Option<String>,
}

/// The status of a session, for an app to show.
#[uniffi::remote(Record)]
pub struct SessionStatus {
    /// True while a generation is running.
    pub generating: bool,
    /// Whether the verifier can be reached; `Online` before it was first asked.
    pub link: LinkState,
    /// Why the verifier does not answer; nothing while it does.
    #[uniffi(default)]
    pub cause: Option<LinkCause>,
}

/// The share of its context that a conversation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ContextUse {
    /// Length of the conversation in tokens, with those that are being written.
    pub tokens: u32,
    /// Largest length of the conversation in tokens, which is the draft model's context, or the target's if that is
    /// shorter or the target writes alone; nothing before the first generation.
    pub context: Option<u32>,
}

impl From<uhlm_core::ContextUse> for ContextUse {
    fn from(used: uhlm_core::ContextUse) -> Self {
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        Self { tokens: count(used.tokens), context: used.context.map(count) }
    }
}

/// A conversation with a draft model and, mostly, a verifier. No call blocks, and any thread may call.
#[derive(uniffi::Object)]
pub struct UhlmSession {
    session: Mutex<Option<uhlm_core::Session>>,
    /// Runs the tools that the model calls, where the app left that to the session.
    runner: Mutex<Option<Arc<dyn ToolRunner>>>,
}

impl std::fmt::Debug for UhlmSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UhlmSession").field("session", &self.session).finish_non_exhaustive()
    }
}

impl UhlmSession {
    /// Public for tests in Rust that bring a model of their own; UniFFI does not see it.
    #[must_use]
    pub fn new(session: uhlm_core::Session) -> Arc<Self> {
        Arc::new(Self { session: Mutex::new(Some(session)), runner: Mutex::default() })
    }

    pub(crate) fn with<T>(
        &self,
        call: impl FnOnce(&uhlm_core::Session) -> Result<T, GenerationError>,
    ) -> Result<T, UhlmError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(call(session.as_ref().ok_or(GenerationError::SessionClosed)?)?)
    }
}

#[uniffi::export]
impl UhlmSession {
    /// Starts a generation, which is then asked for its events.
    ///
    /// # Errors
    /// `Busy` while another generation runs, `InvalidOptions`, `SessionClosed`. Every other error comes from the
    /// generation.
    #[uniffi::method(default(options))]
    pub fn start(&self, prompt: Prompt, options: GenerationOptions) -> Result<Arc<UhlmGeneration>, UhlmError> {
        let runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let options = options.into_core(runner)?;
        let generation = self.with(|session| session.generate(prompt.into(), options))?;
        Ok(Arc::new(UhlmGeneration::new(generation)))
    }

    /// Sets who runs the tools that the model calls in the generations that follow, under `Automatic` and `Ask`.
    #[uniffi::method(default(runner = None))]
    pub fn set_tool_runner(&self, runner: Option<Arc<dyn ToolRunner>>) {
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = runner;
    }

    /// Returns how much of its context the conversation takes, also while a reply is being written.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn context_use(&self) -> Result<ContextUse, UhlmError> {
        self.with(|session| Ok(session.context_use().into()))
    }

    /// Gives or withdraws consent for the generations that follow. When it is withdrawn, a generation that asks the
    /// verifier is cancelled, nothing more is sent, and the verifier is told to forget the conversation.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn set_consent(&self, consent: Consent) -> Result<(), UhlmError> {
        self.with(|session| {
            session.set_consent(consent);
            Ok(())
        })
    }

    /// Returns what was sent to the verifier so far.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn sent(&self) -> Result<SentRecord, UhlmError> {
        self.with(|session| Ok(session.sent().into()))
    }

    /// Forgets the requests in the record with their texts. The totals stay.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn clear_sent(&self) -> Result<(), UhlmError> {
        self.with(|session| {
            session.clear_sent();
            Ok(())
        })
    }

    /// Takes note of the state of the device. From the next generation on, the session spares what is short.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn set_device(&self, state: DeviceState) -> Result<(), UhlmError> {
        self.with(|session| {
            session.set_device(state.into());
            Ok(())
        })
    }

    /// Takes note that the system reported another network, or that the app came to the front. The verifier is then
    /// asked again at once, whatever failed before.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn on_network_change(&self) -> Result<(), UhlmError> {
        self.with(|session| {
            session.on_network_change();
            Ok(())
        })
    }

    /// Returns the conversation so far.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn messages(&self) -> Result<Vec<Message>, UhlmError> {
        self.with(|session| Ok(session.messages()))
    }

    /// Replaces the conversation, by a restored one or by one with a new system message.
    ///
    /// # Errors
    /// `Busy`, `SessionClosed`.
    pub fn set_messages(&self, messages: Vec<Message>) -> Result<(), UhlmError> {
        self.with(|session| session.set_messages(messages))
    }

    /// Changes the instructions, which take the place of all system messages; nothing takes these away.
    ///
    /// # Errors
    /// `Busy`, `SessionClosed`.
    pub fn set_instructions(&self, instructions: Option<String>) -> Result<(), UhlmError> {
        self.with(|session| session.set_instructions(instructions.as_deref()))
    }

    /// Returns what the session's generations have taken in all, those that have ended.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn totals(&self) -> Result<Totals, UhlmError> {
        self.with(|session| Ok(session.totals().into()))
    }

    /// Forgets the conversation, except for its system messages.
    ///
    /// # Errors
    /// `Busy`, `SessionClosed`.
    pub fn reset(&self) -> Result<(), UhlmError> {
        self.with(uhlm_core::Session::reset)
    }

    /// Returns whether the session is generating, and whether the verifier can be reached.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn status(&self) -> Result<SessionStatus, UhlmError> {
        self.with(|session| Ok(session.status()))
    }

    /// Returns the status as it changes, from the present one on.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn status_updates(&self) -> Result<Arc<UhlmStatusUpdates>, UhlmError> {
        let updates = self.with(|session| Ok(session.status_updates()))?;
        Ok(Arc::new(UhlmStatusUpdates { updates: tokio::sync::Mutex::new(updates), cancelled: Notify::new() }))
    }

    /// Writes the calibration to a file for the next session, with what this session's verdicts have taught.
    ///
    /// # Errors
    /// `InvalidOptions` if the file cannot be written, `SessionClosed`.
    pub async fn save_calibration(&self, path: String) -> Result<(), UhlmError> {
        let calibration = self.with(|session| Ok(session.calibration()))?;
        off_thread(move || calibration_file::save(&calibration, path.as_ref())).await
    }

    /// Ends the session and returns at once: what runs is cancelled, and its memory and the verifier's session are
    /// freed. Later calls fail with `SessionClosed`. Letting go of the last handle does the same.
    pub fn shut_down(&self) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(session);
        self.set_tool_runner(None);
    }
}

/// The status of a session as it changes. It does not keep the session alive.
#[derive(Debug, uniffi::Object)]
pub struct UhlmStatusUpdates {
    updates: tokio::sync::Mutex<uhlm_core::StatusUpdates>,
    cancelled: Notify,
}

#[uniffi::export]
impl UhlmStatusUpdates {
    /// Returns the present status at first, then waits for each new one. It returns nothing once the session is gone,
    /// and after `cancel`.
    pub async fn next(&self) -> Option<SessionStatus> {
        let mut updates = self.updates.lock().await;
        tokio::select! {
            biased;
            () = self.cancelled.notified() => {
                // Whoever asks again is told the same.
                self.cancelled.notify_one();
                None
            }
            status = updates.next() => status,
        }
    }

    /// Ends a `next` that waits, and all that follow.
    pub fn cancel(&self) {
        self.cancelled.notify_one();
    }
}

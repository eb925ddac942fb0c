//! A conversation.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uhlm_core::{GenerationError, calibration_file};
use uhlm_law::chat;

use crate::config::{GenerationOptions, Prompt};
use crate::device::DeviceState;
use crate::error::UhlmError;
use crate::event::{LinkCause, LinkState};
use crate::generation::UhlmGeneration;
use crate::privacy::{Consent, SentRecord};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl From<chat::Message> for Message {
    fn from(message: chat::Message) -> Self {
        let role = match message.role {
            chat::Role::System => Role::System,
            chat::Role::User => Role::User,
            chat::Role::Assistant => Role::Assistant,
        };
        Self { role, content: message.content }
    }
}

impl From<Message> for chat::Message {
    fn from(message: Message) -> Self {
        let role = match message.role {
            Role::System => chat::Role::System,
            Role::User => chat::Role::User,
            Role::Assistant => chat::Role::Assistant,
        };
        Self { role, content: message.content, reasoning: None }
    }
}

/// What an app shows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SessionStatus {
    /// Whether a generation is running.
    pub generating: bool,
    /// Whether the verifier answered last; `Online` before it was first asked.
    pub link: LinkState,
    /// Why it does not; nothing where it does.
    #[uniffi(default)]
    pub cause: Option<LinkCause>,
}

impl From<uhlm_core::SessionStatus> for SessionStatus {
    fn from(status: uhlm_core::SessionStatus) -> Self {
        Self { generating: status.generating, link: status.link.into(), cause: status.cause.map(LinkCause::from) }
    }
}

/// How much of its context a conversation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ContextUse {
    /// Tokens of the conversation, those that are written just now included.
    pub tokens: u32,
    /// Tokens that it may have: the context of the draft model, or of the target where that is shorter or writes alone.
    /// Nothing before the first generation.
    pub context: Option<u32>,
}

impl From<uhlm_core::ContextUse> for ContextUse {
    fn from(used: uhlm_core::ContextUse) -> Self {
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        Self { tokens: count(used.tokens), context: used.context.map(count) }
    }
}

/// A conversation with one draft model and, mostly, one verifier. Calls do not block, from any thread.
#[derive(Debug, uniffi::Object)]
pub struct UhlmSession {
    session: Mutex<Option<uhlm_core::Session>>,
}

impl UhlmSession {
    /// Public for tests in Rust that bring a model of their own; UniFFI does not see it.
    #[must_use]
    pub fn new(session: uhlm_core::Session) -> Arc<Self> {
        Arc::new(Self { session: Mutex::new(Some(session)) })
    }

    fn with<T>(&self, call: impl FnOnce(&uhlm_core::Session) -> Result<T, GenerationError>) -> Result<T, UhlmError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(call(session.as_ref().ok_or(GenerationError::SessionClosed)?)?)
    }
}

#[uniffi::export]
impl UhlmSession {
    /// Starts a generation, whose events are then pulled.
    ///
    /// # Errors
    /// `Busy` while another one runs, `SessionClosed`. Everything else comes from the generation.
    #[uniffi::method(default(options))]
    pub fn start(&self, prompt: Prompt, options: GenerationOptions) -> Result<Arc<UhlmGeneration>, UhlmError> {
        let generation = self.with(|session| session.generate(prompt.into(), options.into()))?;
        Ok(Arc::new(UhlmGeneration::new(generation)))
    }

    /// How much of its context the conversation takes, also while a reply is written.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn context_use(&self) -> Result<ContextUse, UhlmError> {
        self.with(|session| Ok(session.context_use().into()))
    }

    /// Gives or withdraws consent for the generations that follow. Withdrawn, a generation that asks the verifier is
    /// cancelled, nothing more is sent, and the verifier is told to forget the conversation; what was sent stays sent.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn set_consent(&self, consent: Consent) -> Result<(), UhlmError> {
        self.with(|session| {
            session.set_consent(consent.into());
            Ok(())
        })
    }

    /// What was sent to the verifier so far.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn sent(&self) -> Result<SentRecord, UhlmError> {
        self.with(|session| Ok(session.sent().into()))
    }

    /// Forgets the requests in the record, with their texts; the totals stay.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn clear_sent(&self) -> Result<(), UhlmError> {
        self.with(|session| {
            session.clear_sent();
            Ok(())
        })
    }

    /// What the device is going through; the session keeps to what follows from it, from the next generation on.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn set_device(&self, state: DeviceState) -> Result<(), UhlmError> {
        self.with(|session| {
            session.set_device(state.into());
            Ok(())
        })
    }

    /// The system reported another network, or the app came to the front: the verifier is asked again at once, whatever
    /// failed before.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn on_network_change(&self) -> Result<(), UhlmError> {
        self.with(|session| {
            session.on_network_change();
            Ok(())
        })
    }

    /// The conversation so far.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn messages(&self) -> Result<Vec<Message>, UhlmError> {
        self.with(|session| Ok(session.messages().into_iter().map(Into::into).collect()))
    }

    /// Replaces the conversation: a restored one, or a new system message.
    ///
    /// # Errors
    /// `Busy`, `SessionClosed`.
    pub fn set_messages(&self, messages: Vec<Message>) -> Result<(), UhlmError> {
        self.with(|session| session.set_messages(messages.into_iter().map(Into::into).collect()))
    }

    /// Forgets the conversation, except for its system messages.
    ///
    /// # Errors
    /// `Busy`, `SessionClosed`.
    pub fn reset(&self) -> Result<(), UhlmError> {
        self.with(uhlm_core::Session::reset)
    }

    /// Whether it is generating, and whether the verifier answers.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn status(&self) -> Result<SessionStatus, UhlmError> {
        self.with(|session| Ok(session.status().into()))
    }

    /// The status as it changes, from the present one on.
    ///
    /// # Errors
    /// `SessionClosed`.
    pub fn status_updates(&self) -> Result<Arc<UhlmStatusUpdates>, UhlmError> {
        let updates = self.with(|session| Ok(session.status_updates()))?;
        Ok(Arc::new(UhlmStatusUpdates { updates: tokio::sync::Mutex::new(updates), cancelled: Notify::new() }))
    }

    /// Writes the calibration with what this session's verdicts have taught to a file, for the next session.
    ///
    /// # Errors
    /// `InvalidOptions` where the file cannot be written, `SessionClosed`.
    pub fn save_calibration(&self, path: String) -> Result<(), UhlmError> {
        let calibration = self.with(|session| Ok(session.calibration()))?;
        Ok(calibration_file::save(&calibration, path.as_ref())?)
    }

    /// Ends the session: cancels what runs, frees its memory and the verifier's session. Returns at once; calls after
    /// it fail with `SessionClosed`. Letting go of the last handle does the same.
    pub fn shut_down(&self) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(session);
    }
}

/// The status of a session as it changes. Does not keep the session alive.
#[derive(Debug, uniffi::Object)]
pub struct UhlmStatusUpdates {
    updates: tokio::sync::Mutex<uhlm_core::StatusUpdates>,
    cancelled: Notify,
}

#[uniffi::export]
impl UhlmStatusUpdates {
    /// The present status at first, then each new one; none once the session is gone, or after `cancel`.
    pub async fn next(&self) -> Option<SessionStatus> {
        let mut updates = self.updates.lock().await;
        tokio::select! {
            biased;
            () = self.cancelled.notified() => {
                // Whoever asks again is told the same.
                self.cancelled.notify_one();
                None
            }
            status = updates.next() => status.map(Into::into),
        }
    }

    /// Ends a `next` that waits, and all that follow.
    pub fn cancel(&self) {
        self.cancelled.notify_one();
    }
}

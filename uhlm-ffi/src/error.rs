//! The one error of this library. [`causes`] says which failure below is of which kind.

mod causes;

use std::fmt::Display;

/// Why a saved session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum SavedSessionFault {
    /// There is no such file.
    Missing,
    /// The file is no saved session, was cut, or was changed since it was written.
    Damaged,
    /// The file was written by another version of this library.
    AnotherVersion,
    /// The session was one with another model.
    AnotherModel,
    /// The conversation does not fit the context.
    TooLong,
    /// The model was loaded with other settings than those the cache was made with.
    AnotherCache,
}

/// The kind of a failure. There is one for everything that apps answer in different ways, and a kind has what an app
/// needs for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum ErrorKind {
    /// There is no model of this name, or its file cannot be read.
    ModelNotFound,
    /// The model's file is not the one that was asked for: no GGUF file, cut short, or with another hash. What was
    /// downloaded so was thrown away.
    ModelDamaged,
    /// The model is sound but cannot be used: its architecture or its chat template is not supported.
    ModelUnsupported,
    /// The device has too little memory for the model with this context.
    NotEnoughMemory {
        /// Memory that is needed, in bytes.
        needed: u64,
        /// The longest context that fits, in tokens; nothing if the model does not fit at all.
        fits: Option<u32>,
    },
    /// The model failed while it was running.
    EngineFailed,
    /// An option, an address, or a file of options is not valid.
    InvalidOptions,
    /// The prompt leaves no room for a useful reply.
    PromptTooLong {
        /// Length of the prompt in tokens, earlier turns included.
        tokens: u64,
        /// Least length of a useful reply, in tokens.
        reply: u64,
        /// Length of the draft model's or the target's context in tokens, whichever is shorter.
        capacity: u64,
    },
    /// The generation would send messages that the person has not agreed to send. Nothing was sent.
    ConsentRequired {
        /// Number of messages that are not agreed to.
        messages: u64,
    },
    /// The session is generating already, or the model is being downloaded already.
    Busy,
    /// The session was shut down.
    SessionClosed,
    /// A saved session cannot be restored. The file is as it was.
    SavedSession {
        /// Why it cannot be used.
        fault: SavedSessionFault,
    },
    /// Draft and target do not share a vocabulary, so the target cannot judge what the draft model writes.
    VocabularyMismatch,
    /// The server cannot be reached, and the policy is to fail, or waiting took too long.
    Offline,
    /// The session has taken as much of the verifier as its budget allows, and the policy is not to go on without it.
    BudgetSpent,
    /// The server can be reached but has no room for another request.
    ServerBusy,
    /// The server does not accept the token, or there is none.
    Unauthorized,
    /// The server's certificate is not trusted. Nothing was sent.
    Untrusted,
    /// The server refused for a reason that another attempt does not change.
    Refused,
    /// The network is metered, and the download was not allowed on it.
    Metered,
    /// Neither the request nor the repository says which SHA-256 the file must have, and the request requires one.
    /// Nothing was downloaded.
    ChecksumMissing,
    /// The file system has no room for the model.
    StorageFull,
    /// The file system failed.
    StorageFailed,
    /// The app cancelled. What was downloaded by then is kept.
    Cancelled,
}

impl ErrorKind {
    /// Returns what mostly helps; some causes of a kind need something else.
    const fn recovery(self) -> Recovery {
        match self {
            Self::ModelNotFound => Recovery::ProvideModel,
            Self::ModelDamaged => Recovery::DownloadAgain,
            Self::ModelUnsupported | Self::VocabularyMismatch => Recovery::ChooseAnotherModel,
            Self::NotEnoughMemory { .. } | Self::EngineFailed => Recovery::FreeMemory,
            Self::InvalidOptions | Self::ChecksumMissing | Self::BudgetSpent => Recovery::FixOptions,
            Self::PromptTooLong { .. } => Recovery::ShortenPrompt,
            Self::ConsentRequired { .. } => Recovery::AskForConsent,
            Self::Busy | Self::ServerBusy => Recovery::TryAgain,
            Self::SessionClosed | Self::SavedSession { .. } => Recovery::OpenAgain,
            Self::Offline | Self::Metered => Recovery::WaitForNetwork,
            Self::Unauthorized => Recovery::SignIn,
            Self::Untrusted | Self::Refused => Recovery::CheckEndpoint,
            Self::StorageFull | Self::StorageFailed => Recovery::FreeStorage,
            Self::Cancelled => Recovery::None,
        }
    }

    /// Tells whether the same call may succeed later without the app changing anything.
    const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Offline | Self::ServerBusy)
    }
}

/// Returns one sentence for a person that says what failed, in English. Apps that speak other languages switch on the
/// kind.
#[uniffi::export]
#[must_use]
pub fn error_title(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::ModelNotFound => "The model is not there.",
        ErrorKind::ModelDamaged => "The model's file is damaged.",
        ErrorKind::ModelUnsupported => "The model cannot be used.",
        ErrorKind::NotEnoughMemory { .. } => "There is not enough memory for the model.",
        ErrorKind::EngineFailed => "The model failed.",
        ErrorKind::InvalidOptions => "A setting is not valid.",
        ErrorKind::PromptTooLong { .. } => "The conversation is too long for the model.",
        ErrorKind::ConsentRequired { .. } => "This conversation may not be sent to the server.",
        ErrorKind::Busy => "This is being done already.",
        ErrorKind::SessionClosed => "The conversation was closed.",
        ErrorKind::SavedSession { .. } => "The saved conversation cannot be used.",
        ErrorKind::VocabularyMismatch => "The model does not fit the server's.",
        ErrorKind::Offline => "The server cannot be reached.",
        ErrorKind::BudgetSpent => "As much was asked of the server as is allowed.",
        ErrorKind::ServerBusy => "The server is busy.",
        ErrorKind::Unauthorized => "The server does not know you.",
        ErrorKind::Untrusted => "The server cannot be trusted.",
        ErrorKind::Refused => "The server refused.",
        ErrorKind::Metered => "The network is metered.",
        ErrorKind::ChecksumMissing => "Nobody says which file is the right one.",
        ErrorKind::StorageFull => "There is not enough storage for the model.",
        ErrorKind::StorageFailed => "The model cannot be stored.",
        ErrorKind::Cancelled => "This was cancelled.",
    }
    .to_owned()
}

/// The way in which the app can get over an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum Recovery {
    /// Do the same again a little later.
    TryAgain,
    /// Get the model's file, which is not there.
    ProvideModel,
    /// Delete the model's file and download it again.
    DownloadAgain,
    /// Take another model.
    ChooseAnotherModel,
    /// Correct the options that `reason` names.
    FixOptions,
    /// Shorten the prompt, or reset the conversation.
    ShortenPrompt,
    /// Ask the person to sign in, or renew the key.
    SignIn,
    /// Check the server's address and its certificate, and do not go on without it.
    CheckEndpoint,
    /// Wait for the network, or generate with `DeviceOnly`.
    WaitForNetwork,
    /// Make a new object in the place of the closed one.
    OpenAgain,
    /// Free memory: close other sessions, or take a shorter context or a smaller model.
    FreeMemory,
    /// Free storage: delete models, or ask the person to.
    FreeStorage,
    /// Ask the person whether this may be sent, or generate with `DeviceOnly`.
    AskForConsent,
    /// Do nothing, because it was asked for.
    None,
}

/// Returns one sentence for a person that says what to do, in English. Apps that speak other languages switch on the
/// recovery.
#[uniffi::export]
#[must_use]
pub fn recovery_hint(recovery: Recovery) -> String {
    match recovery {
        Recovery::TryAgain => "Try again in a moment.",
        Recovery::ProvideModel => "Download the model first.",
        Recovery::DownloadAgain => "Delete the model and download it again.",
        Recovery::ChooseAnotherModel => "Choose another model.",
        Recovery::FixOptions => "Check the settings.",
        Recovery::ShortenPrompt => "Shorten the message or start a new conversation.",
        Recovery::SignIn => "Sign in again.",
        Recovery::CheckEndpoint => "Check the server's address and certificate.",
        Recovery::WaitForNetwork => "Check the connection, or go on without the server.",
        Recovery::OpenAgain => "Start a new session.",
        Recovery::FreeMemory => "Close other apps or choose a smaller model.",
        Recovery::FreeStorage => "Free some storage.",
        Recovery::AskForConsent => "Allow this conversation to be sent to the server, or go on without it.",
        Recovery::None => "Nothing needs to be done.",
    }
    .to_owned()
}

/// The error of every call that can fail. Text that was committed before it stands.
///
/// A network that is down is no error under the policies other than `Fail`, but a state; a cancelled generation ends
/// with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum UhlmError {
    /// The only case, because the generated languages know errors as cases and not as records.
    #[error("{reason}")]
    Failed {
        /// Kind of the failure.
        kind: ErrorKind,
        /// Description in English for developers and logs, without any text of the person.
        reason: String,
        /// True if the same call may succeed later without the app changing anything.
        retryable: bool,
        /// Way in which the app can get over it.
        recovery: Recovery,
    },
}

impl UhlmError {
    /// Makes an error of a kind, with what mostly helps against it.
    pub(crate) fn new(kind: ErrorKind, error: impl Display) -> Self {
        Self::with(kind, kind.recovery(), error)
    }

    /// Makes an error of a kind that needs something else than most of it.
    fn with(kind: ErrorKind, recovery: Recovery, error: impl Display) -> Self {
        Self::Failed { kind, reason: error.to_string(), retryable: kind.is_retryable(), recovery }
    }

    /// Makes the error of an option that is not valid.
    pub(crate) fn invalid(error: impl Display) -> Self {
        Self::new(ErrorKind::InvalidOptions, error)
    }

    /// Returns what failed.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        let Self::Failed { kind, .. } = self;
        *kind
    }

    /// Returns what the app can do about it.
    #[must_use]
    pub const fn recovery(&self) -> Recovery {
        let Self::Failed { recovery, .. } = self;
        *recovery
    }

    /// Tells whether the same call may succeed later without the app changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        let Self::Failed { retryable, .. } = self;
        *retryable
    }
}

//! Errors that an app acts on differently, and the one table from the core's errors to them.

use uhlm_core::GenerationError;
use uhlm_core::calibration_file::CalibrationFileError;
use uhlm_law::sampling::SamplingError;

/// What the app can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum Recovery {
    /// Do the same again a little later.
    TryAgain,
    /// Get the model file: it is not there.
    ProvideModel,
    /// Delete the model file and download it again.
    DownloadAgain,
    /// Take another model.
    ChooseAnotherModel,
    /// Correct the options that `reason` names.
    FixOptions,
    /// Shorten the prompt, or reset the conversation.
    ShortenPrompt,
    /// Ask the person to sign in, or renew the key.
    SignIn,
    /// Check the endpoint's address and its certificate; do not go on without.
    CheckEndpoint,
    /// Wait for the network, or generate with `DeviceOnly`.
    WaitForNetwork,
    /// Make a new object in the place of the closed one.
    OpenAgain,
    /// Free memory: close other sessions, or take a smaller context or model.
    FreeMemory,
    /// Free storage: delete models, or ask the person to.
    FreeStorage,
    /// Ask the person whether this may be sent, or generate with `DeviceOnly`.
    AskForConsent,
    /// Nothing; it was asked for.
    None,
}

/// One sentence for a person, in English; apps that speak other languages switch on [`Recovery`].
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

/// Why a call failed. Each variant says in `reason` what happened (without any text of the person), in `retryable`
/// whether the same call may succeed later without the app changing anything, and in `recovery` what to do.
///
/// Not errors: a network that is down under a policy other than `Fail` (a state), cancelling (an event).
#[derive(Clone, Debug, PartialEq, thiserror::Error, uniffi::Error)]
#[expect(missing_docs, reason = "the fields that all variants share are described above")]
pub enum UhlmError {
    /// There is no model file, or it cannot be read.
    #[error("{reason}")]
    ModelNotFound { reason: String, retryable: bool, recovery: Recovery },
    /// The model file is no GGUF file, cut short or damaged.
    #[error("{reason}")]
    ModelDamaged { reason: String, retryable: bool, recovery: Recovery },
    /// The model is sound, but cannot be used: its architecture, or its chat template.
    #[error("{reason}")]
    ModelUnsupported { reason: String, retryable: bool, recovery: Recovery },
    /// An option or a file of options is not valid.
    #[error("{reason}")]
    InvalidOptions { reason: String, retryable: bool, recovery: Recovery },
    /// The prompt leaves no room for a reply.
    #[error("{reason}")]
    PromptTooLong {
        reason: String,
        retryable: bool,
        recovery: Recovery,
        /// Tokens of the prompt, earlier turns included.
        tokens: u64,
        /// The shorter one of the draft's and the target's context.
        capacity: u64,
    },
    /// Another generation of this session is running, and is not cancelled.
    #[error("{reason}")]
    Busy { reason: String, retryable: bool, recovery: Recovery },
    /// The session was shut down.
    #[error("{reason}")]
    SessionClosed { reason: String, retryable: bool, recovery: Recovery },
    /// The generation would send messages that the person has not agreed to send. Nothing was sent.
    #[error("{reason}")]
    ConsentRequired {
        reason: String,
        retryable: bool,
        recovery: Recovery,
        /// Messages that are not agreed to.
        messages: u64,
    },
    /// The device has too little memory for the model with this context.
    #[error("{reason}")]
    NotEnoughMemory {
        reason: String,
        retryable: bool,
        recovery: Recovery,
        /// Bytes that are needed.
        needed: u64,
        /// The longest context that fits; none if the model does not fit at all.
        fits: Option<u32>,
    },
    /// Draft and target do not share a vocabulary, so no verdict would mean anything.
    #[error("{reason}")]
    VocabularyMismatch { reason: String, retryable: bool, recovery: Recovery },
    /// The verifier does not accept the token, or there is none.
    #[error("{reason}")]
    Unauthorized { reason: String, retryable: bool, recovery: Recovery },
    /// The verifier's certificate is not trusted. Nothing was sent.
    #[error("{reason}")]
    Untrusted { reason: String, retryable: bool, recovery: Recovery },
    /// The verifier is out of reach and the policy is to fail, or waiting took too long.
    #[error("{reason}")]
    Offline { reason: String, retryable: bool, recovery: Recovery },
    /// The verifier refused for a reason that trying again does not change.
    #[error("{reason}")]
    Refused { reason: String, retryable: bool, recovery: Recovery },
    /// The draft model failed: mostly no memory.
    #[error("{reason}")]
    EngineFailed { reason: String, retryable: bool, recovery: Recovery },
    /// Loading was cancelled.
    #[error("{reason}")]
    LoadCancelled { reason: String, retryable: bool, recovery: Recovery },
}

/// The fields that all variants have, with `retryable` false.
macro_rules! failure {
    ($variant:ident, $error:expr, $recovery:ident) => {
        $crate::error::UhlmError::$variant {
            reason: $error.to_string(),
            retryable: false,
            recovery: $crate::error::Recovery::$recovery,
        }
    };
}
pub(crate) use failure;

impl From<GenerationError> for UhlmError {
    fn from(error: GenerationError) -> Self {
        let (reason, retryable) = (error.to_string(), error.is_retryable());
        match error {
            GenerationError::Busy => Self::Busy { reason, retryable, recovery: Recovery::TryAgain },
            GenerationError::SessionClosed => failure!(SessionClosed, reason, OpenAgain),
            GenerationError::SessionFailed => failure!(EngineFailed, reason, OpenAgain),
            GenerationError::PromptTooLong { tokens, capacity, .. } => Self::PromptTooLong {
                reason,
                retryable,
                recovery: Recovery::ShortenPrompt,
                tokens: tokens as u64,
                capacity: capacity as u64,
            },
            GenerationError::Template(_) => failure!(ModelUnsupported, reason, ChooseAnotherModel),
            GenerationError::EmptyPrompt | GenerationError::NoVerifier | GenerationError::Sampling(_) => {
                failure!(InvalidOptions, reason, FixOptions)
            }
            GenerationError::ConsentRequired { messages } => Self::ConsentRequired {
                reason,
                retryable,
                recovery: Recovery::AskForConsent,
                messages: messages as u64,
            },
            GenerationError::VocabularyMismatch { .. } => failure!(VocabularyMismatch, reason, ChooseAnotherModel),
            GenerationError::Unauthorized => failure!(Unauthorized, reason, SignIn),
            GenerationError::Untrusted { .. } => failure!(Untrusted, reason, CheckEndpoint),
            GenerationError::Refused { .. } => failure!(Refused, reason, CheckEndpoint),
            GenerationError::Offline { .. } => Self::Offline { reason, retryable, recovery: Recovery::WaitForNetwork },
            GenerationError::Model(uhlm_law::model::ModelError::Text { .. }) => {
                failure!(EngineFailed, reason, ShortenPrompt)
            }
            GenerationError::Model(uhlm_law::model::ModelError::NotEnoughMemory { needed, fits, .. }) => {
                Self::NotEnoughMemory { reason, retryable, recovery: Recovery::FreeMemory, needed, fits }
            }
            GenerationError::Model(_) => failure!(EngineFailed, reason, FreeMemory),
        }
    }
}

impl From<SamplingError> for UhlmError {
    fn from(error: SamplingError) -> Self {
        failure!(InvalidOptions, error, FixOptions)
    }
}

impl From<CalibrationFileError> for UhlmError {
    fn from(error: CalibrationFileError) -> Self {
        failure!(InvalidOptions, error, FixOptions)
    }
}

impl From<uhlm_core::verifier::http::ConfigError> for UhlmError {
    fn from(error: uhlm_core::verifier::http::ConfigError) -> Self {
        failure!(InvalidOptions, error, FixOptions)
    }
}

impl From<uhlm_core::verifier::VerifierError> for UhlmError {
    fn from(error: uhlm_core::verifier::VerifierError) -> Self {
        use uhlm_core::verifier::VerifierError;
        match error {
            VerifierError::Unauthorized => failure!(Unauthorized, error, SignIn),
            VerifierError::Untrusted { .. } => failure!(Untrusted, error, CheckEndpoint),
            VerifierError::Refused(_) | VerifierError::InvalidAnswer { .. } => failure!(Refused, error, CheckEndpoint),
            VerifierError::Unreachable { .. }
            | VerifierError::DeadlineExceeded { .. }
            | VerifierError::Busy { .. }
            | VerifierError::Desync { .. }
            | VerifierError::SessionGone
            | VerifierError::Cancelled => {
                Self::Offline { reason: error.to_string(), retryable: true, recovery: Recovery::WaitForNetwork }
            }
        }
    }
}

impl From<uhlm_llama::LoadError> for UhlmError {
    fn from(error: uhlm_llama::LoadError) -> Self {
        use uhlm_llama::LoadError;
        match error {
            LoadError::Missing { .. } | LoadError::Unreadable { .. } => failure!(ModelNotFound, error, ProvideModel),
            LoadError::NotGguf { .. }
            | LoadError::Truncated { .. }
            | LoadError::Damaged { .. }
            | LoadError::MissingPart { .. } => failure!(ModelDamaged, error, DownloadAgain),
            LoadError::Unsupported { .. } => failure!(ModelUnsupported, error, ChooseAnotherModel),
            LoadError::Memory(error) => error.into(),
            LoadError::Cancelled | LoadError::Callback { .. } => failure!(LoadCancelled, error, None),
        }
    }
}

impl From<uhlm_llama::memory::MemoryError> for UhlmError {
    fn from(error: uhlm_llama::memory::MemoryError) -> Self {
        use uhlm_llama::memory::MemoryError;
        match error {
            MemoryError::Unreadable { .. } => failure!(ModelDamaged, error, DownloadAgain),
            MemoryError::Unknown { .. } => failure!(ModelUnsupported, error, ChooseAnotherModel),
            MemoryError::NotEnough { needed, fits, .. } => Self::NotEnoughMemory {
                reason: error.to_string(),
                retryable: false,
                recovery: Recovery::FreeMemory,
                needed,
                fits,
            },
        }
    }
}

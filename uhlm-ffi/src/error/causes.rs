//! Of which kind the failures of the crates below are.

use uhlm_core::calibration_file::CalibrationFileError;
use uhlm_core::verifier::VerifierError;
use uhlm_core::{GenerationError, SavedSessionError};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::SamplingError;
use uhlm_llama::LoadError;
use uhlm_llama::memory::MemoryError;
use uhlm_models::{DownloadError, StoreError};

use super::{ErrorKind, Recovery, SavedSessionFault, UhlmError};

impl From<GenerationError> for UhlmError {
    fn from(error: GenerationError) -> Self {
        let kind = match &error {
            GenerationError::Busy => ErrorKind::Busy,
            GenerationError::SessionClosed => ErrorKind::SessionClosed,
            GenerationError::SessionFailed => return Self::with(ErrorKind::EngineFailed, Recovery::OpenAgain, error),
            GenerationError::PromptTooLong { tokens, reply, capacity } => {
                let [tokens, reply, capacity] = [*tokens, *reply, *capacity].map(|count| count as u64);
                ErrorKind::PromptTooLong { tokens, reply, capacity }
            }
            GenerationError::Template(_) => ErrorKind::ModelUnsupported,
            GenerationError::EmptyPrompt
            | GenerationError::NoVerifier
            | GenerationError::InvalidTools { .. }
            | GenerationError::Grammar { .. }
            | GenerationError::Sampling(_) => ErrorKind::InvalidOptions,
            // Generations are asked for their events here, of which the last says how the reply ended.
            GenerationError::Incomplete { .. } => {
                return Self::with(ErrorKind::EngineFailed, Recovery::TryAgain, error);
            }
            GenerationError::ConsentRequired { messages } => ErrorKind::ConsentRequired { messages: *messages as u64 },
            GenerationError::VocabularyMismatch { .. } => ErrorKind::VocabularyMismatch,
            GenerationError::Unauthorized => ErrorKind::Unauthorized,
            GenerationError::Untrusted { .. } => ErrorKind::Untrusted,
            GenerationError::Refused { .. } => ErrorKind::Refused,
            GenerationError::BudgetSpent => ErrorKind::BudgetSpent,
            GenerationError::Offline { cause: VerifierError::Busy { .. } } => ErrorKind::ServerBusy,
            GenerationError::Offline { .. } => ErrorKind::Offline,
            GenerationError::Model(ModelError::Text { .. }) => {
                return Self::with(ErrorKind::EngineFailed, Recovery::ShortenPrompt, error);
            }
            GenerationError::Model(ModelError::NotEnoughMemory { needed, fits, .. }) => {
                ErrorKind::NotEnoughMemory { needed: *needed, fits: *fits }
            }
            GenerationError::Model(_) => ErrorKind::EngineFailed,
        };
        Self::new(kind, error)
    }
}

impl From<VerifierError> for UhlmError {
    fn from(error: VerifierError) -> Self {
        let kind = match &error {
            VerifierError::Unauthorized => ErrorKind::Unauthorized,
            VerifierError::Untrusted { .. } => ErrorKind::Untrusted,
            VerifierError::Refused(_) | VerifierError::InvalidAnswer { .. } => ErrorKind::Refused,
            VerifierError::Busy { .. } => ErrorKind::ServerBusy,
            VerifierError::Unreachable { .. }
            | VerifierError::DeadlineExceeded { .. }
            | VerifierError::Desync { .. }
            | VerifierError::SessionGone
            | VerifierError::Cancelled => ErrorKind::Offline,
        };
        Self::new(kind, error)
    }
}

impl From<LoadError> for UhlmError {
    fn from(error: LoadError) -> Self {
        let kind = match error {
            LoadError::Missing { .. } | LoadError::Unreadable { .. } => ErrorKind::ModelNotFound,
            LoadError::NotGguf { .. }
            | LoadError::Truncated { .. }
            | LoadError::Damaged { .. }
            | LoadError::MissingPart { .. } => ErrorKind::ModelDamaged,
            LoadError::Unsupported { .. } | LoadError::NotInvariant(_) => ErrorKind::ModelUnsupported,
            LoadError::NoGpu(_) => ErrorKind::InvalidOptions,
            LoadError::Memory(error) => return error.into(),
            LoadError::Cancelled | LoadError::Callback { .. } => ErrorKind::Cancelled,
        };
        Self::new(kind, error)
    }
}

impl From<MemoryError> for UhlmError {
    fn from(error: MemoryError) -> Self {
        let kind = match error {
            MemoryError::Unreadable { .. } => ErrorKind::ModelDamaged,
            MemoryError::Unknown { .. } => ErrorKind::ModelUnsupported,
            MemoryError::NotEnough { needed, fits, .. } => ErrorKind::NotEnoughMemory { needed, fits },
        };
        Self::new(kind, error)
    }
}

impl From<DownloadError> for UhlmError {
    fn from(error: DownloadError) -> Self {
        match download(&error) {
            // A file that a server lacks is not to be had by asking for it again.
            ErrorKind::ModelNotFound => Self::with(ErrorKind::ModelNotFound, Recovery::ChooseAnotherModel, error),
            kind => Self::new(kind, error),
        }
    }
}

fn download(error: &DownloadError) -> ErrorKind {
    use DownloadError as E;
    match error {
        _ if error.lacks_checksum() => ErrorKind::ChecksumMissing,
        E::InvalidSource(_) | E::InvalidName { .. } | E::NameTaken { .. } => ErrorKind::InvalidOptions,
        E::NoChecksum { .. } => ErrorKind::ChecksumMissing,
        E::Metered => ErrorKind::Metered,
        E::AlreadyRunning => ErrorKind::Busy,
        E::NotEnoughSpace { .. } | E::DiskFull { .. } => ErrorKind::StorageFull,
        E::Storage { .. } | E::Start { .. } => ErrorKind::StorageFailed,
        E::Unreachable { .. } | E::Interrupted { .. } | E::Stalled { .. } => ErrorKind::Offline,
        E::Busy { .. } => ErrorKind::ServerBusy,
        E::Untrusted { .. } => ErrorKind::Untrusted,
        E::Unauthorized => ErrorKind::Unauthorized,
        E::NotFound => ErrorKind::ModelNotFound,
        E::Refused { .. } | E::Redirect { .. } | E::InvalidAnswer { .. } | E::NoLength { .. } => ErrorKind::Refused,
        E::WrongLength { .. } | E::Changed | E::WrongHash { .. } | E::NotAModel { .. } => ErrorKind::ModelDamaged,
        E::EverySource { last, .. } => download(last),
        E::Part { failure, .. } => download(failure),
        E::Cancelled => ErrorKind::Cancelled,
    }
}

impl From<StoreError> for UhlmError {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Missing { .. } => ErrorKind::ModelNotFound,
            StoreError::Damaged { .. } => ErrorKind::ModelDamaged,
            StoreError::Cancelled => ErrorKind::Cancelled,
            StoreError::Io { .. } => ErrorKind::StorageFailed,
        };
        Self::new(kind, error)
    }
}

impl From<SavedSessionError> for UhlmError {
    fn from(error: SavedSessionError) -> Self {
        use SavedSessionError as E;
        let unusable = |fault| ErrorKind::SavedSession { fault };
        let kind = match error {
            E::Busy => ErrorKind::Busy,
            E::SessionClosed => ErrorKind::SessionClosed,
            E::Missing { .. } => unusable(SavedSessionFault::Missing),
            E::Damaged { .. } => unusable(SavedSessionFault::Damaged),
            E::WrongVersion { .. } => unusable(SavedSessionFault::AnotherVersion),
            E::AnotherModel { .. } => unusable(SavedSessionFault::AnotherModel),
            E::TooLong { .. } => unusable(SavedSessionFault::TooLong),
            E::Cache { .. } => unusable(SavedSessionFault::AnotherCache),
            E::Io { .. } => ErrorKind::StorageFailed,
            E::Model(error) => return GenerationError::Model(error).into(),
            E::Sampling(error) => return error.into(),
        };
        Self::new(kind, error)
    }
}

impl From<SamplingError> for UhlmError {
    fn from(error: SamplingError) -> Self {
        Self::invalid(error)
    }
}

impl From<CalibrationFileError> for UhlmError {
    fn from(error: CalibrationFileError) -> Self {
        Self::invalid(error)
    }
}

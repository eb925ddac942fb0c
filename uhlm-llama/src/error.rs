//! The reasons why a model was not loaded.

use std::path::PathBuf;

use crate::gguf::HeaderError;
use crate::memory::MemoryError;

/// The reason why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("there is no file {}", path.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The file is something else than a GGUF file.
    #[error("{} is not a GGUF file", path.display())]
    NotGguf {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file ends early: an interrupted download or copy.
    #[error("{} is truncated: {found} bytes of at least {expected}", path.display())]
    Truncated {
        /// Path of the file.
        path: PathBuf,
        /// Smallest length that it must have, in bytes.
        expected: u64,
        /// Length that it has, in bytes.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Description of the damage.
        reason: String,
    },
    /// A part of a split model is not there.
    #[error("{} is missing, a part of the model", path.display())]
    MissingPart {
        /// Path where the part should be.
        path: PathBuf,
    },
    /// llama.cpp cannot run it, or not as a model that writes text: an unknown architecture, an encoder, missing
    /// tensors, a tokenizer without some bytes, a cache that cannot be rolled back. The file may be whole.
    #[error("{} cannot be used (architecture {architecture}): {reason}", path.display())]
    Unsupported {
        /// Path of the file.
        path: PathBuf,
        /// Architecture by the header, `general.architecture`.
        architecture: String,
        /// Reason why the model cannot be used.
        reason: String,
    },
    /// [`LoadOptions::memory`](crate::LoadOptions::memory) was given, and the device has less.
    #[error(transparent)]
    Memory(MemoryError),
    /// [`LoadOptions::progress`](crate::LoadOptions::progress) panicked.
    #[error("the callback for progress failed: {reason}")]
    Callback {
        /// Message of the panic.
        reason: String,
    },
    /// [`LoadOptions::batch_invariant`](crate::LoadOptions::batch_invariant) was asked for where llama.cpp cannot do
    /// it.
    #[error("rows cannot be computed independently of their batch here: {0}")]
    NotInvariant(crate::invariance::Obstacle),
    /// [`Accelerator::Gpu`](crate::Accelerator::Gpu) was asked for where there is no GPU to put the model on.
    #[error("the model cannot be put on a GPU: {0}")]
    NoGpu(crate::placement::NoGpu),
    /// [`LoadOptions::cancel`](crate::LoadOptions::cancel) was raised.
    #[error("loading was cancelled")]
    Cancelled,
}

impl LoadError {
    /// Makes the error for a file at `path` that is refused before llama.cpp sees it.
    pub(crate) fn of_header(path: PathBuf, error: HeaderError) -> Self {
        match error {
            HeaderError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => Self::Missing { path },
            HeaderError::Io(source) => Self::Unreadable { path, source },
            HeaderError::NotGguf => Self::NotGguf { path },
            HeaderError::Truncated { expected, found } => Self::Truncated { path, expected, found },
            HeaderError::Damaged(reason) => Self::Damaged { path, reason },
            HeaderError::Unsupported { architecture, reason } => Self::Unsupported { path, architecture, reason },
            HeaderError::MissingPart { path } => Self::MissingPart { path },
            HeaderError::Part { path, error } => Self::of_header(path, *error),
        }
    }
}

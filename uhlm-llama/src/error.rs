//! Why a model was not loaded.

use std::path::PathBuf;

use crate::gguf::HeaderError;
use crate::memory::MemoryError;

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a GGUF file", path.display())]
    NotGguf {
        /// The path.
        path: PathBuf,
    },
    /// The file ends early: an interrupted download or copy.
    #[error("{} is truncated: {found} bytes of at least {expected}", path.display())]
    Truncated {
        /// The path.
        path: PathBuf,
        /// Bytes that it must have at least.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A part of a split model is not there.
    #[error("{} is missing, a part of the model", path.display())]
    MissingPart {
        /// Where the part should be.
        path: PathBuf,
    },
    /// llama.cpp cannot run it, or not as a model that writes text: an unknown architecture, an encoder, missing
    /// tensors, a tokenizer without some bytes, a cache that cannot be rolled back. The file may be whole.
    #[error("{} cannot be used (architecture {architecture}): {reason}", path.display())]
    Unsupported {
        /// The path.
        path: PathBuf,
        /// `general.architecture`.
        architecture: String,
        /// What stands against it.
        reason: String,
    },
    /// [`LoadOptions::memory`](crate::LoadOptions::memory) was given, and the device has less.
    #[error(transparent)]
    Memory(MemoryError),
    /// [`LoadOptions::progress`](crate::LoadOptions::progress) panicked.
    #[error("the callback for progress failed: {reason}")]
    Callback {
        /// What it said.
        reason: String,
    },
    /// [`LoadOptions::cancel`](crate::LoadOptions::cancel) was raised.
    #[error("loading was cancelled")]
    Cancelled,
}

impl LoadError {
    /// Why the file at `path` is refused before llama.cpp sees it.
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

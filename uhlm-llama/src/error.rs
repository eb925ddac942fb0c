//! Why a model was not loaded.

use std::path::PathBuf;

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

//! The answers of a store: the models that are there, the outcome of a check, and the reason why something failed.

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use uhlm_law::digest::Digest;

/// A model in the store, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredModel {
    /// Name of the model in the store.
    pub name: String,
    /// Path of its file, to be given to [`uhlm_llama::Model::load`]; of a split model that of the first part.
    pub path: PathBuf,
    /// Length of the file, in bytes; of a split model that of all parts.
    pub bytes: u64,
    /// SHA-256 that its file had when it came; `None` for one that was put there by other means.
    pub sha256: Option<Digest>,
    /// Source that it came from, without its query, which may hold a signature: a mark stands in its place. `None` for
    /// one that was put there by other means.
    pub source: Option<String>,
    /// The parts after the first, in order, of a split model.
    pub further_parts: Vec<StoredPart>,
}

/// A part of a split model after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredPart {
    /// Path of its file.
    pub path: PathBuf,
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 that it had when it came; `None` for one that was put there by other means.
    pub sha256: Option<Digest>,
}

/// A download that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfinishedModel {
    /// Name that the model will have.
    pub name: String,
    /// Number of bytes that it takes.
    pub bytes: u64,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The file has the SHA-256 that it had when it came.
    Intact,
    /// The file was put there by other means, so there is nothing to compare with.
    Unknown {
        /// SHA-256 that it has; of a split model that of the first such part.
        sha256: Digest,
    },
}

/// The reason why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no model of this name.
    #[error("there is no model {name}")]
    Missing {
        /// The name.
        name: String,
    },
    /// The file is not the one that came.
    #[error("{name} is damaged: it has SHA-256 {found} instead of {expected}")]
    Damaged {
        /// The name.
        name: String,
        /// SHA-256 that the file had when it came.
        expected: Digest,
        /// SHA-256 that it has now.
        found: Digest,
    },
    /// The check was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The file system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// Step that was tried.
        what: &'static str,
        /// Error of the system.
        source: io::Error,
    },
}

/// Makes the error of a failure of the file system.
pub(super) fn io_error(what: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { what, source }
}

//! What a store says: which models are there, what became of a check, and why something could not be done.

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use uhlm_law::protocol::Digest;

/// A model that is there, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredModel {
    /// Its name in the store.
    pub name: String,
    /// Its file, to be given to [`uhlm_llama::Model::load`]; of a split model the first part.
    pub path: PathBuf,
    /// Its size, in bytes; of a split model that of all parts.
    pub bytes: u64,
    /// What its file hashed to when it came; unknown for one that was put there by other means.
    pub sha256: Option<Digest>,
    /// Where it came from.
    pub source: Option<String>,
    /// The parts after the first, in order, of a split model.
    pub further_parts: Vec<StoredPart>,
}

/// A part of a split model after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredPart {
    /// Its file.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What it hashed to when it came; unknown for one that was put there by other means.
    pub sha256: Option<Digest>,
}

/// A download that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfinishedModel {
    /// The name that it will have.
    pub name: String,
    /// Bytes that it takes.
    pub bytes: u64,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The file hashes to what it did when it came.
    Intact,
    /// It was put there by other means, so there is nothing to compare with.
    Unknown {
        /// What it hashes to; of a split model the first such part.
        sha256: Digest,
    },
}

/// Why the store could not do what was asked.
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
        /// What it hashed to when it came.
        expected: Digest,
        /// What it hashes to now.
        found: Digest,
    },
    /// The check was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The file system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A failure of the file system.
pub(super) fn io_error(what: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { what, source }
}

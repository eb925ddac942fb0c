//! The reasons why a model file could not be had. Each variant is something that an app would answer in its own way.

use std::io;
use std::time::Duration;

use uhlm_law::digest::Digest;

use crate::source::InvalidSource;

/// The reason why a download ended without a model. What was loaded by then is kept and a later download goes on from
/// there, unless the variant says that it was thrown away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The request names no source, or one that cannot be used.
    #[error(transparent)]
    InvalidSource(#[from] InvalidSource),
    /// The name is no plain file name that ends in `.gguf`.
    #[error("{name} is not the name of a model file")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The name that was asked for is another model's.
    #[error("{name} is another model's name already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Neither the request nor the repository says what the file hashes to, and the request wants to know it. Nothing
    /// was loaded.
    #[error("nobody says what SHA-256 the file must have")]
    NoChecksum {
        /// Length of the file, in bytes, if the server says it.
        bytes: Option<u64>,
    },
    /// A part of a split model failed; the parts before it are kept.
    #[error("{name}: {failure}")]
    Part {
        /// Name of the part.
        name: String,
        /// Reason why it failed.
        failure: Box<DownloadError>,
    },
    /// The network is metered and the request does not allow that.
    #[error("the network is metered and the download was not allowed on it")]
    Metered,
    /// The same file is being loaded already, here or in another process.
    #[error("this model is being downloaded already")]
    AlreadyRunning,
    /// The file system has no room for it; nothing was loaded.
    #[error("{needed} bytes are needed, {available} are free")]
    NotEnoughSpace {
        /// Number of bytes still to be written, with the reserve that is left free.
        needed: u64,
        /// Number of bytes that the file system gives.
        available: u64,
    },
    /// The file system took no more: it is full, a quota is used up, or it holds no file this large.
    #[error("the disk is full after {written} bytes")]
    DiskFull {
        /// Number of bytes that are on the disk.
        written: u64,
    },
    /// The folder or a file in it cannot be written.
    #[error("cannot {what}: {reason}")]
    Storage {
        /// Step that was tried.
        what: String,
        /// Message of the system.
        reason: String,
    },
    /// There is no connection.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// Message of the transport.
        reason: String,
    },
    /// The connection broke again and again.
    #[error("the connection broke after {received} bytes: {reason}")]
    Interrupted {
        /// Number of bytes that are there.
        received: u64,
        /// Message of the transport.
        reason: String,
    },
    /// Nothing came for too long, again and again.
    #[error("nothing came for {} s after {received} bytes", silence.as_secs_f32())]
    Stalled {
        /// Time that was waited.
        silence: Duration,
        /// Number of bytes that are there.
        received: u64,
    },
    /// The server's certificate is not trusted.
    #[error("the server's certificate is not trusted: {reason}")]
    Untrusted {
        /// Message of TLS.
        reason: String,
    },
    /// The server answered 401 or 403: a token is missing, wrong, or its owner has not accepted the model's terms.
    #[error("the server refuses access to the file")]
    Unauthorized,
    /// The server answered 404 or 410.
    #[error("the server has no such file")]
    NotFound,
    /// The server answered 429 or 503, for longer than was worth waiting.
    #[error("the server is busy")]
    Busy {
        /// Time that `Retry-After` asks for, if any.
        retry_after: Option<Duration>,
    },
    /// The server answered with any other status that is not a success.
    #[error("the server answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server redirects to nowhere, away from HTTPS, or once too often.
    #[error("the server redirects in a way that is not followed: {reason}")]
    Redirect {
        /// Description of the fault.
        reason: String,
    },
    /// The answer does not say what it must, or contradicts the request.
    #[error("the server's answer is invalid: {reason}")]
    InvalidAnswer {
        /// The rule that the answer breaks.
        reason: String,
    },
    /// The server has or sends another number of bytes than it, or the request, said. What was loaded is thrown away.
    #[error("the file has {found} bytes instead of {expected}")]
    WrongLength {
        /// Number of bytes that was said.
        expected: u64,
        /// Number of bytes that there are.
        found: u64,
    },
    /// Nobody says how long the file is, and it is longer than
    /// [`StoreConfig::max_unknown_length`](crate::StoreConfig::max_unknown_length). What was loaded is kept.
    #[error("the server does not say how long the file is, and it is longer than {limit} bytes")]
    NoLength {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The file was replaced while it was loaded, again and again. What was loaded is thrown away.
    #[error("the file on the server keeps changing")]
    Changed,
    /// The file is not the one that was asked for. It was thrown away.
    #[error("the file has SHA-256 {found} instead of {expected}")]
    WrongHash {
        /// SHA-256 that was asked for.
        expected: Digest,
        /// SHA-256 of what came.
        found: Digest,
    },
    /// The server sent something else than a GGUF file: a login page, an error page, another format. It was thrown
    /// away.
    #[error("what the server sent is not a GGUF model: {reason}")]
    NotAModel {
        /// Description of the fault.
        reason: String,
    },
    /// Every source failed.
    #[error("all {} sources failed, the last one: {last}", failures.len())]
    EverySource {
        /// Each source without its query, with its failure, in the order of trying.
        failures: Vec<(String, DownloadError)>,
        /// The last failure.
        last: Box<DownloadError>,
    },
    /// The consumer cancelled.
    #[error("the download was cancelled")]
    Cancelled,
    /// The client could not be made.
    #[error("cannot start the download: {reason}")]
    Start {
        /// Message of what failed.
        reason: String,
    },
}

impl DownloadError {
    /// Makes the error of a failure of the file system. Full disks have a variant of their own.
    pub(super) fn storage(what: &str, written: u64, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { written }
            }
            _ => Self::Storage { what: what.into(), reason: error.to_string() },
        }
    }

    /// Tells whether the same source is worth another attempt.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Stalled { .. } | Self::Busy { .. })
            || matches!(self, Self::Refused { status } if *status >= 500)
    }

    /// Tells whether nothing but a hash was missing: asked once more without
    /// [`require_sha256`](crate::DownloadRequest::require_sha256), the file would be loaded and believed.
    #[must_use]
    pub fn lacks_checksum(&self) -> bool {
        match self {
            Self::NoChecksum { .. } => true,
            Self::Part { failure, .. } => failure.lacks_checksum(),
            Self::EverySource { failures, .. } => failures.iter().any(|(_, failure)| failure.lacks_checksum()),
            _ => false,
        }
    }

    /// Tells whether another source cannot help either.
    pub(super) fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Metered
                | Self::AlreadyRunning
                | Self::NotEnoughSpace { .. }
                | Self::DiskFull { .. }
                | Self::Storage { .. }
                | Self::InvalidName { .. }
                | Self::NameTaken { .. }
                | Self::Start { .. }
                | Self::Cancelled
        )
    }
}

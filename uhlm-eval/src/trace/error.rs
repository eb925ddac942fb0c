//! Reasons why a file is no trace that can be used.

use std::path::PathBuf;

/// The reason why a file is no trace that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The file does not begin like a trace.
    #[error("not a trace")]
    Strange,
    /// The file has another version of the format.
    #[error("a trace of version {found}, which this version does not read")]
    Version {
        /// The file's version.
        found: u32,
    },
    /// The file ends within a section: it was cut, or is still being written.
    #[error("the trace is cut off after byte {whole}")]
    Truncated {
        /// Number of bytes up to the end of the last whole section.
        whole: u64,
    },
    /// A section is whole and breaks a rule of the format.
    #[error("the trace is damaged: {what}")]
    Damaged {
        /// The rule that the section breaks.
        what: String,
    },
    /// The file holds another recording than the one that was asked for.
    #[error("the file holds another recording: {what} differ")]
    Other {
        /// Parts of the recording that differ.
        what: String,
    },
}

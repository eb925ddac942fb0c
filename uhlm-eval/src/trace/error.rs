//! Why a file is no trace that can be used.

use std::path::PathBuf;

/// Why a file is no trace that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file does not begin as a trace does.
    #[error("not a trace")]
    Strange,
    /// A later version of the format.
    #[error("a trace of version {found}, which this version does not read")]
    Version {
        /// The file's version.
        found: u32,
    },
    /// The file ends within a section: it was cut, or is still being written.
    #[error("the trace is cut off after byte {whole}")]
    Truncated {
        /// Bytes up to the end of the last whole section.
        whole: u64,
    },
    /// A section that is whole and makes no sense.
    #[error("the trace is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: String,
    },
    /// The file holds a recording of something else than what was asked for.
    #[error("the file holds another recording: {what} differ")]
    Other {
        /// What differs.
        what: String,
    },
}

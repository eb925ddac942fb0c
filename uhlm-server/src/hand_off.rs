//! The settings of a verifier that hands whole replies to a chat service.

use std::path::PathBuf;

/// Number of replies that a chat service is asked for at the same time, unless another is given.
pub const DEFAULT_REPLIES: usize = 64;

/// A chat service that writes the replies, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOffOptions {
    /// Base of its URLs, with the version: `https://host/v1`.
    pub url: String,
    /// Name of the model that is asked for; `None` for the only one that the service has.
    pub model: Option<String>,
    /// A GGUF file with a vocabulary, whose tokens carry the text; its weights, if it has any, are not read.
    pub vocabulary: PathBuf,
    /// A file with the key that the service is asked with.
    pub key_file: Option<PathBuf>,
    /// A file with certificates (PEM) of authorities that the service is trusted by; `None` for the usual ones.
    pub authority: Option<PathBuf>,
    /// Largest number of replies that are under way at the same time, at least 1.
    pub parallel: usize,
}

impl HandOffOptions {
    /// Makes the settings of a service whose text this vocabulary carries.
    #[must_use]
    pub fn new(url: impl Into<String>, vocabulary: impl Into<PathBuf>) -> Self {
        let (url, vocabulary) = (url.into(), vocabulary.into());
        Self { url, model: None, vocabulary, key_file: None, authority: None, parallel: DEFAULT_REPLIES }
    }
}

//! The settings of a verifier whose target is run by engines behind HTTP.

use std::path::PathBuf;

pub use uhlm_upstream::{EngineAddress, EngineKind};

/// Number of questions that one engine is asked at the same time, unless another is given.
pub const DEFAULT_PARALLEL: usize = 16;

/// Engines that run the target, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// The engines; all of them run the same model.
    pub engines: Vec<EngineAddress>,
    /// A GGUF file with the vocabulary of that model; its weights, if it has any, are not read.
    pub vocabulary: PathBuf,
    /// A file with the key that engines are asked with.
    pub key_file: Option<PathBuf>,
    /// A file with certificates (PEM) of authorities that engines behind HTTPS are trusted by; `None` for the usual
    /// ones.
    pub authority: Option<PathBuf>,
    /// Largest number of tokens that a row may list; 0 for what the engines allow.
    pub top: usize,
    /// Largest number of questions that one engine is asked at the same time, at least 1.
    pub parallel: usize,
    /// Whether the engines' rows do not depend on what shares a batch. Devices are told so; nothing else follows.
    pub batch_invariant: bool,
}

impl UpstreamOptions {
    /// Makes the settings of engines with this vocabulary.
    #[must_use]
    pub fn new(engines: Vec<EngineAddress>, vocabulary: impl Into<PathBuf>) -> Self {
        Self {
            engines,
            vocabulary: vocabulary.into(),
            key_file: None,
            authority: None,
            top: 0,
            parallel: DEFAULT_PARALLEL,
            batch_invariant: false,
        }
    }
}

//! Reasons why an evaluation did not run.

use std::path::PathBuf;

use uhlm_core::GenerationError;
use uhlm_law::calibration::CalibrationError;
use uhlm_law::chat::TemplateError;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::SamplingError;
use uhlm_llama::LoadError;

use crate::trace::TraceError;

/// The reason why an evaluation did not run.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A model was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The models do not belong together.
    #[error("draft and target model have different vocabularies")]
    Vocabularies,
    /// The draft model has no usable chat template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A sampling parameter is out of range, or a model gave no finite logits.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A session failed.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The pair could not be calibrated.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A file of prompts cannot be used.
    #[error("{}: {reason}", path.display())]
    Questions {
        /// The file.
        path: PathBuf,
        /// The rule that the file breaks, with its line, or the system's error.
        reason: String,
    },
    /// A prompt and its reply do not fit the context of the evaluation.
    #[error("a prompt of {tokens} tokens leaves no room for a reply")]
    PromptTooLong {
        /// Length of the prompt, in tokens.
        tokens: usize,
    },
    /// A file of recorded logits cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A session did not write what was recorded, so that its time says nothing.
    #[error("reply {reply} parts from the recording at token {at}")]
    Parted {
        /// Index of the reply.
        reply: usize,
        /// Index of the token in the reply.
        at: usize,
    },
    /// A plot could not be drawn.
    #[error("a plot could not be drawn: {reason}")]
    Plot {
        /// The plotting library's error.
        reason: String,
    },
    /// A worker thread ended early.
    #[error("a worker of the evaluation panicked")]
    Worker,
}

//! The end of a generation as an error, so that `?` ends it, whatever the reason.

use uhlm_law::model::ModelError;
use uhlm_law::sampling::SamplingError;

use crate::error::GenerationError;
use crate::event::FinishReason;

/// The end of a generation.
#[derive(Debug)]
pub(super) enum End {
    /// The reply is complete, as far as it goes.
    Finished(FinishReason),
    /// The reply cannot go on; what was committed stands.
    Failed(GenerationError),
}

impl End {
    /// Returns the reason of a reply that is complete, or the error of another.
    pub(super) fn into_result(self) -> Result<FinishReason, GenerationError> {
        match self {
            Self::Finished(reason) => Ok(reason),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<FinishReason> for End {
    fn from(reason: FinishReason) -> Self {
        Self::Finished(reason)
    }
}

impl From<GenerationError> for End {
    fn from(error: GenerationError) -> Self {
        Self::Failed(error)
    }
}

impl From<ModelError> for End {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Finished(FinishReason::Cancelled),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<SamplingError> for End {
    fn from(error: SamplingError) -> Self {
        Self::Failed(error.into())
    }
}

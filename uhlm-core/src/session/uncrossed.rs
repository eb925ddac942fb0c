//! The reasons why the language of a target is not taken up, and what they mean for a reply.

use uhlm_law::chat::TemplateError;

use crate::error::GenerationError;
use crate::verifier::VerifierError;
use crate::vocabulary::VocabularyError;

/// A reason why the session's language stays what it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum CrossError {
    /// The verifier offers no file, or says that it has the vocabulary that it refused.
    #[error("it offers no file with its vocabulary")]
    NotOffered,
    /// A chat service writes whole replies there, by which nothing can be judged.
    #[error("it hands whole replies to a chat service, by which nothing can be judged: only remote_only is to be had")]
    HandsOff,
    /// The session may ask nothing more of its verifier.
    #[error("the budget is spent")]
    BudgetSpent,
    /// The generation was cancelled.
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
}

impl CrossError {
    /// Tells whether the verifier was not reached, or may not be asked: whether it offers its vocabulary is not known.
    pub(super) fn is_outage(&self) -> bool {
        let error = match self {
            Self::Verifier(error) => error,
            error => return matches!(error, Self::BudgetSpent),
        };
        // A file that is gone was offered by a server that has been replaced since.
        matches!(
            error,
            VerifierError::Unreachable { .. }
                | VerifierError::DeadlineExceeded { .. }
                | VerifierError::Busy { .. }
                | VerifierError::SessionGone
        )
    }

    /// Returns the failure of a reply for which neither the draft model nor, as far as is known, the target has a chat
    /// template.
    pub(super) fn without_template(self) -> GenerationError {
        match self {
            Self::NotOffered | Self::Cancelled => TemplateError::Missing.into(),
            error => error.into_failure("the draft model has no chat template, and the target's was not to be had"),
        }
    }

    /// Returns the failure of a reply whose vocabulary was refused for the reason `refused`.
    pub(super) fn into_failure(self, refused: &str) -> GenerationError {
        let is_outage = self.is_outage();
        match self {
            Self::Verifier(VerifierError::Untrusted { reason }) => GenerationError::Untrusted { reason },
            Self::Verifier(VerifierError::Unauthorized) => GenerationError::Unauthorized,
            Self::BudgetSpent => GenerationError::BudgetSpent,
            Self::HandsOff => GenerationError::Refused { reason: self.to_string() },
            Self::Verifier(cause) if is_outage => GenerationError::Offline { cause },
            error => GenerationError::VocabularyMismatch { reason: format!("{refused}; {error}") },
        }
    }
}

//! The errors of a generation. A variant exists only where an app would act on it.

use uhlm_law::chat::TemplateError;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::SamplingError;

use crate::event::FinishReason;
use crate::verifier::VerifierError;

/// The reason that a generation did not start or could not go on. Text committed before stands, and the session stays
/// usable unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GenerationError {
    /// Another generation of this session is running.
    #[error("the session is already generating")]
    Busy,
    /// The generation would send messages that the person has not agreed to send; nothing was sent.
    #[error("{messages} messages would be sent to the verifier without consent")]
    ConsentRequired {
        /// Number of messages without consent, the new one included if it is among them.
        messages: usize,
    },
    /// A fault of this library ended the session's thread; open another session.
    #[error("the session failed")]
    SessionFailed,
    /// The session was closed, or its thread ended.
    #[error("the session is closed")]
    SessionClosed,
    /// The prompt leaves no room for a useful reply.
    #[error("the prompt has {tokens} tokens and a reply needs {reply} at least, but the context holds {capacity}")]
    PromptTooLong {
        /// Length of the prompt in tokens, earlier turns included as far as they were not dropped.
        tokens: usize,
        /// Least number of tokens that there must be room for in the reply.
        reply: usize,
        /// Length in tokens of the draft model's or the target's context, whichever is shorter.
        capacity: usize,
    },
    /// The prompt has no tokens, so there is nothing to continue.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The chat template cannot render the conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The tools, or the results of their calls, cannot be given to a model.
    #[error("the tools cannot be used: {reason}")]
    InvalidTools {
        /// The tool and what is wrong with it, or the call whose result is missing.
        reason: String,
    },
    /// This mode needs a verifier and the session has none.
    #[error("this mode needs a verifier")]
    NoVerifier,
    /// Draft and target do not share a vocabulary, so no verdict would mean anything.
    #[error("draft and target model have different vocabularies: {reason}")]
    VocabularyMismatch {
        /// The difference that was found, in words.
        reason: String,
    },
    /// The verifier does not accept the credentials.
    #[error("the verifier refused the credentials")]
    Unauthorized,
    /// The verifier's certificate is not trusted.
    #[error("the verifier's certificate is not trusted: {reason}")]
    Untrusted {
        /// The reason that the TLS library gave.
        reason: String,
    },
    /// The verifier refused for a reason that trying again does not change.
    #[error("the verifier refused: {reason}")]
    Refused {
        /// The reason that the verifier gave.
        reason: String,
    },
    /// The verifier is out of reach and the policy is to fail, or waiting took too long.
    #[error("the verifier is out of reach: {cause}")]
    Offline {
        /// The last failure of a call to the verifier.
        cause: VerifierError,
    },
    /// The reply's grammar cannot be used: it is not valid, takes too much work, or the model or the verifier cannot
    /// follow it. Nothing was written, unless the verifier's text was not of the grammar.
    #[error("the grammar cannot be used: {reason}")]
    Grammar {
        /// The reason, which may quote the grammar.
        reason: String,
    },
    /// A reply with a grammar ended before it was a whole text of the grammar, mostly at a limit on its length. Only
    /// [`Generation::finish`](crate::Generation::finish) and its blocking twin give this error; a stream ends with the
    /// reason.
    #[error("the reply ended before it was whole: {reason:?}")]
    Incomplete {
        /// The text that was written.
        text: String,
        /// The reason for its end.
        reason: FinishReason,
    },
    /// The session has taken as much of its verifier as its [budget](crate::options::SessionOptions::budget) allows,
    /// and the policy is not to go on without it.
    #[error("the budget for the verifier is spent")]
    BudgetSpent,
    /// The draft model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No distribution could be made from the draft model's logits.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
}

impl GenerationError {
    /// Tells whether the same call may succeed later without the app changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Offline { .. })
    }
}

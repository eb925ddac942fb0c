//! The consent to what may leave the device, and the record of what did.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

pub use uhlm_core::{Consent, SentKind};

/// The extent of the person's consent to sending text to the verifier.
#[uniffi::remote(Enum)]
pub enum Consent {
    /// Nothing. A generation that would ask the verifier fails with `ConsentRequired`.
    Withheld,
    /// The message that a generation is for, and its reply. Earlier messages must have been agreed to before.
    Message,
    /// The whole conversation, with everything before and everything that follows.
    Conversation,
}

/// The error of a redaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum RedactionError {
    /// The text could not be redacted. The models read `[withheld]` in its place.
    #[error("{reason}")]
    Failed {
        /// Description, for developers.
        reason: String,
    },
}

/// Takes anything else that a foreign implementation throws. Its words may hold the text, so no error repeats them.
impl From<uniffi::UnexpectedUniFFICallbackError> for RedactionError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: "the app's redactor failed".into() }
    }
}

/// Text that both models read where a redaction failed: nothing of the text may leave the device then.
const WITHHELD: &str = "[withheld]";

/// Changes text before the verifier could see it. In the modes that ask the verifier, both models read the redacted
/// text, and replies talk about its placeholders.
#[uniffi::export(with_foreign)]
pub trait Redactor: Send + Sync {
    /// Returns the text as it may be sent. It is called once for each message, on the session's thread, and must not
    /// block.
    ///
    /// # Errors
    /// `RedactionError`. The models then read `[withheld]` instead.
    fn redact(&self, text: String) -> Result<String, RedactionError>;
}

pub(crate) fn redaction(redactor: Arc<dyn Redactor>) -> uhlm_core::Redaction {
    uhlm_core::Redaction::new(move |text| {
        redactor.redact(text.to_owned()).unwrap_or_else(|_| {
            // What the app threw may hold the text: it is not logged.
            tracing::warn!("a message is withheld: its redaction failed");
            WITHHELD.to_owned()
        })
    })
}

/// Purpose of a request.
#[uniffi::remote(Enum)]
pub enum SentKind {
    /// The request opened a session and held no text.
    Open,
    /// The request had the target take the text further. It held tokens that are given, tokens that are drafted, and
    /// with the first request of a reply its seed, its sampling parameters and its stop sequences.
    Advance,
}

/// One request to the verifier.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Sent {
    /// Time of sending, in seconds since 1970.
    pub at_seconds: f64,
    /// Purpose of the request.
    pub kind: SentKind,
    /// Number of tokens in it, given and drafted ones together.
    pub tokens: u32,
    /// Size of its body in bytes.
    pub bytes: u64,
    /// True once an answer came. Without an answer, the request may or may not have arrived.
    pub answered: bool,
    /// Text of its tokens, given ones first, then each stop sequence on a line of its own; nothing if the text is not
    /// recorded.
    pub text: Option<String>,
}

impl From<uhlm_core::Sent> for Sent {
    fn from(sent: uhlm_core::Sent) -> Self {
        Self {
            at_seconds: sent.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            kind: sent.kind,
            tokens: sent.tokens,
            bytes: sent.bytes,
            answered: sent.answered,
            text: sent.text,
        }
    }
}

/// The record of what a session sent so far.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SentRecord {
    /// Latest requests, in order.
    pub requests: Vec<Sent>,
    /// Number of requests that were sent in all.
    pub total_requests: u64,
    /// Number of tokens that were sent in all.
    pub total_tokens: u64,
    /// Number of bytes that were sent in all.
    pub total_bytes: u64,
}

impl From<uhlm_core::SentRecord> for SentRecord {
    fn from(record: uhlm_core::SentRecord) -> Self {
        Self {
            requests: record.requests.into_iter().map(Into::into).collect(),
            total_requests: record.total_requests,
            total_tokens: record.total_tokens,
            total_bytes: record.total_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_redactor_throws_that_is_no_redaction_error_is_not_repeated() {
        let error = RedactionError::from(uniffi::UnexpectedUniFFICallbackError::new("no rule for 5521"));
        assert!(!format!("{error} {error:?}").contains("5521"), "{error:?}");
    }
}

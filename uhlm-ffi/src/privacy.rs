//! What may leave the device, and what did.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Extent of what the person agreed to send to the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Consent {
    /// Nothing: what would ask the verifier fails with `ConsentRequired`.
    Withheld,
    /// The message that a generation is for, and its reply. Earlier messages must have been agreed to before.
    Message,
    /// The whole conversation: everything before, and everything that follows.
    Conversation,
}

impl From<Consent> for uhlm_core::Consent {
    fn from(consent: Consent) -> Self {
        match consent {
            Consent::Withheld => Self::Withheld,
            Consent::Message => Self::Message,
            Consent::Conversation => Self::Conversation,
        }
    }
}

/// Why a text was not redacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum RedactionError {
    /// It failed; the models read `[withheld]` in the text's place.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
}

/// What a foreign implementation throws beside its error.
impl From<uniffi::UnexpectedUniFFICallbackError> for RedactionError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

/// What both models read where a redaction failed: nothing of the text may leave the device then.
const WITHHELD: &str = "[withheld]";

/// Changes text before a verifier could see it. In the modes that ask one, both models read the redacted text, and
/// replies talk about its placeholders.
#[uniffi::export(with_foreign)]
pub trait Redactor: Send + Sync {
    /// The text as it may be sent. Called once for each message, on the session's thread: it must not block.
    ///
    /// # Errors
    /// `RedactionError`: the models then read `[withheld]` instead.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum SentKind {
    /// It opened a session and held no text.
    Open,
    /// It had the target take the text further: tokens that are given, tokens that are drafted, and with the first one
    /// of a reply its seed, sampling parameters and stop strings.
    Advance,
}

/// One request to the verifier.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Sent {
    /// Time at which it was sent, in seconds since 1970.
    pub at_seconds: f64,
    /// Its purpose.
    pub kind: SentKind,
    /// Number of tokens in it, given and drafted ones together.
    pub tokens: u32,
    /// Bytes of its body.
    pub bytes: u64,
    /// True once an answer came. Without one it may or may not have arrived.
    pub answered: bool,
    /// Text of its tokens, given ones first, where that is recorded; then each stop string on a line of its own.
    pub text: Option<String>,
}

impl From<uhlm_core::Sent> for Sent {
    fn from(sent: uhlm_core::Sent) -> Self {
        Self {
            at_seconds: sent.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            kind: match sent.kind {
                uhlm_core::SentKind::Open => SentKind::Open,
                uhlm_core::SentKind::Advance => SentKind::Advance,
            },
            tokens: sent.tokens,
            bytes: sent.bytes,
            answered: sent.answered,
            text: sent.text,
        }
    }
}

/// Record of what a session sent so far.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SentRecord {
    /// The latest requests, in order.
    pub requests: Vec<Sent>,
    /// Requests that were sent in all.
    pub total_requests: u64,
    /// Tokens that were sent in all.
    pub total_tokens: u64,
    /// Bytes that were sent in all.
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

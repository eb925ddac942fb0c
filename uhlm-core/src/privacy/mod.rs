//! The rules for what may leave the device and in which form, and the record of what did.
//!
//! Nothing does before the app has given [`Consent`]: a generation that would ask the verifier fails with
//! [`ConsentRequired`](crate::error::GenerationError::ConsentRequired) before anything is sent. The verifier reads
//! whole conversations, so consent to one message does not cover earlier ones that were answered on the device alone.
//!
//! In the modes that ask the verifier both models must read the same tokens, or no verdict would mean anything. A
//! [`Redaction`] is therefore applied before tokenising: the redacted text is what *both* models read, and replies talk
//! about its placeholders. The original stays in [`Session::messages`](crate::session::Session::messages) and is what
//! `device_only` reads.
//!
//! Every request to the verifier goes through one place, which also writes the [`SentRecord`].

mod consent;
mod conversation;
mod outbox;
mod record;

use std::sync::Arc;

pub use consent::Consent;
pub(crate) use conversation::{Conversation, redacted_message};
pub(crate) use outbox::Outbox;
pub(crate) use record::SentLog;
pub use record::{RecordOptions, Sent, SentKind, SentRecord};

/// A function that changes text before a verifier could see it.
///
/// It is called once for each message, from the session's thread, when the message is first needed in a mode that asks
/// the verifier; it must not block. It gets messages of the system and of the person, and replies that were written by
/// the device alone.
#[derive(Clone)]
pub struct Redaction(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl Redaction {
    /// Makes a redaction that replaces each text by what `redact` returns.
    pub fn new(redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(redact))
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        (self.0)(text)
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction(..)")
    }
}

/// Returns the text as the verifier may see it.
pub(crate) fn redacted(redaction: Option<&Redaction>, text: &str) -> String {
    redaction.map_or_else(|| text.to_owned(), |redaction| redaction.apply(text))
}

//! The reasons for which a verifier does not take a request. Nothing has changed then, whatever the reason.

use super::failure::{ErrorBody, ErrorCode};
use crate::sampling::TokenId;

/// The reason why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such session: unknown, expired, or lost in a restart.
    #[error("there is no such session")]
    Gone,
    /// The generation is not known and the request does not say how it begins.
    #[error("generation {generation} has not begun here")]
    NotBegun {
        /// Number of the generation.
        generation: u32,
        /// Number of tokens that the verifier holds.
        held: u32,
    },
    /// The tokens before the given ones are not those that the verifier holds.
    #[error("the verifier holds {held} tokens, and not the {base} that the request builds on")]
    Desync {
        /// Number of tokens that the request builds on.
        base: u32,
        /// Number of tokens that the verifier holds.
        held: u32,
    },
    /// The generation has begun with other settings.
    #[error("generation {generation} has begun with another seed, chain or end")]
    BegunOtherwise {
        /// Number of the generation.
        generation: u32,
    },
    /// No token is given, or the device would lack a part of the prompt.
    #[error("{given} tokens are given, for a reply that begins at {reply_start}")]
    NoPrompt {
        /// Number of tokens before the reply.
        reply_start: u32,
        /// Number of tokens that are given.
        given: u32,
    },
    /// An id is not in the vocabulary.
    #[error("token {id} is outside the vocabulary of {vocabulary_size}")]
    UnknownToken {
        /// The unknown id.
        id: TokenId,
        /// Number of tokens in the vocabulary.
        vocabulary_size: u32,
    },
    /// The given tokens do not fit.
    #[error("{tokens} tokens do not fit the context of {context}")]
    TooLong {
        /// Number of tokens that the sequence would hold.
        tokens: u64,
        /// Length of the longest sequence of a session, in tokens.
        context: u32,
    },
}

impl Refusal {
    /// Returns the code and with it the HTTP status.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Gone => ErrorCode::Gone,
            Self::NotBegun { .. } | Self::Desync { .. } => ErrorCode::Desync,
            Self::BegunOtherwise { .. } | Self::NoPrompt { .. } | Self::UnknownToken { .. } => ErrorCode::Malformed,
            Self::TooLong { .. } => ErrorCode::TooLarge,
        }
    }
}

impl From<Refusal> for ErrorBody {
    fn from(refusal: Refusal) -> Self {
        let held = match refusal {
            Refusal::Desync { held, .. } | Refusal::NotBegun { held, .. } => Some(held),
            _ => None,
        };
        Self { code: refusal.code(), reason: refusal.to_string(), held }
    }
}

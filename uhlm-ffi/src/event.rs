//! What a generation tells its consumer.

use crate::statistics::Statistics;

/// Origin of a committed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Origin {
    /// The draft model wrote it and the gate let it pass unjudged.
    Draft,
    /// The draft model wrote it and the target's own token is the same.
    Verified,
    /// The target wrote it: in place of a drafted token that differed, after a window that agreed, or alone.
    Target,
    /// The draft model wrote it while the verifier was out of reach; it should have been judged.
    Unverified,
}

impl From<uhlm_core::Origin> for Origin {
    fn from(origin: uhlm_core::Origin) -> Self {
        match origin {
            uhlm_core::Origin::Draft => Self::Draft,
            uhlm_core::Origin::Verified => Self::Verified,
            uhlm_core::Origin::Target => Self::Target,
            uhlm_core::Origin::Unverified => Self::Unverified,
        }
    }
}

/// State of the link to the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LinkState {
    /// It answers, or was not asked yet.
    Online,
    /// The last exchange failed; it is tried again.
    Degraded,
    /// It does not answer; attempts are spaced out.
    Offline,
}

/// Why the verifier does not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LinkCause {
    /// It answered that it has no room for the request: it is there, and overloaded or limiting its clients.
    Busy,
    /// Nothing was heard of it for too long.
    TimedOut,
    /// No connection came about, or one broke.
    Unreachable,
    /// It failed on its own, or its answer was none.
    Faulty,
    /// It is not trusted, or does not take the credentials.
    Rejected,
}

impl From<uhlm_core::LinkCause> for LinkCause {
    fn from(cause: uhlm_core::LinkCause) -> Self {
        match cause {
            uhlm_core::LinkCause::Busy => Self::Busy,
            uhlm_core::LinkCause::TimedOut => Self::TimedOut,
            uhlm_core::LinkCause::Unreachable => Self::Unreachable,
            uhlm_core::LinkCause::Faulty => Self::Faulty,
            uhlm_core::LinkCause::Rejected => Self::Rejected,
        }
    }
}

impl From<uhlm_core::LinkState> for LinkState {
    fn from(state: uhlm_core::LinkState) -> Self {
        match state {
            uhlm_core::LinkState::Online => Self::Online,
            uhlm_core::LinkState::Degraded => Self::Degraded,
            uhlm_core::LinkState::Offline => Self::Offline,
        }
    }
}

/// Reason for the end of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum FinishReason {
    /// The model ended its reply.
    EndOfReply,
    /// The most tokens that were asked for were written.
    MaxTokens,
    /// A stop sequence came; it is not part of the text.
    StopSequence,
    /// The context of the draft or the target model is full.
    ContextFull,
    /// The consumer cancelled.
    Cancelled,
}

impl From<uhlm_core::FinishReason> for FinishReason {
    fn from(reason: uhlm_core::FinishReason) -> Self {
        match reason {
            uhlm_core::FinishReason::EndOfReply => Self::EndOfReply,
            uhlm_core::FinishReason::MaxTokens => Self::MaxTokens,
            uhlm_core::FinishReason::StopSequence => Self::StopSequence,
            uhlm_core::FinishReason::ContextFull => Self::ContextFull,
            uhlm_core::FinishReason::Cancelled => Self::Cancelled,
        }
    }
}

/// A token with its text.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct TokenText {
    /// The token's id in the vocabulary.
    pub id: u32,
    /// Text that is complete with this token; empty for part of a character, for control tokens, and while it may be
    /// the beginning of a stop sequence.
    pub text: String,
    /// The draft model's uncertainty about it, in [0, 1]; none where the draft model did not write it.
    pub uncertainty: Option<f32>,
}

impl From<uhlm_core::TokenText> for TokenText {
    fn from(token: uhlm_core::TokenText) -> Self {
        Self { id: token.id, text: token.text, uncertainty: token.uncertainty }
    }
}

/// One step of a generation.
///
/// The text of a reply is the concatenation of all `Committed` texts. Beside it there may be a provisional tail:
/// `Provisional` appends to it, `Committed` takes its text from the front of the tail when there is one, and `Rollback`
/// empties it. A consumer that only wants text ignores everything but commits.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
#[expect(clippy::large_enum_variant, reason = "UniFFI takes no boxes, and each event is serialised at once")]
pub enum GenerationEvent {
    /// A drafted token that may still be rolled back.
    Provisional {
        /// The token.
        token: TokenText,
    },
    /// A token that stands.
    Committed {
        /// The token.
        token: TokenText,
        /// The model that wrote it, and whether it was judged.
        origin: Origin,
    },
    /// A token of the model's reasoning that stands. It takes its place in the provisional tail, where it had no text.
    Reasoning {
        /// The token; its text is no part of the reply, and empty for the marks around the reasoning.
        token: TokenText,
        /// The model that wrote it, and whether it was judged.
        origin: Origin,
    },
    /// All provisional tokens are void.
    Rollback {
        /// Number of tokens that were provisional.
        tokens: u32,
    },
    /// The verifier's reachability changed.
    State {
        /// The state from now on.
        link: LinkState,
    },
    /// The end. No event follows.
    Finished {
        /// Reason for the end.
        finish: FinishReason,
        /// The whole text of this reply.
        text: String,
        /// Counts, rates and times of this reply.
        statistics: Statistics,
    },
}

impl From<uhlm_core::Event> for GenerationEvent {
    fn from(event: uhlm_core::Event) -> Self {
        match event {
            uhlm_core::Event::Provisional(token) => Self::Provisional { token: token.into() },
            uhlm_core::Event::Committed { token, origin } => {
                Self::Committed { token: token.into(), origin: origin.into() }
            }
            uhlm_core::Event::Reasoning { token, origin } => {
                Self::Reasoning { token: token.into(), origin: origin.into() }
            }
            uhlm_core::Event::Rollback { tokens } => Self::Rollback { tokens },
            uhlm_core::Event::State { link, .. } => Self::State { link: link.into() },
            uhlm_core::Event::Finished { reason, text, statistics, .. } => {
                Self::Finished { finish: reason.into(), text, statistics: (&*statistics).into() }
            }
        }
    }
}

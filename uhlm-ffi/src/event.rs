//! What a generation tells its consumer.

use uhlm_core::{event, origin};

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

impl From<origin::Origin> for Origin {
    fn from(origin: origin::Origin) -> Self {
        match origin {
            origin::Origin::Draft => Self::Draft,
            origin::Origin::Verified => Self::Verified,
            origin::Origin::Target => Self::Target,
            origin::Origin::Unverified => Self::Unverified,
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

impl From<event::LinkCause> for LinkCause {
    fn from(cause: event::LinkCause) -> Self {
        match cause {
            event::LinkCause::Busy => Self::Busy,
            event::LinkCause::TimedOut => Self::TimedOut,
            event::LinkCause::Unreachable => Self::Unreachable,
            event::LinkCause::Faulty => Self::Faulty,
            event::LinkCause::Rejected => Self::Rejected,
        }
    }
}

impl From<event::LinkState> for LinkState {
    fn from(state: event::LinkState) -> Self {
        match state {
            event::LinkState::Online => Self::Online,
            event::LinkState::Degraded => Self::Degraded,
            event::LinkState::Offline => Self::Offline,
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

impl From<event::FinishReason> for FinishReason {
    fn from(reason: event::FinishReason) -> Self {
        match reason {
            event::FinishReason::EndOfReply => Self::EndOfReply,
            event::FinishReason::MaxTokens => Self::MaxTokens,
            event::FinishReason::StopSequence => Self::StopSequence,
            event::FinishReason::ContextFull => Self::ContextFull,
            event::FinishReason::Cancelled => Self::Cancelled,
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

impl From<event::TokenText> for TokenText {
    fn from(token: event::TokenText) -> Self {
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

impl From<event::Event> for GenerationEvent {
    fn from(event: event::Event) -> Self {
        match event {
            event::Event::Provisional(token) => Self::Provisional { token: token.into() },
            event::Event::Committed { token, origin } => Self::Committed { token: token.into(), origin: origin.into() },
            event::Event::Reasoning { token, origin } => Self::Reasoning { token: token.into(), origin: origin.into() },
            event::Event::Rollback { tokens } => Self::Rollback { tokens },
            event::Event::State { link, .. } => Self::State { link: link.into() },
            event::Event::Finished { reason, text, statistics, .. } => {
                Self::Finished { finish: reason.into(), text, statistics: (&*statistics).into() }
            }
        }
    }
}

//! The events by which a generation tells the app of its progress.

pub use uhlm_core::Origin;
pub use uhlm_core::{Decision, FinishReason, LinkCause, LinkState, TokenLogProbability, TokenText, Why};
use uhlm_law::pace::Pace;

use crate::statistics::Statistics;
use crate::tools::{ToolCall, ToolResult};

/// Origin of a committed token: the model that wrote it, and whether it was judged.
#[uniffi::remote(Enum)]
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

/// Whether the verifier can be reached.
#[uniffi::remote(Enum)]
pub enum LinkState {
    /// The verifier answers, or was not asked yet.
    Online,
    /// The last exchange failed, and another one is tried.
    Degraded,
    /// The verifier does not answer, and attempts are made at growing intervals.
    Offline,
}

/// Why the verifier does not answer as it should.
#[uniffi::remote(Enum)]
pub enum LinkCause {
    /// The verifier can be reached, but answered that it has no room for the request.
    Busy,
    /// Nothing was heard of the verifier for too long.
    TimedOut,
    /// No connection could be made, or the connection broke.
    Unreachable,
    /// The verifier failed, or its answer could not be understood.
    Faulty,
    /// The verifier is not trusted, or does not accept the token.
    Rejected,
}

/// Reason for the end of a generation.
#[uniffi::remote(Enum)]
pub enum FinishReason {
    /// The model ended its reply by itself.
    EndOfReply,
    /// As many tokens were written as were asked for.
    MaxTokens,
    /// A stop sequence was written; it is not part of the text.
    StopSequence,
    /// The context of the draft or the target model is full.
    ContextFull,
    /// The app cancelled.
    Cancelled,
    /// The model called tools, and the app is to give their results.
    ToolCalls,
}

/// A token with its text.
#[uniffi::remote(Record)]
pub struct TokenText {
    /// Id of the token in the vocabulary.
    pub id: u32,
    /// Text that is complete with this token; empty for part of a character, for control tokens, and while it may be
    /// the beginning of a stop sequence.
    pub text: String,
    /// Uncertainty of the draft model about it, in [0, 1]; nothing if the draft model did not write it.
    pub uncertainty: Option<f32>,
    /// Why the target was asked about it or was not, for a token that stands, if the generation was asked to explain
    /// itself.
    #[uniffi(default)]
    pub why: Option<Why>,
    /// The draft model's most probable tokens at its place, for a token that stands where the draft model drafted one,
    /// as many as were asked for.
    #[uniffi(default)]
    pub top: Vec<TokenLogProbability>,
}

/// Decision that led to a token.
#[uniffi::remote(Enum)]
pub enum Decision {
    /// The draft model writes alone, by the mode.
    DeviceOnly,
    /// The gate let the drafted token pass: the target was not asked.
    Passed,
    /// The target was asked about the drafted token, and it is the target's own.
    Agreed,
    /// The target was asked about a drafted token, and wrote this one in its place.
    Replaced,
    /// The target wrote it where nothing was drafted: after a window that it agreed to, or running ahead.
    RanAhead,
    /// The target should have been asked and was not: it was out of reach, the budget was spent, or the run was a dry
    /// one.
    Alone,
    /// The session wrote it, to end a reasoning that had used up its budget.
    Ended,
}

/// Why the target was asked about a token, or was not.
#[uniffi::remote(Record)]
pub struct Why {
    /// Decision that led to the token.
    pub decision: Decision,
    /// Uncertainty of the draft model about its own token at this place, in [0, 1]; nothing if it drafted none.
    pub uncertainty: Option<f32>,
    /// Threshold of the gate when the token was drafted, in [0, 1]; nothing if no gate decided.
    pub threshold: Option<f32>,
    /// Margin by which the drafted token won the race of the noise, at least 0.
    pub margin: Option<f32>,
    /// Probability that the target writes another token, as expected when the token was drafted, in [0, 1].
    pub rejection: Option<f64>,
    /// Pace of the reply; nothing outside the mode `Exact`, and while the device is alone.
    pub pace: Option<Pace>,
    /// Number of the request of this reply that brought the token, from 1; nothing if none did.
    pub request: Option<u64>,
}

/// A token that could have stood at a place.
#[uniffi::remote(Record)]
pub struct TokenLogProbability {
    /// Id of the token in the vocabulary.
    pub id: u32,
    /// Natural logarithm of the draft model's probability of it, before the sampling changes anything.
    pub log_probability: f32,
}

/// One step of a generation.
///
/// The text of a reply is the concatenation of the texts of all `Committed` tokens. Beside it there may be a
/// provisional tail: `Provisional` appends to it, `Committed` takes its text from the front of the tail if there is
/// one, and `Rollback` empties it. An app that only wants the text ignores everything but `Committed`.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "one exists at a time, and the bindings take it by value")]
pub enum GenerationEvent {
    /// A drafted token came that may still be rolled back.
    Provisional {
        /// The token.
        token: TokenText,
    },
    /// A token came that stands.
    Committed {
        /// The token.
        token: TokenText,
        /// The model that wrote it, and whether it was judged.
        origin: Origin,
    },
    /// A token of the model's reasoning came that stands. It takes its place in the provisional tail, where it had no
    /// text.
    Reasoning {
        /// The token. Its text is no part of the reply, and is empty for the marks around the reasoning.
        token: TokenText,
        /// The model that wrote it, and whether it was judged.
        origin: Origin,
    },
    /// All provisional tokens are void.
    Rollback {
        /// Number of tokens that were provisional.
        tokens: u32,
    },
    /// The verifier can be reached, or cannot be reached any more.
    State {
        /// The state from now on.
        link: LinkState,
        /// Why the verifier does not answer; nothing while it does.
        #[uniffi(default)]
        cause: Option<LinkCause>,
    },
    /// The model called a tool. The text of the call is in no text of another event.
    ToolCall {
        /// The call.
        call: ToolCall,
    },
    /// A tool that ran has given its result, which the model reads next.
    ToolResult {
        /// The result.
        result: ToolResult,
    },
    /// The model wrote what looks like a call and is none. Nothing is run for it, and it is in no text of another
    /// event.
    MalformedToolCall {
        /// The text as the model wrote it, cut off where it is very long.
        raw: String,
        /// Reason why it is no call.
        reason: String,
    },
    /// The reply has ended, and no event follows.
    Finished {
        /// Reason for the end.
        finish: FinishReason,
        /// The whole text of this reply.
        text: String,
        /// The model's reasoning before the reply, without white space around it; empty where there is none.
        reasoning: String,
        /// Counts, rates and times of this reply.
        statistics: Statistics,
    },
}

impl From<uhlm_core::Event> for GenerationEvent {
    fn from(event: uhlm_core::Event) -> Self {
        match event {
            uhlm_core::Event::Provisional(token) => Self::Provisional { token },
            uhlm_core::Event::Committed { token, origin } => Self::Committed { token, origin },
            uhlm_core::Event::Reasoning { token, origin } => Self::Reasoning { token, origin },
            uhlm_core::Event::Rollback { tokens } => Self::Rollback { tokens },
            uhlm_core::Event::State { link, cause } => Self::State { link, cause },
            uhlm_core::Event::ToolCall(call) => Self::ToolCall { call },
            uhlm_core::Event::ToolResult(result) => Self::ToolResult { result },
            uhlm_core::Event::MalformedToolCall { raw, reason } => Self::MalformedToolCall { raw, reason },
            uhlm_core::Event::Finished { reason, text, reasoning, statistics } => {
                Self::Finished { finish: reason, text, reasoning, statistics: (&*statistics).into() }
            }
        }
    }
}

//! The events by which a generation tells its consumer what was written.
//!
//! The text of a reply is the concatenation of all [`Event::Committed`] texts. Beside it there may be a provisional
//! tail: [`Event::Provisional`] appends to it, [`Event::Committed`] takes its text from the front of the tail when
//! there is one, and [`Event::Rollback`] empties it. A consumer that only wants text ignores everything but commits.
//!
//! The model's reasoning before its reply comes as [`Event::Reasoning`] and is in no text of another event. Calls of
//! tools come as [`Event::ToolCall`]; where they are run here, the reply goes on after [`Event::ToolResult`].

use serde::{Deserialize, Serialize};
use uhlm_law::sampling::TokenId;

use crate::metrics::Statistics;
use crate::origin::Origin;
use crate::tools::{ToolCall, ToolResult};
use crate::why::{TokenLogProbability, Why};

/// The reachability of the verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// The verifier answers, or was not asked yet.
    #[default]
    Online,
    /// The last exchange failed; the verifier is asked again.
    Degraded,
    /// The verifier does not answer; attempts are spaced out.
    Offline,
}

/// The reason that the verifier does not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkCause {
    /// The verifier answered that it has no room for the request: it is there, and overloaded or limiting its clients.
    Busy,
    /// The verifier was silent for too long.
    TimedOut,
    /// No connection came about, or one broke.
    Unreachable,
    /// The verifier failed on its own, or its answer was not a valid one.
    Faulty,
    /// The device does not trust the verifier, or the verifier does not accept the credentials.
    Rejected,
}

/// The reason that a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its reply.
    EndOfReply,
    /// [`max_tokens`](crate::options::GenerationOptions::max_tokens) tokens were written.
    MaxTokens,
    /// A stop sequence came up; it is not part of the text.
    StopSequence,
    /// The context of the draft or the target model is full: [`Overflow`](crate::options::Overflow) makes room before
    /// a reply.
    ContextFull,
    /// The consumer cancelled.
    Cancelled,
    /// The model called tools, and waits for their results: [`ToolUse::Manual`](crate::ToolUse::Manual), or as many
    /// rounds as [`Tools::max_rounds`](crate::Tools::max_rounds) allows.
    ToolCalls,
}

/// A token with its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenText {
    /// Id of the token.
    pub id: TokenId,
    /// Text that is complete with this token; empty for part of a character, for control tokens, and while it may be
    /// the beginning of a stop sequence.
    pub text: String,
    /// The draft model's uncertainty about the token, in [0, 1]; `None` where the draft model did not write it.
    pub uncertainty: Option<f32>,
    /// The reason why the target was asked about it or was not, for a token that stands, where the generation was asked
    /// to [explain](crate::options::GenerationOptions::explain) itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The draft model's most probable tokens at this place, the most probable one first, for a token that stands where
    /// the draft model drafted one, as many as were [asked for](crate::options::GenerationOptions::top_tokens).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogProbability>,
}

/// One step of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A drafted token that may still be rolled back.
    Provisional(TokenText),
    /// A token that stands.
    Committed {
        /// The token.
        token: TokenText,
        /// The model that wrote the token, and whether the target judged it.
        origin: Origin,
    },
    /// A token of the model's reasoning that stands; its text is no part of the reply. A provisional token of the
    /// reasoning has no text. A token in which the reasoning ends and the reply begins is told twice, the second time
    /// as committed.
    Reasoning {
        /// The token; its text is empty for the marks around the reasoning.
        token: TokenText,
        /// The model that wrote the token, and whether the target judged it.
        origin: Origin,
    },
    /// All provisional tokens are void.
    Rollback {
        /// Number of provisional tokens that are void.
        tokens: u32,
    },
    /// The verifier's reachability. It is told at a reply's beginning where the verifier does not answer by then, and
    /// whenever it changes: always before the first token that is unverified for it, and [`LinkState::Online`] only
    /// where another state was told before.
    State {
        /// The reachability of the verifier.
        link: LinkState,
        /// The reason that the verifier does not answer; `None` where it does.
        cause: Option<LinkCause>,
    },
    /// The model called a tool. The text of the call is in no text of another event.
    ToolCall(ToolCall),
    /// A tool that ran has given its result, which the model reads next.
    ToolResult(ToolResult),
    /// The model wrote what looks like a call and is none. Nothing is run for it, and it is in no text of another
    /// event.
    MalformedToolCall {
        /// The text as the model wrote it, cut off where it is very long.
        raw: String,
        /// The reason why it is no call.
        reason: String,
    },
    /// The end of the generation; the last event.
    Finished {
        /// The reason that it ended.
        reason: FinishReason,
        /// The whole text of this reply.
        text: String,
        /// The model's reasoning before the reply, without white space around it; empty where there is none.
        reasoning: String,
        /// Counts and times of this generation.
        statistics: Box<Statistics>,
    },
}

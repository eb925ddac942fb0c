//! The choices that options offer, each with what it means for a session.

pub use uhlm_core::Mode;

use crate::error::UhlmError;
use crate::seconds::duration;
use crate::tools::ToolResult;

/// The ways to generate a reply.
#[uniffi::remote(Enum)]
pub enum Mode {
    /// The target judges the tokens of which the draft model is unsure; the others are committed at once. This is the
    /// paper's rule: a token with an uncertainty above the gate's threshold is judged.
    Opportunistic,
    /// The target judges every token, many in one request. Token by token, the text is what `RemoteOnly` writes with
    /// the same seed.
    Exact,
    /// The draft model writes alone, and no connection is opened.
    DeviceOnly,
    /// The target writes alone, and its text is streamed.
    RemoteOnly,
}

/// The device's work while drafted tokens are being judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DraftAhead {
    /// The device waits.
    Off,
    /// The device drafts on. If the target writes another token, what was drafted after it is rolled back.
    WhileWaiting,
    /// The device drafts on likewise and sends more before the verdict is there.
    Pipelined {
        /// Largest number of windows that are being judged at once, 1 to 8.
        windows: u32,
    },
}

impl From<DraftAhead> for uhlm_core::DraftAhead {
    fn from(ahead: DraftAhead) -> Self {
        match ahead {
            DraftAhead::Off => Self::Off,
            DraftAhead::WhileWaiting => Self::WhileWaiting,
            DraftAhead::Pipelined { windows } => Self::Pipelined(windows as usize),
        }
    }
}

/// The policy while the verifier is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum OfflinePolicy {
    /// The draft model goes on alone, and its tokens have the origin `Unverified`.
    GoOn,
    /// The generation waits for the verifier, and fails with `Offline` if that takes too long.
    Wait {
        /// Longest wait, in seconds.
        seconds: f64,
    },
    /// The generation fails with `Offline` at once.
    Fail,
}

impl OfflinePolicy {
    pub(crate) fn into_core(self) -> Result<uhlm_core::OfflinePolicy, UhlmError> {
        Ok(match self {
            Self::GoOn => uhlm_core::OfflinePolicy::GoOn,
            Self::Wait { seconds } => uhlm_core::OfflinePolicy::Wait(duration("offline", seconds)?),
            Self::Fail => uhlm_core::OfflinePolicy::Fail,
        })
    }
}

/// The policy for a conversation that outgrows the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Overflow {
    /// Nothing is dropped. A prompt that leaves no room for a useful reply fails with `PromptTooLong`.
    Stop,
    /// The models forget the oldest turns until there is room for a reply. System messages stay, the session's messages
    /// still have everything, and the statistics say how many messages were forgotten.
    DropOldest {
        /// Room that is kept for a reply, in tokens.
        reserve: u32,
    },
    /// The models forget the oldest turns likewise, and read a summary in their place, which the draft model writes.
    Summarise {
        /// Room that is kept for a reply, in tokens.
        reserve: u32,
    },
}

impl From<Overflow> for uhlm_core::Overflow {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::Stop => Self::Stop,
            Overflow::DropOldest { reserve } => Self::DropOldest { reserve: reserve as usize },
            Overflow::Summarise { reserve } => Self::Summarise { reserve: reserve as usize },
        }
    }
}

/// Whether a model that can think before it replies does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Thinking {
    /// The model replies at once.
    Off,
    /// The model thinks first. Its reasoning comes in events of its own.
    On {
        /// Limit of the reasoning in tokens, its marks included; the reply follows it. Nothing sets no limit but that
        /// of the reply.
        budget: Option<u32>,
    },
}

impl From<Thinking> for uhlm_core::Thinking {
    fn from(thinking: Thinking) -> Self {
        match thinking {
            Thinking::Off => Self::Off,
            Thinking::On { budget } => Self::On { budget: budget.map(|tokens| tokens as usize) },
        }
    }
}

/// The form that a reply is to have. Both models draw only tokens that it allows.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Grammar {
    /// The reply is a JSON value that a JSON schema describes.
    JsonSchema {
        /// Text of the schema.
        schema: String,
    },
    /// A regular expression matches the reply from its beginning to its end.
    Regex {
        /// The expression, in the syntax of Rust's `regex`.
        pattern: String,
    },
    /// The reply is one of some texts.
    Choices {
        /// The texts.
        texts: Vec<String>,
    },
    /// The reply is a text of a context-free grammar.
    Lark {
        /// The grammar, in the Lark syntax of llguidance; its first rule is `start`.
        text: String,
    },
}

impl From<Grammar> for uhlm_core::Grammar {
    fn from(grammar: Grammar) -> Self {
        match grammar {
            Grammar::JsonSchema { schema } => Self::JsonSchema(schema),
            Grammar::Regex { pattern } => Self::Regex(pattern),
            Grammar::Choices { texts } => Self::Choices(texts),
            Grammar::Lark { text } => Self::Lark(text),
        }
    }
}

/// The text that a generation continues.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Prompt {
    /// The person's next message. The model's chat template is applied, and the reply joins the conversation.
    Chat {
        /// The message.
        text: String,
    },
    /// Text that is continued as it is, without a chat template. Nothing of the conversation is read, and neither the
    /// text nor its reply joins it.
    Raw {
        /// The text.
        text: String,
    },
    /// The results of all tools that the reply before has called. The model goes on with them.
    ToolResults {
        /// The results, one for each call.
        results: Vec<ToolResult>,
    },
}

impl From<Prompt> for uhlm_core::Prompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::Chat { text } => Self::Chat(text),
            Prompt::Raw { text } => Self::Raw(text),
            Prompt::ToolResults { results } => Self::ToolResults(results),
        }
    }
}

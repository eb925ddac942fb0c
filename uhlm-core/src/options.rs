//! The options of a session and of one reply.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;
use uhlm_law::chat::{Message, Role, TemplateVariables};
use uhlm_law::gate::{Goal, Predictor};
use uhlm_law::grammar::Grammar;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::uncertainty::Estimator;
use uhlm_law::window::CloseRule;
use uhlm_llama::ContextSize;

use crate::device::DevicePolicy;
use crate::link::LinkConfig;
use crate::mode::Mode;
use crate::privacy::{Consent, RecordOptions, Redaction, redacted, redacted_message};
use crate::tools::{ToolResult, Tools};
use crate::totals::{Budget, Totals};

/// A session's behaviour while the verifier is out of reach. A verifier that tells that it is at work is within reach,
/// however long it takes; one that was reached before and falls silent has its [grace](LinkConfig::grace) before this
/// decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflinePolicy {
    /// The draft model goes on alone; its tokens are marked [`Unverified`](crate::origin::Origin::Unverified).
    GoOn,
    /// The generation waits, at most this long at a stretch, and then fails.
    Wait(Duration),
    /// The generation fails.
    Fail,
}

/// Least length of a reply that is worth beginning, in tokens, unless fewer are requested.
pub const USEFUL_REPLY: usize = 16;

/// A session's behaviour when the conversation outgrows the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Nothing is dropped. A generation whose prompt leaves less than [`USEFUL_REPLY`] tokens fails with
    /// [`PromptTooLong`](crate::error::GenerationError::PromptTooLong).
    #[default]
    Stop,
    /// Before a reply for which there is no room, the models forget the oldest turns until a reply of `reserve` tokens
    /// fits and, if they can, a quarter of the context more, so that the conversation is not read anew at every turn.
    /// System messages stay. [`Session::messages`](crate::session::Session::messages) still has everything, and
    /// [`Statistics::dropped_messages`](crate::metrics::Statistics::dropped_messages) says how many messages went.
    DropOldest {
        /// Room that is kept for a reply, in tokens; at least 1.
        reserve: usize,
    },
    /// The models forget the oldest turns likewise, and read a summary in their place, which the draft model writes
    /// before the reply. Where it has no room for that, they are just forgotten. The summary is of what a verifier may
    /// read where the reply asks one.
    Summarise {
        /// Room that is kept for a reply, in tokens; at least 1.
        reserve: usize,
    },
}

impl Overflow {
    /// Returns the tokens that there must be room for in a reply of at most `max_tokens`.
    pub(crate) fn reply(self, max_tokens: usize) -> usize {
        match self {
            Self::Stop => USEFUL_REPLY,
            Self::DropOldest { reserve } | Self::Summarise { reserve } => reserve.max(1),
        }
        .min(max_tokens)
    }
}

/// The choice whether a model that can think before it replies does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// The model replies at once.
    Off,
    /// The model thinks first.
    On {
        /// Largest number of tokens of reasoning, its marks included; after them the reasoning is ended and the reply
        /// follows. `None` sets no limit but that of the reply, 0 is as `Off`.
        budget: Option<usize>,
    },
}

impl Thinking {
    /// Tells whether the model thinks at all.
    pub(crate) fn is_on(self) -> bool {
        !matches!(self, Self::Off | Self::On { budget: Some(0) })
    }

    /// Returns the largest number of tokens of reasoning; `None` for no limit, or where the model does not think.
    pub(crate) fn budget(self) -> Option<usize> {
        match self {
            Self::Off => None,
            Self::On { budget } => budget,
        }
    }
}

/// The device's behaviour while a verdict is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftAhead {
    /// The device waits for the verdict.
    Off,
    /// The device drafts on; where the target writes another token, what was drafted after it is rolled back.
    WhileWaiting,
    /// The device drafts on likewise and sends more: up to this many windows are in flight at once, 1 to 8, each
    /// resting on the one before.
    Pipelined(usize),
}

impl DraftAhead {
    /// Returns the largest number of windows in flight.
    pub(crate) fn windows(self) -> usize {
        match self {
            Self::Off | Self::WhileWaiting => 1,
            Self::Pipelined(n) => n.clamp(1, 8),
        }
    }
}

/// The options of a session, which hold for its life; [`GenerationOptions`] are for one reply.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Instructions for the whole conversation, its system message; `None` for a conversation without, or with those
    /// among its messages.
    pub instructions: Option<String>,
    /// Mode in which text is generated, unless a generation says otherwise.
    pub mode: Mode,
    /// Parameters of the sampling chain, for draft model and target model alike.
    pub sampling: SamplingParams,
    /// Estimator that measures the draft model's uncertainty about a token.
    pub estimator: Estimator,
    /// Measurements of this pair of models, from which the gate starts.
    pub calibration: Calibration,
    /// Goal of the gate, which decides the tokens that are skipped in the mode `opportunistic`.
    pub goal: Goal,
    /// Predictor of the probability that the target rejects a drafted token, for windows and draft-ahead.
    pub predictor: Predictor,
    /// Worth of the target's passes against time, in the mode `exact`.
    pub pace: Pace,
    /// Largest number of passes of the target for each token of an `exact` reply, for who pays by pass. Whatever the
    /// pace, policies that are expected to need more are not taken, and where the budget is spent, windows are as long
    /// as they can be and nothing is granted; what still exceeds it is what an exact text takes. `None` sets no limit.
    pub max_passes_per_token: Option<f64>,
    /// Most that the session may take of its verifier.
    pub budget: Budget,
    /// What was taken before and counts against the budget: of other sessions of the same day, say.
    pub spent: Totals,
    /// Rule by which an `exact` window is closed and sent. The pace decides under [`CloseRule::CostModel`] alone: by
    /// any other rule the target waits for drafts.
    pub close: CloseRule,
    /// Largest number of tokens in a window, 1 to 25; a value outside counts as the nearer end.
    pub max_window: usize,
    /// Behaviour while a verdict is on its way: whether drafting goes on.
    pub draft_ahead: DraftAhead,
    /// Whether tokens that repeat the conversation are drafted together where that is measured to be faster. The text
    /// is the same but for the rounding of batches.
    pub ngrams: bool,
    /// Behaviour while the verifier is out of reach. A verifier that tells that it is at work is within reach, however
    /// long it takes; one that was reached before and falls silent has its [grace](LinkConfig::grace) before this
    /// decides.
    pub offline: OfflinePolicy,
    /// Behaviour when the conversation outgrows the context.
    pub overflow: Overflow,
    /// Whether a model that can think before it replies does so; `None` leaves it to the model.
    pub thinking: Option<Thinking>,
    /// Variables of the chat template.
    pub template_variables: TemplateVariables,
    /// Length of the draft model's context; unless it is given in tokens, as long as the model was trained for, at most
    /// 4,096 tokens and what fits into free memory.
    pub context: ContextSize,
    /// Number of threads of the draft model; 0 chooses by the model's size and the cores.
    pub threads: u32,
    /// Seed of the replies, mixed with each generation's number: the same seed brings the same replies to the same
    /// messages. `None` takes one from the system.
    pub seed: Option<u64>,
    /// Reaction of the session to [`Session::set_device`](crate::session::Session::set_device).
    pub device: DevicePolicy,
    /// Folder in which the vocabularies of targets are kept that the draft model does not share, a few MB each and at
    /// most four; `None` keeps them only as long as a session uses them.
    pub vocabulary_folder: Option<PathBuf>,
    /// Consent to what may be sent to the verifier, unless a generation says otherwise; by default, until the app gives
    /// it, nothing.
    pub consent: Consent,
    /// Function that changes messages before a verifier could see them; `None` sends them as they are.
    pub redaction: Option<Redaction>,
    /// Extent of the record of what was sent.
    pub record: RecordOptions,
    /// Deadlines of verdicts, the grace of a verifier that falls silent, and pauses between attempts; the deadline
    /// follows the measured round trip within its bounds.
    pub link: LinkConfig,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            instructions: None,
            mode: Mode::default(),
            sampling: SamplingParams::default(),
            estimator: Estimator::default(),
            calibration: Calibration::generic(),
            goal: Goal::RiskProne,
            predictor: Predictor::default(),
            pace: Pace::default(),
            max_passes_per_token: None,
            budget: Budget::default(),
            spent: Totals::default(),
            close: CloseRule::CostModel,
            max_window: 16,
            draft_ahead: DraftAhead::Pipelined(2),
            ngrams: true,
            offline: OfflinePolicy::GoOn,
            overflow: Overflow::Stop,
            thinking: None,
            template_variables: TemplateVariables::default(),
            context: ContextSize::Fit,
            threads: 0,
            seed: None,
            device: DevicePolicy::default(),
            vocabulary_folder: None,
            consent: Consent::default(),
            redaction: None,
            record: RecordOptions::default(),
            link: LinkConfig::default(),
        }
    }
}

/// Largest number of most probable tokens that a token is told with.
pub const MAX_TOP_TOKENS: usize = 20;

/// The options of one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationOptions {
    /// Largest number of tokens to write; the end token counts.
    pub max_tokens: usize,
    /// Texts that end the reply; they are not part of it.
    pub stop: Vec<String>,
    /// Mode of this generation; `None` takes the session's.
    pub mode: Option<Mode>,
    /// Parameters of the sampling chain for this generation; `None` takes the session's.
    pub sampling: Option<SamplingParams>,
    /// Goal of the gate from this generation on; `None` leaves it as it is.
    pub goal: Option<Goal>,
    /// Pace of this generation; `None` takes the session's.
    pub pace: Option<Pace>,
    /// Consent for this message; `None` takes the session's.
    pub consent: Option<Consent>,
    /// Whether the model thinks before this reply; `None` takes the session's.
    pub thinking: Option<Thinking>,
    /// Variables of the chat template, beside the session's and before them.
    pub template_variables: TemplateVariables,
    /// Form that the reply has: both models draw only tokens that it allows, and a model does not think before such a
    /// reply. `None` leaves the text free.
    pub grammar: Option<Grammar>,
    /// Whether the statistics list a label for each token whose target probability came back, for calibration. In the
    /// opportunistic mode skipped tokens report theirs then, which takes some bytes for each.
    pub collect_labels: bool,
    /// Whether each token says [why](crate::why::Why) the target was asked about it, or was not.
    pub explain: bool,
    /// Number of the draft model's most probable tokens that each token it drafted is told with, at most
    /// [`MAX_TOP_TOKENS`]; 0 for none.
    pub top_tokens: usize,
    /// Whether the draft model writes alone, and the tokens about which the target would have been asked are marked
    /// [`Unverified`](crate::origin::Origin::Unverified): what the mode would have sent, without sending anything. The
    /// text is the draft model's, so it is an estimate where the target would have written another.
    pub dry_run: bool,
    /// Seed of this reply alone: given twice for the same conversation, it brings the same text, whatever windows and
    /// timing do while the verifier is reachable (`opportunistic`: with a fixed threshold). `None` goes on from the
    /// session's seed.
    pub seed: Option<u64>,
    /// Tools that the model may call.
    pub tools: Tools,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            max_tokens: 512,
            stop: Vec::new(),
            mode: None,
            sampling: None,
            goal: None,
            pace: None,
            consent: None,
            thinking: None,
            template_variables: TemplateVariables::default(),
            grammar: None,
            collect_labels: false,
            explain: false,
            top_tokens: 0,
            dry_run: false,
            seed: None,
            tools: Tools::default(),
        }
    }
}

/// The text that a generation continues. `Debug` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// The person's next message; the model's chat template is applied and the reply joins the conversation.
    Chat(String),
    /// Text as it is, without a template. Nothing of the conversation is read, and neither the text nor its reply joins
    /// it: [`Session::messages`](crate::session::Session::messages) and the next message are as if it had not been.
    Raw(String),
    /// Messages that are a conversation of their own; the chat template is applied. Nothing of the session's is read,
    /// and nothing joins it.
    Apart(Vec<Message>),
    /// Results of all tools that the reply before has called; the model goes on with them.
    ToolResults(Vec<ToolResult>),
}

impl Prompt {
    /// Returns the texts without the chat template: that of each message.
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Chat(text) | Self::Raw(text) => vec![text],
            Self::Apart(messages) => messages.iter().map(|message| message.content.as_str()).collect(),
            Self::ToolResults(results) => results.iter().map(|result| result.content.as_str()).collect(),
        }
    }

    /// Returns the texts as the verifier may see them.
    pub(crate) fn redacted(&self, redaction: Option<&Redaction>) -> Vec<String> {
        self.texts().into_iter().map(|text| redacted(redaction, text)).collect()
    }

    /// Returns the whole text without the chat template, with `read` in place of the texts where it is given.
    pub(crate) fn text(&self, read: Option<&[String]>) -> String {
        read.map_or_else(|| self.texts().join("\n"), |read| read.join("\n"))
    }

    /// Returns the messages of a conversation of its own, which are all that the models read of it: the originals, or,
    /// if the generation `shares` them, what the verifier may see of them.
    pub(crate) fn seen(&self, shares: bool, redaction: Option<&Redaction>) -> Vec<Message> {
        match self {
            Self::Apart(messages) if shares => {
                messages.iter().map(|message| redacted_message(redaction, message)).collect()
            }
            Self::Apart(messages) => messages.clone(),
            Self::Chat(_) | Self::Raw(_) | Self::ToolResults(_) => Vec::new(),
        }
    }

    /// Returns the messages that join the conversation, with the texts that are `read` in place of their own where they
    /// are given.
    pub(crate) fn messages(&self, read: Option<&[String]>) -> Vec<Message> {
        let text =
            |place: usize, own: &str| read.and_then(|read| read.get(place)).map_or(own, String::as_str).to_owned();
        match self {
            Self::Chat(own) => vec![Message::user(text(0, own))],
            Self::Raw(_) | Self::Apart(_) => Vec::new(),
            Self::ToolResults(results) => {
                let message = |(place, result): (usize, &ToolResult)| Message {
                    role: Role::Tool,
                    tool_call_id: Some(result.id.clone()),
                    tool_name: Some(result.name.clone()),
                    ..Message::user(text(place, &result.content))
                };
                results.iter().enumerate().map(message).collect()
            }
        }
    }
}

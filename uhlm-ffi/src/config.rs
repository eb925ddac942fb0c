//! Options as records. An option that is left out has the core's default.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{DevicePolicy, RecordOptions, calibration_file};
use uhlm_law::chat::TemplateVariables;

use crate::error::{UhlmError, failure};
use crate::law::{CloseRule, Estimator, Goal, Pace, Predictor, SamplingParams};
use crate::privacy::{Consent, Redactor, redaction};

/// The file of a model, and the way in which it is loaded.
#[derive(Clone, Debug, uniffi::Record)]
pub struct ModelOptions {
    /// The GGUF file.
    pub path: String,
    /// Map the file instead of reading it. Left out: map it where the system can.
    #[uniffi(default)]
    pub mmap: Option<bool>,
    /// Layers to put on a GPU, where llama.cpp was built for one.
    #[uniffi(default)]
    pub gpu_layers: u32,
    /// A context that there must be memory for, in tokens, or the load fails with `NotEnoughMemory` before the file is
    /// touched. Left out: the shortest.
    #[uniffi(default)]
    pub fit_context: Option<u32>,
    /// Bytes that are free, for `fit_context`. Left out: what `available_memory` says; where that says nothing, nothing
    /// is checked.
    #[uniffi(default)]
    pub available_memory: Option<u64>,
    /// A chat template in place of the file's, for models that have none or a broken one: Jinja as `transformers` knows
    /// it.
    #[uniffi(default)]
    pub chat_template: Option<String>,
}

/// The ways to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Mode {
    /// The paper's rule: `u <= u_th` commits at once, `u > u_th` is judged before it is committed.
    Opportunistic,
    /// Everything is judged, in windows: token by token, the text is what `RemoteOnly` writes with the same seed.
    Exact,
    /// The draft model alone. No connection is opened.
    DeviceOnly,
    /// The target alone, streamed.
    RemoteOnly,
}

impl From<Mode> for uhlm_core::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Opportunistic => Self::Opportunistic,
            Mode::Exact => Self::Exact,
            Mode::DeviceOnly => Self::DeviceOnly,
            Mode::RemoteOnly => Self::RemoteOnly,
        }
    }
}

/// The device's work while a verdict is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DraftAhead {
    /// The device waits.
    Off,
    /// It drafts on; where the target writes another token, what was drafted after it is rolled back.
    WhileWaiting,
    /// It drafts on likewise and sends more: several windows are in flight at once, each resting on the one before.
    Pipelined {
        /// Most windows that are in flight at once, 1 to 8.
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

/// The policy for the time in which the verifier is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum OfflinePolicy {
    /// The draft model goes on alone; its tokens are marked `Unverified`.
    GoOn,
    /// The generation waits, then fails with `Offline`.
    Wait {
        /// Longest wait, in seconds.
        seconds: f64,
    },
    /// The generation fails with `Offline` at once.
    Fail,
}

/// The policy for a conversation that outgrows the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Overflow {
    /// Nothing is dropped; a prompt that leaves no room for a useful reply fails with `PromptTooLong`.
    Stop,
    /// The models forget the oldest turns until a reply of `reserve` tokens fits. System messages stay, the session's
    /// messages still have everything, and the statistics say how many messages went.
    DropOldest {
        /// Room that is kept for a reply, in tokens.
        reserve: u32,
    },
}

impl From<Overflow> for uhlm_core::Overflow {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::Stop => Self::Stop,
            Overflow::DropOldest { reserve } => Self::DropOldest { reserve: reserve as usize },
        }
    }
}

/// Whether a model that can think before it replies does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Thinking {
    /// It replies at once.
    Off,
    /// It thinks first; its reasoning comes in events of its own.
    On {
        /// Most tokens of reasoning, its marks included; after them it is ended and the reply follows. Nothing sets no
        /// limit but that of the reply.
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

/// Deadlines of verdicts and pauses between attempts; the deadline follows the measured round trip within them.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct LinkOptions {
    /// Shortest deadline of a verdict, in seconds.
    #[uniffi(default)]
    pub min_deadline_seconds: Option<f64>,
    /// Longest deadline of a verdict, in seconds; also the one that is used before anything was measured.
    #[uniffi(default)]
    pub max_deadline_seconds: Option<f64>,
    /// Time in seconds for which a verifier that was reached before and is silent is asked again before it counts as
    /// out of reach.
    #[uniffi(default)]
    pub grace_seconds: Option<f64>,
    /// Pause after the first failure, in seconds; it doubles with each further one.
    #[uniffi(default)]
    pub back_off_seconds: Option<f64>,
    /// Longest pause that the verifier did not ask for, in seconds.
    #[uniffi(default)]
    pub max_back_off_seconds: Option<f64>,
    /// Number of failures in a row that make the link `Offline`.
    #[uniffi(default)]
    pub offline_after: Option<u32>,
}

/// Options of a session. They hold for its life; `GenerationOptions` are for one reply.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct SessionOptions {
    /// The way to generate, unless a generation says otherwise. Left out: `Exact`.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// The sampling chain, which draft and target share.
    #[uniffi(default)]
    pub sampling: SamplingParams,
    /// Measure of the draft model's uncertainty. Left out: the one that the calibration was made with.
    #[uniffi(default)]
    pub estimator: Option<Estimator>,
    /// The pair's calibration file, as `uhlm calibrate` writes it. Left out: a cautious one for an unknown pair.
    #[uniffi(default)]
    pub calibration_path: Option<String>,
    /// The gate's aim. Left out: `RiskProne`.
    #[uniffi(default)]
    pub goal: Option<Goal>,
    /// Source of the expected rejection of a token. Left out: `Learned`.
    #[uniffi(default)]
    pub predictor: Option<Predictor>,
    /// Worth of the target's passes against time, in the mode `Exact`. Left out: `Balanced`.
    #[uniffi(default)]
    pub pace: Option<Pace>,
    /// Most passes of the target for each token of an `Exact` reply, above 0, for who pays by pass. Whatever the pace,
    /// windows are as long as they can be once it is spent; what still exceeds it is what an exact text takes. Left
    /// out: no limit.
    #[uniffi(default)]
    pub max_passes_per_token: Option<f64>,
    /// Rule by which an `Exact` window is closed; the pace counts under `CostModel` alone. Left out: `CostModel`.
    #[uniffi(default)]
    pub close: Option<CloseRule>,
    /// Most tokens in a window.
    #[uniffi(default)]
    pub max_window: Option<u32>,
    /// The device's work while a verdict is on its way. Left out: `Pipelined` with two windows.
    #[uniffi(default)]
    pub draft_ahead: Option<DraftAhead>,
    /// False where tokens that repeat the conversation are not to be drafted together. Left out: they are, where that
    /// is measured to be faster; the text is the same but for the rounding of batches.
    #[uniffi(default)]
    pub ngrams: Option<bool>,
    /// The policy for the time in which the verifier is out of reach. Left out: `GoOn`.
    #[uniffi(default)]
    pub offline: Option<OfflinePolicy>,
    /// Whether a model that can think before it replies does so. Left out: as the model does.
    #[uniffi(default)]
    pub thinking: Option<Thinking>,
    /// Variables of the chat template: names with values in JSON.
    #[uniffi(default)]
    pub template_variables: HashMap<String, String>,
    /// The policy for a conversation that outgrows the context. Left out: `Stop`.
    #[uniffi(default)]
    pub overflow: Option<Overflow>,
    /// Context of the draft model, in tokens. Left out: the one that it was trained for.
    #[uniffi(default)]
    pub context: Option<u32>,
    /// Number of threads of the draft model. Left out: the model's size and the cores decide.
    #[uniffi(default)]
    pub threads: Option<u32>,
    /// Seed of all replies, mixed with the number of each: a session with the same seed gives the same replies to the
    /// same messages in the same order. Left out: a fresh one from the system.
    #[uniffi(default)]
    pub seed: Option<u64>,
    /// Extent of what may be sent to the verifier. Left out: `Withheld`, nothing, until the app says otherwise here, by
    /// `set_consent` or for one generation.
    #[uniffi(default)]
    pub consent: Option<Consent>,
    /// True where the record of what was sent is to keep its text, too.
    #[uniffi(default)]
    pub record_text: bool,
    /// False where the session is not to react to `set_device`. Left out: it reacts.
    #[uniffi(default)]
    pub follow_device: Option<bool>,
    /// Deadlines and pauses.
    #[uniffi(default)]
    pub link: LinkOptions,
}

/// Options of one generation.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct GenerationOptions {
    /// Most tokens to write; the end token counts. Left out: 512.
    #[uniffi(default)]
    pub max_tokens: Option<u32>,
    /// Texts that end the reply; they are not part of it.
    #[uniffi(default)]
    pub stop: Vec<String>,
    /// Another mode than the session's.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// Another pace than the session's.
    #[uniffi(default)]
    pub pace: Option<Pace>,
    /// Another consent than the session's, for this message.
    #[uniffi(default)]
    pub consent: Option<Consent>,
    /// Whether the model thinks before this reply. Left out: as the session says.
    #[uniffi(default)]
    pub thinking: Option<Thinking>,
    /// Seed of this reply alone. Given twice for the same conversation it brings the same text, whatever windows and
    /// timing do, in `Exact`, `RemoteOnly` and `DeviceOnly`, and in `Opportunistic` with a goal of a fixed threshold,
    /// as long as the verifier is reachable. `Exact` and `RemoteOnly` write the same text. Left out: the session's
    /// seed, mixed with the number of the reply.
    #[uniffi(default)]
    pub seed: Option<u64>,
}

/// The text that a generation continues.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Prompt {
    /// The person's next message; the model's chat template is applied and the reply joins the conversation.
    Chat {
        /// The message.
        text: String,
    },
    /// Text as it is, after everything that was there is forgotten; no template.
    Raw {
        /// The text.
        text: String,
    },
}

impl From<Prompt> for uhlm_core::Prompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::Chat { text } => Self::Chat(text),
            Prompt::Raw { text } => Self::Raw(text),
        }
    }
}

/// A number of seconds that the app gave.
pub(crate) fn duration(name: &str, seconds: f64) -> Result<Duration, UhlmError> {
    let invalid = |error| failure!(InvalidOptions, format!("{name}: {error}"), FixOptions);
    Duration::try_from_secs_f64(seconds).map_err(invalid)
}

/// Variables of the chat template that the app gave.
fn variables(given: &HashMap<String, String>) -> Result<TemplateVariables, UhlmError> {
    let mut variables = TemplateVariables::default();
    for (name, json) in given {
        variables.set(name, json).map_err(|error| failure!(InvalidOptions, error, FixOptions))?;
    }
    Ok(variables)
}

/// A number of passes a token that the app gave.
fn passes(given: f64) -> Result<f64, UhlmError> {
    if given > 0.0 && given.is_finite() {
        return Ok(given);
    }
    Err(failure!(InvalidOptions, format!("max_passes_per_token: {given} is no number above 0"), FixOptions))
}

impl LinkOptions {
    fn into_core(self) -> Result<uhlm_core::LinkConfig, UhlmError> {
        let default = uhlm_core::LinkConfig::default();
        let or = |name, given: Option<f64>, default| given.map_or(Ok(default), |seconds| duration(name, seconds));
        Ok(uhlm_core::LinkConfig {
            min_deadline: or("min_deadline_seconds", self.min_deadline_seconds, default.min_deadline)?,
            max_deadline: or("max_deadline_seconds", self.max_deadline_seconds, default.max_deadline)?,
            grace: or("grace_seconds", self.grace_seconds, default.grace)?,
            back_off: or("back_off_seconds", self.back_off_seconds, default.back_off)?,
            max_back_off: or("max_back_off_seconds", self.max_back_off_seconds, default.max_back_off)?,
            offline_after: self.offline_after.unwrap_or(default.offline_after),
            ..default
        })
    }
}

impl SessionOptions {
    /// Reads the calibration file where one is named.
    pub(crate) fn into_core(self, redactor: Option<Arc<dyn Redactor>>) -> Result<uhlm_core::SessionOptions, UhlmError> {
        let default = uhlm_core::SessionOptions::default();
        let calibration = match &self.calibration_path {
            Some(path) => calibration_file::load(path.as_ref())?,
            None => default.calibration,
        };
        let offline = match self.offline {
            None => default.offline,
            Some(OfflinePolicy::GoOn) => uhlm_core::OfflinePolicy::GoOn,
            Some(OfflinePolicy::Wait { seconds }) => uhlm_core::OfflinePolicy::Wait(duration("offline", seconds)?),
            Some(OfflinePolicy::Fail) => uhlm_core::OfflinePolicy::Fail,
        };
        let measured_with = if calibration.is_generic() { default.estimator } else { calibration.estimator };
        Ok(uhlm_core::SessionOptions {
            mode: self.mode.map_or(default.mode, Into::into),
            sampling: self.sampling.into(),
            estimator: self.estimator.map_or(measured_with, Into::into),
            calibration,
            goal: self.goal.map_or(default.goal, Into::into),
            predictor: self.predictor.map_or(default.predictor, Into::into),
            pace: self.pace.map_or(default.pace, Into::into),
            max_passes_per_token: self.max_passes_per_token.map(passes).transpose()?,
            close: self.close.map_or(default.close, Into::into),
            max_window: self.max_window.map_or(default.max_window, |tokens| tokens as usize),
            draft_ahead: self.draft_ahead.map_or(default.draft_ahead, Into::into),
            ngrams: self.ngrams.unwrap_or(default.ngrams),
            thinking: self.thinking.map(Into::into),
            template_variables: variables(&self.template_variables)?,
            offline,
            overflow: self.overflow.map_or(default.overflow, Into::into),
            context: self.context.map_or(default.context, Into::into),
            threads: self.threads.unwrap_or(default.threads),
            seed: self.seed,
            consent: self.consent.map_or(default.consent, Into::into),
            redaction: redactor.map(redaction),
            record: RecordOptions { text: self.record_text, ..default.record },
            device: DevicePolicy { enabled: self.follow_device.unwrap_or(default.device.enabled), ..default.device },
            link: self.link.into_core()?,
        })
    }
}

impl From<GenerationOptions> for uhlm_core::GenerationOptions {
    fn from(given: GenerationOptions) -> Self {
        let default = Self::default();
        Self {
            max_tokens: given.max_tokens.map_or(default.max_tokens, |tokens| tokens as usize),
            stop: given.stop,
            mode: given.mode.map(Into::into),
            pace: given.pace.map(Into::into),
            consent: given.consent.map(Into::into),
            thinking: given.thinking.map(Into::into),
            seed: given.seed,
            ..default
        }
    }
}

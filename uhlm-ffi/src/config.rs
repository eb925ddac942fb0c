//! Options as records. An option that is left out has the core's default.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::calibration_file;
use uhlm_core::device::DevicePolicy;
use uhlm_core::privacy::RecordOptions;
use uhlm_core::{link, mode, options};
use uhlm_law::{gate, sampling, uncertainty, window};

use crate::error::{UhlmError, failure};
use crate::privacy::{Consent, Redactor, redaction};

/// How a model is loaded.
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
    /// A context that there must be memory for, in tokens (0: what the model was trained for), or the load fails with
    /// `NotEnoughMemory` before the file is touched. Left out: nothing is checked.
    #[uniffi(default)]
    pub fit_context: Option<u32>,
    /// Bytes that are free, for `fit_context`. Left out: what `available_memory` says; where that says nothing, nothing is
    /// checked.
    #[uniffi(default)]
    pub available_memory: Option<u64>,
}

/// How text is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Mode {
    /// The paper's rule: `u <= u_th` commits at once, `u > u_th` is judged before it is committed.
    Opportunistic,
    /// Everything is judged, in windows; the output is distributed exactly as the target's.
    Exact,
    /// The draft model alone. No connection is opened.
    DeviceOnly,
    /// The target alone, streamed.
    RemoteOnly,
}

impl From<Mode> for mode::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Opportunistic => Self::Opportunistic,
            Mode::Exact => Self::Exact,
            Mode::DeviceOnly => Self::DeviceOnly,
            Mode::RemoteOnly => Self::RemoteOnly,
        }
    }
}

/// Parameters of the sampling chain, with the meaning of llama.cpp's flags of the same names. Left out, each changes
/// nothing: a draw from the model's own softmax.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct SamplingParams {
    /// Divides the logits last; 0 takes the most probable token. At least 0.
    #[uniffi(default)]
    pub temperature: Option<f32>,
    /// Keeps the `k` most probable tokens; 0 keeps all.
    #[uniffi(default)]
    pub top_k: Option<u32>,
    /// Keeps the smallest set of most probable tokens whose probability sums to at least this. In (0, 1].
    #[uniffi(default)]
    pub top_p: Option<f32>,
    /// Keeps tokens at least this fraction as probable as the most probable one. In [0, 1].
    #[uniffi(default)]
    pub min_p: Option<f32>,
    /// How many of the last tokens the penalties look at; 0 turns them off.
    #[uniffi(default)]
    pub penalty_last_n: Option<u32>,
    /// Divides the positive (multiplies the negative) logit of a token that occurred; 1 is off. Above 0.
    #[uniffi(default)]
    pub penalty_repeat: Option<f32>,
    /// Subtracts this times the number of occurrences; 0 is off.
    #[uniffi(default)]
    pub penalty_frequency: Option<f32>,
    /// Subtracts this once from a token that occurred; 0 is off.
    #[uniffi(default)]
    pub penalty_presence: Option<f32>,
}

impl From<SamplingParams> for sampling::SamplingParams {
    fn from(given: SamplingParams) -> Self {
        let default = Self::default();
        Self {
            temperature: given.temperature.unwrap_or(default.temperature),
            top_k: given.top_k.unwrap_or(default.top_k),
            top_p: given.top_p.unwrap_or(default.top_p),
            min_p: given.min_p.unwrap_or(default.min_p),
            penalty_last_n: given.penalty_last_n.unwrap_or(default.penalty_last_n),
            penalty_repeat: given.penalty_repeat.unwrap_or(default.penalty_repeat),
            penalty_frequency: given.penalty_frequency.unwrap_or(default.penalty_frequency),
            penalty_presence: given.penalty_presence.unwrap_or(default.penalty_presence),
        }
    }
}

/// What the app wants of the gate.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum Goal {
    /// The paper's `u_th = -b/a`: by the law, nothing is skipped that could be rejected.
    RiskAverse,
    /// The paper's `u_th = (Delta - b)/a`, which it adopts.
    RiskProne,
    /// This threshold on the uncertainty, whatever happens.
    Threshold {
        /// The threshold, in [0, 1].
        uncertainty: f32,
    },
    /// Judge this share of the drafted tokens.
    ShareSent {
        /// The share, in [0, 1].
        share: f64,
    },
    /// Skip as much as possible with at most this mean rejection probability a drafted token.
    Risk {
        /// The mean, in [0, 1].
        risk: f64,
    },
    /// Keep to this many bytes of request and response bodies a token of the reply, on average, in the `Opportunistic` mode.
    Bytes {
        /// Bytes a token, above 0.
        per_token: f64,
    },
}

impl From<Goal> for gate::Goal {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::RiskAverse => Self::RiskAverse,
            Goal::RiskProne => Self::RiskProne,
            Goal::Threshold { uncertainty } => Self::Threshold(uncertainty),
            Goal::ShareSent { share } => Self::ShareSent(share),
            Goal::Risk { risk } => Self::Risk(risk),
            Goal::Bytes { per_token } => Self::Bytes(per_token),
        }
    }
}

/// What expects a token's rejection, for windows and draft-ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Predictor {
    /// The calibration's learned law; the line where it has none.
    Learned,
    /// The paper's line.
    LinearLaw,
}

impl From<Predictor> for gate::Predictor {
    fn from(predictor: Predictor) -> Self {
        match predictor {
            Predictor::Learned => Self::Learned,
            Predictor::LinearLaw => Self::LinearLaw,
        }
    }
}

/// How the draft model's uncertainty about a token is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Estimator {
    /// Temperature perturbation without its sampling noise: the probability that a draw at a temperature uniform on
    /// [0, 2] differs from the drafted token.
    TemperaturePerturbation,
    /// Temperature perturbation as the paper has it.
    SampledTemperaturePerturbation {
        /// The number of draws, the paper's `K`.
        draws: u32,
    },
    /// Shannon entropy of the softmax over `ln V`.
    Entropy,
    /// One minus the probability of the most probable token.
    MaxProbability,
    /// One minus the lead of the most probable token over the second.
    Margin,
}

impl From<Estimator> for uncertainty::Estimator {
    fn from(estimator: Estimator) -> Self {
        match estimator {
            Estimator::TemperaturePerturbation => Self::TemperaturePerturbation,
            Estimator::SampledTemperaturePerturbation { draws } => Self::SampledTemperaturePerturbation { draws },
            Estimator::Entropy => Self::Entropy,
            Estimator::MaxProbability => Self::MaxProbability,
            Estimator::Margin => Self::Margin,
        }
    }
}

/// When an open window is sent to be judged. An end token, a stop sequence and a full window close it in any case.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum CloseRule {
    /// When one more token no longer pays by the cost model, with every term measured online.
    CostModel,
    /// When the probability that the target rejects something in it exceeds this.
    Risk {
        /// The probability, in [0, 1].
        risk: f64,
    },
    /// At the first token whose uncertainty exceeds the gate's threshold.
    Uncertainty,
    /// At this many tokens.
    Fixed {
        /// The number.
        tokens: u32,
    },
}

impl From<CloseRule> for window::CloseRule {
    fn from(rule: CloseRule) -> Self {
        match rule {
            CloseRule::CostModel => Self::CostModel,
            CloseRule::Risk { risk } => Self::Risk(risk),
            CloseRule::Uncertainty => Self::Uncertainty,
            CloseRule::Fixed { tokens } => Self::Fixed(tokens as usize),
        }
    }
}

/// Whether drafting goes on while a verdict is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DraftAhead {
    /// The device waits.
    Off,
    /// It guesses the bonus token and drafts on; where the guess is wrong, those tokens are rolled back.
    WhileWaiting,
    /// It drafts on likewise and sends more: several windows are in flight at once, each resting on the one before.
    Pipelined {
        /// How many at most, 1 to 8.
        windows: u32,
    },
}

impl From<DraftAhead> for options::DraftAhead {
    fn from(ahead: DraftAhead) -> Self {
        match ahead {
            DraftAhead::Off => Self::Off,
            DraftAhead::WhileWaiting => Self::WhileWaiting,
            DraftAhead::Pipelined { windows } => Self::Pipelined(windows as usize),
        }
    }
}

/// What happens while the verifier is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub enum OfflinePolicy {
    /// The draft model goes on alone; its tokens are marked `Unverified`.
    GoOn,
    /// The generation waits, then fails with `Offline`.
    Wait {
        /// How long at most.
        seconds: f64,
    },
    /// The generation fails with `Offline` at once.
    Fail,
}

/// Deadlines of verdicts and pauses between attempts; the deadline follows the measured round trip within them.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct LinkOptions {
    /// The shortest deadline of a verdict.
    #[uniffi(default)]
    pub min_deadline_seconds: Option<f64>,
    /// The longest deadline; also the one used before anything was measured.
    #[uniffi(default)]
    pub max_deadline_seconds: Option<f64>,
    /// The pause after the first failure; it doubles with each further one.
    #[uniffi(default)]
    pub back_off_seconds: Option<f64>,
    /// The longest pause that is not asked for by the verifier.
    #[uniffi(default)]
    pub max_back_off_seconds: Option<f64>,
    /// Failures in a row that make the link `Offline`.
    #[uniffi(default)]
    pub offline_after: Option<u32>,
}

/// Options of a session. They hold for its life; `GenerationOptions` are for one reply.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct SessionOptions {
    /// How text is generated, unless a generation says otherwise. Left out: `Exact`.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// The canonical chain, for draft and target alike.
    #[uniffi(default)]
    pub sampling: SamplingParams,
    /// How the draft model's uncertainty is measured. Left out: what the calibration was made with.
    #[uniffi(default)]
    pub estimator: Option<Estimator>,
    /// The pair's calibration file, as `uhlm calibrate` writes it. Left out: a cautious one for an unknown pair.
    #[uniffi(default)]
    pub calibration_path: Option<String>,
    /// What the gate aims at. Left out: `RiskProne`.
    #[uniffi(default)]
    pub goal: Option<Goal>,
    /// What expects a token's rejection. Left out: `Learned`.
    #[uniffi(default)]
    pub predictor: Option<Predictor>,
    /// When an `Exact` window is closed. Left out: `CostModel`.
    #[uniffi(default)]
    pub close: Option<CloseRule>,
    /// The most tokens in a window.
    #[uniffi(default)]
    pub max_window: Option<u32>,
    /// Whether the target writes a bonus token after an accepted window.
    #[uniffi(default)]
    pub bonus: Option<bool>,
    /// Whether drafting goes on while a verdict is on its way. Left out: `Pipelined` with two windows.
    #[uniffi(default)]
    pub draft_ahead: Option<DraftAhead>,
    /// What happens while the verifier is out of reach. Left out: `GoOn`.
    #[uniffi(default)]
    pub offline: Option<OfflinePolicy>,
    /// Context of the draft model in tokens. Left out: what it was trained for.
    #[uniffi(default)]
    pub context: Option<u32>,
    /// Threads of the draft model. Left out: chosen by the model's size and the cores.
    #[uniffi(default)]
    pub threads: Option<u32>,
    /// Seeds all random choices of device and verifier. Left out: one from the system.
    #[uniffi(default)]
    pub seed: Option<u64>,
    /// What may be sent to the verifier. Left out: `Withheld`, nothing, until the app says otherwise here, by
    /// `set_consent` or for one generation.
    #[uniffi(default)]
    pub consent: Option<Consent>,
    /// Whether the record of what was sent keeps its text, too.
    #[uniffi(default)]
    pub record_text: bool,
    /// Whether the session reacts to what `set_device` tells it. Left out: it does.
    #[uniffi(default)]
    pub follow_device: Option<bool>,
    /// Deadlines and pauses.
    #[uniffi(default)]
    pub link: LinkOptions,
}

/// Options of one generation.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct GenerationOptions {
    /// The most tokens to write; the end token counts. Left out: 512.
    #[uniffi(default)]
    pub max_tokens: Option<u32>,
    /// Texts that end the reply; they are not part of it.
    #[uniffi(default)]
    pub stop: Vec<String>,
    /// Another mode than the session's.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// Another consent than the session's, for this message.
    #[uniffi(default)]
    pub consent: Option<Consent>,
}

/// What to continue.
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

impl From<Prompt> for options::Prompt {
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

impl LinkOptions {
    fn into_core(self) -> Result<link::LinkConfig, UhlmError> {
        let default = link::LinkConfig::default();
        let or = |name, given: Option<f64>, default| given.map_or(Ok(default), |seconds| duration(name, seconds));
        Ok(link::LinkConfig {
            min_deadline: or("min_deadline_seconds", self.min_deadline_seconds, default.min_deadline)?,
            max_deadline: or("max_deadline_seconds", self.max_deadline_seconds, default.max_deadline)?,
            back_off: or("back_off_seconds", self.back_off_seconds, default.back_off)?,
            max_back_off: or("max_back_off_seconds", self.max_back_off_seconds, default.max_back_off)?,
            offline_after: self.offline_after.unwrap_or(default.offline_after),
            ..default
        })
    }
}

impl SessionOptions {
    /// Reads the calibration file where one is named.
    pub(crate) fn into_core(self, redactor: Option<Arc<dyn Redactor>>) -> Result<options::SessionOptions, UhlmError> {
        let default = options::SessionOptions::default();
        let calibration = match &self.calibration_path {
            Some(path) => calibration_file::load(path.as_ref())?,
            None => default.calibration,
        };
        let offline = match self.offline {
            None => default.offline,
            Some(OfflinePolicy::GoOn) => options::OfflinePolicy::GoOn,
            Some(OfflinePolicy::Wait { seconds }) => options::OfflinePolicy::Wait(duration("offline", seconds)?),
            Some(OfflinePolicy::Fail) => options::OfflinePolicy::Fail,
        };
        let measured_with = if calibration.is_generic() { default.estimator } else { calibration.estimator };
        Ok(options::SessionOptions {
            mode: self.mode.map_or(default.mode, Into::into),
            sampling: self.sampling.into(),
            estimator: self.estimator.map_or(measured_with, Into::into),
            calibration,
            goal: self.goal.map_or(default.goal, Into::into),
            predictor: self.predictor.map_or(default.predictor, Into::into),
            close: self.close.map_or(default.close, Into::into),
            max_window: self.max_window.map_or(default.max_window, |tokens| tokens as usize),
            bonus: self.bonus.unwrap_or(default.bonus),
            draft_ahead: self.draft_ahead.map_or(default.draft_ahead, Into::into),
            offline,
            context: self.context.unwrap_or(default.context),
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

impl From<GenerationOptions> for options::GenerationOptions {
    fn from(given: GenerationOptions) -> Self {
        let default = Self::default();
        Self {
            max_tokens: given.max_tokens.map_or(default.max_tokens, |tokens| tokens as usize),
            stop: given.stop,
            mode: given.mode.map(Into::into),
            consent: given.consent.map(Into::into),
            ..default
        }
    }
}

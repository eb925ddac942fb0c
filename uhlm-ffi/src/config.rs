//! Options as records. An option that is left out has the core's default.

use std::collections::HashMap;
use std::sync::Arc;

use uhlm_core::DevicePolicy;
use uhlm_core::RecordOptions;
use uhlm_core::calibration_file;
use uhlm_law::chat::TemplateVariables;
pub use uhlm_llama::{Accelerator, CachePrecision};

use crate::choices::{DraftAhead, Grammar, Mode, OfflinePolicy, Overflow, Thinking};
use crate::error::UhlmError;
use crate::law::{CloseRule, Estimator, Goal, Pace, Predictor, SamplingParams};
use crate::privacy::{Consent, Redactor, redaction};
use crate::seconds::duration;
use crate::tools::{ToolRunner, Tools};
use crate::totals::{Budget, Totals};

/// The form in which the keys and values of a context are kept.
#[uniffi::remote(Enum)]
pub enum CachePrecision {
    /// Numbers of 16 bits.
    F16,
    /// Blocks of 32 numbers of 8 bits with a scale: about half the memory, and slightly other logits.
    Q8,
}

/// The part of the machine that a model is to compute on.
#[uniffi::remote(Enum)]
pub enum Accelerator {
    /// A GPU where the library was built for one and the system has one that takes the model, else the CPU.
    /// `ModelInfo.reason_no_gpu` says why it is the CPU.
    Auto,
    /// The CPU alone: nothing of the model runs on a GPU.
    Cpu,
    /// A GPU. The load fails with `InvalidOptions` where there is none.
    Gpu,
}

/// The file of a model, and the way in which it is loaded.
#[derive(Clone, Debug, uniffi::Record)]
pub struct ModelOptions {
    /// Path of the GGUF file.
    pub path: String,
    /// True if the file is mapped into memory instead of read. Left out: it is mapped if the system can do that.
    #[uniffi(default)]
    pub mmap: Option<bool>,
    /// Part of the machine that the model computes on. Left out: `Auto`. Progress begins again where a model is loaded
    /// a second time, on the CPU, because the GPU did not take it.
    #[uniffi(default)]
    pub accelerator: Option<Accelerator>,
    /// Largest number of layers on a GPU; 0 is the CPU alone. Left out: all of them.
    #[uniffi(default)]
    pub gpu_layers: Option<u32>,
    /// Length of a context that there must be memory for, in tokens. If there is not, the load fails with
    /// `NotEnoughMemory` before the file is touched. Left out: the shortest.
    #[uniffi(default)]
    pub fit_context: Option<u32>,
    /// Free memory in bytes, for the check by `fit_context`. Left out: what `available_memory` says; if that says
    /// nothing, nothing is checked.
    #[uniffi(default)]
    pub available_memory: Option<u64>,
    /// Form in which sessions keep the keys and values of their contexts. Left out: `F16`.
    #[uniffi(default)]
    pub cache: Option<CachePrecision>,
    /// Chat template in the place of the file's, for models that have none or a broken one, in Jinja as `transformers`
    /// knows it.
    #[uniffi(default)]
    pub chat_template: Option<String>,
    /// Folder in which the vocabularies of targets are kept that have another one than the model: a few MB each, at
    /// most four. Left out: `vocabularies` beside the model. Give one of the app's own where the model lies in a folder
    /// that the app may only read.
    #[uniffi(default)]
    pub vocabulary_folder: Option<String>,
}

impl ModelOptions {
    /// Makes the options that load a file as it is by default.
    pub(crate) fn of(path: String) -> Self {
        Self {
            path,
            mmap: None,
            accelerator: None,
            gpu_layers: None,
            fit_context: None,
            available_memory: None,
            cache: None,
            chat_template: None,
            vocabulary_folder: None,
        }
    }
}

/// Deadlines of verdicts, and pauses between attempts to reach the verifier. Within its limits, the deadline follows
/// the measured round trip.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct LinkOptions {
    /// Shortest deadline of a verdict, in seconds.
    #[uniffi(default)]
    pub min_deadline_seconds: Option<f64>,
    /// Longest deadline of a verdict, in seconds. It is also the deadline before anything was measured.
    #[uniffi(default)]
    pub max_deadline_seconds: Option<f64>,
    /// Time for which a verifier that was reached before and falls silent is asked again, before it counts as out of
    /// reach, in seconds.
    #[uniffi(default)]
    pub grace_seconds: Option<f64>,
    /// Pause after the first failure, in seconds; it doubles with each further one.
    #[uniffi(default)]
    pub back_off_seconds: Option<f64>,
    /// Longest pause that the verifier did not ask for, in seconds.
    #[uniffi(default)]
    pub max_back_off_seconds: Option<f64>,
    /// Number of failures in a row after which the link is `Offline`.
    #[uniffi(default)]
    pub offline_after: Option<u32>,
}

/// Options of a session. They hold for its life; `GenerationOptions` are for one reply.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct SessionOptions {
    /// Instructions for the whole conversation, its system message.
    #[uniffi(default)]
    pub instructions: Option<String>,
    /// Way to generate, unless a generation says otherwise. Left out: `Exact`, or `DeviceOnly` without a verifier.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// Parameters of the sampling, which draft and target share.
    #[uniffi(default)]
    pub sampling: SamplingParams,
    /// Measure of the draft model's uncertainty. Left out: the one that the calibration was made with.
    #[uniffi(default)]
    pub estimator: Option<Estimator>,
    /// Path of the pair's calibration file, as `uhlm calibrate` writes it. Left out: a cautious calibration for an
    /// unknown pair.
    #[uniffi(default)]
    pub calibration_path: Option<String>,
    /// Aim of the gate, which decides what is judged in the mode `Opportunistic`. Left out: `RiskProne`.
    #[uniffi(default)]
    pub goal: Option<Goal>,
    /// Source of the probability that a token will be rejected. Left out: `Learned`.
    #[uniffi(default)]
    pub predictor: Option<Predictor>,
    /// Worth of a forward pass of the target against time, in the mode `Exact`. Left out: `Balanced`.
    #[uniffi(default)]
    pub pace: Option<Pace>,
    /// Budget of forward passes of the target for each token of an `Exact` reply, above 0, for apps that pay by the
    /// pass. Once it is spent, windows are as long as they can be, whatever the pace; an exact text may still take
    /// more. Left out: no limit.
    #[uniffi(default)]
    pub max_passes_per_token: Option<f64>,
    /// Most that the session may take of its verifier. Left out: no limits.
    #[uniffi(default)]
    pub budget: Budget,
    /// Totals that count against the budget from the beginning, as those of earlier sessions of the day.
    #[uniffi(default)]
    pub spent: Option<Totals>,
    /// Rule by which a window is closed in the mode `Exact`. The pace counts under `CostModel` alone. Left out:
    /// `CostModel`.
    #[uniffi(default)]
    pub close: Option<CloseRule>,
    /// Largest length of a window, in tokens.
    #[uniffi(default)]
    pub max_window: Option<u32>,
    /// Device's work while drafted tokens are being judged. Left out: `Pipelined` with two windows.
    #[uniffi(default)]
    pub draft_ahead: Option<DraftAhead>,
    /// False if tokens that repeat the conversation are not to be drafted together. Left out: they are if that is
    /// measured to be faster; the text is the same but for the rounding of batches.
    #[uniffi(default)]
    pub ngrams: Option<bool>,
    /// Policy while the verifier is out of reach. Left out: `GoOn`.
    #[uniffi(default)]
    pub offline: Option<OfflinePolicy>,
    /// Whether a model that can think before it replies does so. Left out: what the model does by itself.
    #[uniffi(default)]
    pub thinking: Option<Thinking>,
    /// Variables of the chat template: names with values in JSON.
    #[uniffi(default)]
    pub template_variables: HashMap<String, String>,
    /// Policy for a conversation that outgrows the context. Left out: `Stop`.
    #[uniffi(default)]
    pub overflow: Option<Overflow>,
    /// Length of the draft model's context, in tokens. Left out: the one that it was trained for, at most 4,096, and
    /// what fits into free memory.
    #[uniffi(default)]
    pub context: Option<u32>,
    /// Number of threads of the draft model. Left out: the model's size and the cores decide.
    #[uniffi(default)]
    pub threads: Option<u32>,
    /// Seed of all replies, mixed with the number of each: a session with the same seed gives the same replies to the
    /// same messages in the same order. Left out: a fresh one from the system.
    #[uniffi(default)]
    pub seed: Option<u64>,
    /// Extent of what may be sent to the verifier. Left out: `Withheld`, that is nothing until the app says otherwise,
    /// here, by `set_consent` or for one generation.
    #[uniffi(default)]
    pub consent: Option<Consent>,
    /// True if the record of what was sent keeps its text, too.
    #[uniffi(default)]
    pub record_text: bool,
    /// False if the session does not react to `set_device`. Left out: it reacts.
    #[uniffi(default)]
    pub follow_device: Option<bool>,
    /// Deadlines of verdicts, and pauses between attempts.
    #[uniffi(default)]
    pub link: LinkOptions,
}

/// Options of one generation.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct GenerationOptions {
    /// Limit of the reply in tokens; the end token counts. Left out: 512.
    #[uniffi(default)]
    pub max_tokens: Option<u32>,
    /// Texts that end the reply. They are no part of it.
    #[uniffi(default)]
    pub stop: Vec<String>,
    /// Mode of this reply. Left out: the session's.
    #[uniffi(default)]
    pub mode: Option<Mode>,
    /// Parameters of the sampling for this reply. Left out: the session's.
    #[uniffi(default)]
    pub sampling: Option<SamplingParams>,
    /// Aim of the gate from this reply on. Left out: as before.
    #[uniffi(default)]
    pub goal: Option<Goal>,
    /// Pace of this reply. Left out: the session's.
    #[uniffi(default)]
    pub pace: Option<Pace>,
    /// Consent for this message. Left out: the session's.
    #[uniffi(default)]
    pub consent: Option<Consent>,
    /// Whether the model thinks before this reply. Left out: what the session's options say.
    #[uniffi(default)]
    pub thinking: Option<Thinking>,
    /// Variables of the chat template for this reply: names with values in JSON, which go before the session's.
    #[uniffi(default)]
    pub template_variables: HashMap<String, String>,
    /// Form that the reply has. A model does not think before such a reply. Left out: free text.
    #[uniffi(default)]
    pub grammar: Option<Grammar>,
    /// True if each token says why the target was asked about it, or was not.
    #[uniffi(default)]
    pub explain: bool,
    /// Number of the draft model's most probable tokens that each token it drafted is told with, at most 20.
    #[uniffi(default)]
    pub top_tokens: u32,
    /// True if the draft model writes alone and marks as `Unverified` what the target would have been asked about.
    /// Nothing is sent.
    #[uniffi(default)]
    pub dry_run: bool,
    /// Seed of this reply alone. The same seed brings the same text for the same conversation, as long as the verifier
    /// can be reached, in `Exact`, `RemoteOnly` and `DeviceOnly`, and in `Opportunistic` with a fixed threshold as its
    /// goal. `Exact` and `RemoteOnly` write the same text. Left out: the session's seed, mixed with the number of the
    /// reply.
    #[uniffi(default)]
    pub seed: Option<u64>,
    /// Tools that the model may call.
    #[uniffi(default)]
    pub tools: Tools,
}

/// Variables of the chat template that the app gave.
fn variables(given: &HashMap<String, String>) -> Result<TemplateVariables, UhlmError> {
    let mut variables = TemplateVariables::default();
    for (name, json) in given {
        variables.set(name, json).map_err(UhlmError::invalid)?;
    }
    Ok(variables)
}

/// A number of passes a token that the app gave.
fn passes(given: f64) -> Result<f64, UhlmError> {
    if given > 0.0 && given.is_finite() {
        return Ok(given);
    }
    Err(UhlmError::invalid(format!("max_passes_per_token: {given} is no number above 0")))
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
    pub(crate) fn into_core(
        self,
        has_verifier: bool,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> Result<uhlm_core::SessionOptions, UhlmError> {
        let default = uhlm_core::SessionOptions::default();
        let mode = match self.mode {
            Some(mode) if !has_verifier && mode != Mode::DeviceOnly => {
                return Err(UhlmError::invalid(format!("the mode {mode:?} needs a verifier")));
            }
            Some(mode) => mode,
            None if has_verifier => default.mode,
            None => Mode::DeviceOnly,
        };
        let calibration = match &self.calibration_path {
            Some(path) => calibration_file::load(path.as_ref())?,
            None => default.calibration,
        };
        let measured_with = if calibration.is_generic() { default.estimator } else { calibration.estimator };
        Ok(uhlm_core::SessionOptions {
            instructions: self.instructions,
            mode,
            sampling: self.sampling.into(),
            estimator: self.estimator.unwrap_or(measured_with),
            calibration,
            goal: self.goal.map_or(default.goal, Into::into),
            predictor: self.predictor.unwrap_or(default.predictor),
            pace: self.pace.unwrap_or(default.pace),
            max_passes_per_token: self.max_passes_per_token.map(passes).transpose()?,
            budget: self.budget,
            spent: self.spent.map(Into::into).unwrap_or_default(),
            close: self.close.map_or(default.close, Into::into),
            max_window: self.max_window.map_or(default.max_window, |tokens| tokens as usize),
            draft_ahead: self.draft_ahead.map_or(default.draft_ahead, Into::into),
            ngrams: self.ngrams.unwrap_or(default.ngrams),
            thinking: self.thinking.map(Into::into),
            template_variables: variables(&self.template_variables)?,
            offline: self.offline.map_or(Ok(default.offline), OfflinePolicy::into_core)?,
            overflow: self.overflow.map_or(default.overflow, Into::into),
            context: self.context.map_or(default.context, Into::into),
            threads: self.threads.unwrap_or(default.threads),
            seed: self.seed,
            consent: self.consent.unwrap_or(default.consent),
            redaction: redactor.map(redaction),
            record: RecordOptions { text: self.record_text, ..default.record },
            vocabulary_folder: default.vocabulary_folder,
            device: DevicePolicy { enabled: self.follow_device.unwrap_or(default.device.enabled), ..default.device },
            link: self.link.into_core()?,
        })
    }
}

impl GenerationOptions {
    pub(crate) fn into_core(
        self,
        runner: Option<Arc<dyn ToolRunner>>,
    ) -> Result<uhlm_core::GenerationOptions, UhlmError> {
        let default = uhlm_core::GenerationOptions::default();
        Ok(uhlm_core::GenerationOptions {
            max_tokens: self.max_tokens.map_or(default.max_tokens, |tokens| tokens as usize),
            stop: self.stop,
            mode: self.mode,
            sampling: self.sampling.map(Into::into),
            goal: self.goal.map(Into::into),
            pace: self.pace,
            consent: self.consent,
            thinking: self.thinking.map(Into::into),
            template_variables: variables(&self.template_variables)?,
            grammar: self.grammar.map(Into::into),
            explain: self.explain,
            top_tokens: self.top_tokens as usize,
            dry_run: self.dry_run,
            seed: self.seed,
            tools: self.tools.into_core(runner)?,
            ..default
        })
    }
}

//! Flags that several commands share, and what they mean to a session.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use uhlm_core::{Consent, DraftAhead, LinkConfig, Mode, OfflinePolicy, Overflow, SessionOptions, Thinking};
use uhlm_law::calibration::Calibration;
use uhlm_law::chat::TemplateVariables;
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::uncertainty::Estimator;
use uhlm_law::window::CloseRule;

use crate::stored;

/// The canonical sampling chain, for draft and target alike.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Temperature; 0 takes the most probable token
    #[arg(long, allow_negative_numbers = true, value_name = "T", default_value_t = 0.0)]
    pub(crate) temperature: f32,
    /// Keep the K most probable tokens; 0 keeps all
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub(crate) top_k: u32,
    /// Keep the most probable tokens that make up this share
    #[arg(long, allow_negative_numbers = true, value_name = "P", default_value_t = 1.0)]
    pub(crate) top_p: f32,
    /// Keep tokens at least this fraction as probable as the best
    #[arg(long, allow_negative_numbers = true, value_name = "P", default_value_t = 0.0)]
    pub(crate) min_p: f32,
    /// Penalty on repeated tokens; 1 is off
    #[arg(long, allow_negative_numbers = true, value_name = "X", default_value_t = 1.0)]
    pub(crate) repeat_penalty: f32,
    /// Seed of the replies: the same seed brings the same text again; without it each run differs
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

impl SamplingArgs {
    /// Returns the sampling chain of both models.
    pub(crate) fn params(&self) -> SamplingParams {
        SamplingParams {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            penalty_repeat: self.repeat_penalty,
            ..SamplingParams::default()
        }
    }
}

/// How a session generates.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Generation")]
pub(crate) struct SessionArgs {
    /// exact, opportunistic, device-only or remote-only
    #[arg(long, value_parser = mode, default_value = "exact")]
    pub(crate) mode: Mode,
    /// The rule for which tokens are uncertain: risk-averse, risk-prone, threshold:U, share:S, risk:R, bytes:B. Without
    /// it the threshold that calibration recommends, else risk-prone
    #[arg(long, value_name = "GOAL")]
    pub(crate) goal: Option<Goal>,
    /// The price of the target's passes against time (exact): fastest, balanced or thrifty
    #[arg(long, value_name = "PACE", default_value_t = Pace::default())]
    pub(crate) pace: Pace,
    /// Most passes of the target a token of the reply (exact), for who pays by pass
    #[arg(long, value_name = "PASSES", value_parser = budget)]
    pub(crate) max_passes_per_token: Option<f64>,
    /// When an exact window is sent: cost-model (by the pace), uncertainty, risk:R or fixed:N
    #[arg(long, value_name = "RULE", value_parser = close_rule, default_value = "cost-model")]
    pub(crate) close: CloseRule,
    /// Most tokens in a window
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) max_window: usize,
    /// Drafting while a verdict travels: off, waiting or pipelined:N
    #[arg(long, value_name = "HOW", value_parser = draft_ahead, default_value = "pipelined:2")]
    pub(crate) draft_ahead: DraftAhead,
    /// How uncertainty is measured: temperature-perturbation, sampled-temperature-perturbation (or with :K), entropy,
    /// max-probability or margin. Without it the calibration's
    #[arg(long)]
    pub(crate) estimator: Option<Estimator>,
    /// While the server is out of reach: go-on, wait:SECONDS or fail
    #[arg(long, value_name = "POLICY", value_parser = offline_policy, default_value = "go-on")]
    pub(crate) offline: OfflinePolicy,
    /// When a conversation outgrows the context: stop, or drop-oldest:TOKENS to forget its oldest turns until a reply
    /// of so many tokens fits
    #[arg(long, value_name = "HOW", value_parser = overflow, default_value = "stop")]
    pub(crate) overflow: Overflow,
    /// How long a server that was reached before and is silent is asked again before it counts as out of reach
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    pub(crate) grace: Duration,
    /// Whether a model that can think before it replies does so: off, on, or on:N for at most N tokens. Without it as
    /// the model does
    #[arg(long, value_name = "HOW", value_parser = thinking)]
    pub(crate) thinking: Option<Thinking>,
    /// Variable of the chat template, for example reasoning_effort='"low"'; may be repeated
    #[arg(long, value_name = "NAME=JSON", value_parser = variable)]
    pub(crate) template_var: Vec<(String, String)>,
    /// Calibration file; without it the one beside the model
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    /// Context of the draft model in tokens; 0 for what it was trained for, at most 4096 and what fits into free memory
    #[arg(long, value_name = "TOKENS", default_value_t = 0)]
    pub(crate) context: u32,
    /// Threads of the draft model; 0 chooses
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: u32,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

impl SessionArgs {
    fn template_variables(&self) -> TemplateVariables {
        let mut variables = TemplateVariables::default();
        for (name, json) in &self.template_var {
            // The variables were checked when they were read.
            let _ = variables.set(name.as_str(), json.as_str());
        }
        variables
    }

    /// Returns the session's options with this calibration.
    pub(crate) fn options(&self, calibration: Calibration) -> SessionOptions {
        SessionOptions {
            mode: self.mode,
            sampling: self.sampling.params(),
            estimator: self.estimator.unwrap_or(calibration.estimator),
            goal: self.goal.unwrap_or_else(|| default_goal(&calibration)),
            calibration,
            pace: self.pace,
            max_passes_per_token: self.max_passes_per_token,
            close: self.close,
            max_window: self.max_window,
            draft_ahead: self.draft_ahead,
            offline: self.offline,
            overflow: self.overflow,
            thinking: self.thinking,
            template_variables: self.template_variables(),
            context: self.context.into(),
            threads: self.threads,
            seed: self.sampling.seed,
            vocabulary_folder: stored::folder(None).ok().map(|folder| folder.join("vocabularies")),
            link: LinkConfig { grace: self.grace, ..LinkConfig::default() },
            // A person who names a server on the command line wants it asked.
            consent: Consent::Conversation,
            ..SessionOptions::default()
        }
    }
}

/// Reads whether a model thinks.
fn thinking(text: &str) -> Result<Thinking, String> {
    let wrong = || "expected off, on or on:N with N > 0".to_owned();
    match text.split_once(':') {
        None if text == "off" => Ok(Thinking::Off),
        None if text == "on" => Ok(Thinking::On { budget: None }),
        Some(("on", budget)) => match budget.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(budget) => Ok(Thinking::On { budget: Some(budget) }),
        },
        _ => Err(wrong()),
    }
}

/// Reads a variable of the chat template.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, json) = text.split_once('=').ok_or("expected NAME=JSON")?;
    TemplateVariables::default().set(name, json).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), json.to_owned()))
}

/// Returns the goal for a session without one: the calibration's recommended threshold, or else the risk-prone one.
pub(crate) fn default_goal(calibration: &Calibration) -> Goal {
    calibration.recommended_threshold.map_or(Goal::RiskProne, Goal::Threshold)
}

/// Returns the name of a mode in flags and output.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Opportunistic => "opportunistic",
        Mode::Exact => "exact",
        Mode::DeviceOnly => "device-only",
        Mode::RemoteOnly => "remote-only",
    }
}

/// Reads a mode.
pub(crate) fn mode(text: &str) -> Result<Mode, String> {
    [Mode::Opportunistic, Mode::Exact, Mode::DeviceOnly, Mode::RemoteOnly]
        .into_iter()
        .find(|&mode| mode_name(mode) == text.replace('_', "-"))
        .ok_or_else(|| "expected exact, opportunistic, device-only or remote-only".into())
}

fn close_rule(text: &str) -> Result<CloseRule, String> {
    let wrong = || "expected cost-model, uncertainty, risk:R with R in (0, 1) or fixed:N with N > 0".to_owned();
    match text.split_once(':') {
        None if text == "cost-model" => Ok(CloseRule::CostModel),
        None if text == "uncertainty" => Ok(CloseRule::Uncertainty),
        Some(("risk", bound)) => {
            let bound = bound.parse().map_err(|_| wrong())?;
            if bound > 0.0 && bound < 1.0 { Ok(CloseRule::Risk(bound)) } else { Err(wrong()) }
        }
        Some(("fixed", length)) => match length.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(length) => Ok(CloseRule::Fixed(length)),
        },
        _ => Err(wrong()),
    }
}

/// Reads a number of tokens to write, which must be above 0.
pub(crate) fn some_tokens(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a number above 0".into())
}

fn budget(text: &str) -> Result<f64, String> {
    let passes = text.parse().ok().filter(|passes: &f64| *passes > 0.0 && passes.is_finite());
    passes.ok_or_else(|| "expected a number above 0".into())
}

fn draft_ahead(text: &str) -> Result<DraftAhead, String> {
    let wrong = || "expected off, waiting or pipelined:N with N from 1 to 8".to_owned();
    match text.split_once(':') {
        None if text == "off" => Ok(DraftAhead::Off),
        None if text == "waiting" => Ok(DraftAhead::WhileWaiting),
        Some(("pipelined", windows)) => match windows.parse() {
            Ok(windows @ 1..=8) => Ok(DraftAhead::Pipelined(windows)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn overflow(text: &str) -> Result<Overflow, String> {
    let reserve = text.strip_prefix("drop-oldest:").and_then(|tokens| tokens.parse().ok());
    match (text, reserve) {
        ("stop", _) => Ok(Overflow::Stop),
        (_, Some(reserve)) if reserve > 0 => Ok(Overflow::DropOldest { reserve }),
        _ => Err("expected stop or drop-oldest:TOKENS with TOKENS above 0".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a number of seconds".into())
}

fn offline_policy(text: &str) -> Result<OfflinePolicy, String> {
    let wrong = || "expected go-on, wait:SECONDS or fail".to_owned();
    match text.split_once(':') {
        None if text == "go-on" => Ok(OfflinePolicy::GoOn),
        None if text == "fail" => Ok(OfflinePolicy::Fail),
        Some(("wait", limit)) => seconds(limit).map(OfflinePolicy::Wait).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_by_its_name() {
        for wanted in [Mode::Opportunistic, Mode::Exact, Mode::DeviceOnly, Mode::RemoteOnly] {
            assert_eq!(mode(mode_name(wanted)), Ok(wanted));
        }
        assert_eq!(mode("remote_only"), Ok(Mode::RemoteOnly));
        assert!(mode("both").is_err());
    }

    #[test]
    fn rules_with_numbers_refuse_those_that_make_no_sense() {
        assert_eq!(close_rule("risk:0.7"), Ok(CloseRule::Risk(0.7)));
        assert_eq!(close_rule("fixed:8"), Ok(CloseRule::Fixed(8)));
        assert_eq!(draft_ahead("pipelined:2"), Ok(DraftAhead::Pipelined(2)));
        assert_eq!(offline_policy("wait:1.5"), Ok(OfflinePolicy::Wait(Duration::from_millis(1500))));
        for wrong in ["risk:1", "risk:x", "fixed:0", "fixed", "never"] {
            assert!(close_rule(wrong).is_err(), "{wrong}");
        }
        assert!(draft_ahead("pipelined:9").is_err() && draft_ahead("pipelined").is_err());
        assert_eq!(budget("0.25"), Ok(0.25));
        assert!(budget("0").is_err() && budget("-1").is_err() && budget("inf").is_err());
        assert_eq!(overflow("drop-oldest:256"), Ok(Overflow::DropOldest { reserve: 256 }));
        assert_eq!(overflow("stop"), Ok(Overflow::Stop));
        assert!(overflow("drop-oldest:0").is_err() && overflow("drop-oldest").is_err() && overflow("go-on").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
        assert_eq!(thinking("on:200"), Ok(Thinking::On { budget: Some(200) }));
        assert_eq!((thinking("on"), thinking("off")), (Ok(Thinking::On { budget: None }), Ok(Thinking::Off)));
        assert!(thinking("on:0").is_err() && thinking("maybe").is_err());
        assert_eq!(variable("x={\"a\": 1}"), Ok(("x".to_owned(), "{\"a\": 1}".to_owned())));
        assert!(variable("x=yes").is_err() && variable("x").is_err() && variable("messages=[]").is_err());
        assert!(offline_policy("wait:-1").is_err() && offline_policy("wait").is_err());
    }
}

//! `uhlm calibrate`: measures a pair of models and stores the calibration beside the draft model.

pub(crate) mod fit;
pub(crate) mod search;

use std::path::PathBuf;

use clap::Args;
use search::Search;
use serde::Serialize;
use uhlm_core::{Mode, SessionOptions, calibration_file};
use uhlm_eval::questions;
use uhlm_law::calibration::Calibration;
use uhlm_law::gate::{Gate, Goal};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::uncertainty::Estimator;

use crate::evaluate::{Evaluator, MAX_TOKENS};
use crate::failure::Failure;
use crate::options::SamplingArgs;
use crate::output;
use crate::pair::calibration_beside;
use crate::report::{percent, worth};
use crate::setup::{ModelArgs, Setup};
use crate::terminal::style::{Style, paint};
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm calibrate                                 the bundled pair
  uhlm calibrate --model draft.gguf --target target.gguf --prompts prompts.txt
  uhlm calibrate --model draft.gguf --server https://host:8443 --prompts questions.jsonl --keep-accuracy 0.975

Prompts are plain text, one a line, or JSON Lines with a field `question`; with a field `check` too, the final answer of
a reply (after its last `Answer: `) is compared with it. A calibration holds for one sampling chain: calibrate with the
--temperature that you generate with.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CalibrateArgs {
    #[command(flatten)]
    models: ModelArgs,
    /// Prompts to measure on: a thousand tokens of replies or more. Without it, and without --model, the bundled ones
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Where to store the calibration; beside the draft model unless given
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Store nothing
    #[arg(long, conflicts_with = "out")]
    dry_run: bool,
    /// Recommend the largest threshold that keeps this share of the target's accuracy (prompts need `check`)
    #[arg(long, value_name = "SHARE", value_parser = search::share)]
    keep_accuracy: Option<f64>,
    /// Print what this goal means for the pair; may be repeated
    #[arg(long, value_name = "GOAL")]
    goal: Vec<Goal>,
    /// How uncertainty is measured
    #[arg(long, default_value_t)]
    estimator: Estimator,
    /// Most tokens of a reply
    #[arg(short = 'n', long, value_name = "N", default_value_t = MAX_TOKENS)]
    max_tokens: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    draft: String,
    target: String,
    file: Option<PathBuf>,
    labels: u64,
    a: f64,
    b: f64,
    delta: f64,
    correlation: f64,
    /// Paper's bound on the risk between the two thresholds.
    risk_bound: f64,
    thresholds: Vec<Threshold>,
    search: Option<Search>,
}

/// The effects of a threshold on the measured tokens.
#[derive(Debug, Serialize)]
struct Threshold {
    goal: String,
    /// Whether the threshold is one on the predicted probability that the target writes another token, not on `u`.
    on_prediction: bool,
    threshold: f32,
    share_sent: f64,
    expected_risk: f64,
}

impl Threshold {
    fn of(calibration: &Calibration, goal: Goal) -> Self {
        let gate = Gate::new(calibration, goal);
        if let Some(law) = calibration.learned.as_ref().filter(|_| gate.sees_noise()) {
            let threshold = gate.threshold();
            return Self {
                goal: goal.to_string(),
                on_prediction: true,
                threshold,
                share_sent: law.share_sent_at(threshold).unwrap_or_default(),
                expected_risk: law.expected_risk(threshold).unwrap_or_default(),
            };
        }
        let threshold = match goal {
            Goal::RiskAverse => calibration.risk_averse(),
            Goal::RiskProne => calibration.risk_prone(),
            Goal::Threshold(threshold) => threshold,
            Goal::ShareSent(share) => calibration.threshold_for_share(share),
            Goal::Risk(risk) => calibration.threshold_for_risk(risk),
            // A round that judges one token takes about 36 bytes.
            Goal::Bytes(bytes) => calibration.threshold_for_share(bytes / 36.0),
        };
        Self {
            goal: goal.to_string(),
            on_prediction: false,
            threshold,
            share_sent: calibration.share_sent_at(threshold),
            expected_risk: calibration.expected_risk(threshold),
        }
    }
}

pub(crate) fn run(args: &CalibrateArgs) -> Result<(), Failure> {
    let (draft, pair) = args.models.draft()?;
    let prompts = match (&args.prompts, &pair) {
        (Some(prompts), _) => prompts.clone(),
        (None, Some(pair)) => pair.calibration_questions(),
        (None, None) => {
            return Err(Failure::usage("prompts are needed to measure on").hint("give --prompts FILE"));
        }
    };
    let questions = questions::read(&prompts)?;
    let marked = questions.iter().all(|question| question.check.is_some());
    if args.keep_accuracy.is_some() && !marked {
        return Err(Failure::usage("--keep-accuracy needs a field `check` in every line of the prompts"));
    }
    let setup = args.models.open_uncalibrated(Mode::Exact)?;
    let (Some(verifier), Some(info)) = (&setup.verifier, &setup.info) else {
        return Err(Failure::new("the server cannot be reached").hint("`uhlm doctor` looks step by step"));
    };
    let evaluator = Evaluator { engine: &setup.engine, verifier, questions: &questions, max_tokens: args.max_tokens };
    let base = fit::base_options(args.sampling.params(), args.estimator, args.sampling.seed);
    if info.vocabulary != setup.engine.model().vocabulary_hash() {
        if args.out.is_some() || args.keep_accuracy.is_some() || !args.goal.is_empty() {
            return Err(Failure::usage(
                "the models have different vocabularies: no calibration is stored for such a pair",
            )
            .hint("leave --out, --keep-accuracy and --goal away to learn whether the pair is worth it"));
        }
        return across(&setup, &evaluator, &base, args.json);
    }
    let mut calibration = fit::fit(&evaluator, &base, info.fingerprint)?;
    // The bundled pair comes with a goal, which its demo shows.
    let keep = args.keep_accuracy.or_else(|| pair.filter(|_| marked).map(|_| search::KEEP));
    let found = keep.map(|keep| search::search(&evaluator, &base, &calibration, keep)).transpose()?;
    calibration.recommended_threshold = found.as_ref().and_then(|search| search.threshold);
    let file = (!args.dry_run).then(|| args.out.clone().unwrap_or_else(|| calibration_beside(&draft)));
    if let Some(file) = &file {
        calibration_file::save(&calibration, file)?;
    }
    let recommended = calibration.recommended_threshold.map(Goal::Threshold);
    let goals = [Goal::RiskAverse, Goal::RiskProne].into_iter().chain(recommended).chain(args.goal.iter().copied());
    let (draft, _) = setup.names();
    let document = Document {
        draft,
        target: info.model.clone(),
        file,
        labels: calibration.labels,
        a: calibration.law.a,
        b: calibration.law.b,
        delta: calibration.delta,
        correlation: calibration.correlation,
        risk_bound: calibration.risk_bound(),
        thresholds: goals.map(|goal| Threshold::of(&calibration, goal)).collect(),
        search: found,
    };
    if args.json { output::json(&document) } else { document.print() }
}

/// The document of a pair with different vocabularies.
#[derive(Debug, Serialize)]
struct BridgedDocument {
    draft: String,
    target: Option<String>,
    judged: u64,
    acceptance_rate: f64,
    worth_it: bool,
    verdict: String,
}

/// Says whether a pair with different vocabularies is worth it. There is no law to fit: the target's probability of a
/// token says nothing about a draft in other tokens, and a session learns from what matches while it runs.
fn across(setup: &Setup, evaluator: &Evaluator<'_>, base: &SessionOptions, json: bool) -> Result<(), Failure> {
    let statistics = fit::judge_all(evaluator, base, false)?;
    let Some((verdict, worth_it)) = worth(&statistics) else {
        return Err(Failure::new("no token was judged").hint("give more or longer prompts"));
    };
    let (draft, target) = setup.names();
    let (judged, acceptance_rate) = (statistics.judged, statistics.acceptance_rate());
    let document = BridgedDocument { draft, target, judged, acceptance_rate, worth_it, verdict };
    if json {
        return output::json(&document);
    }
    let target = document.target.as_deref().unwrap_or("the target");
    output::line(format_args!("{} drafts for {target} across vocabularies, {}", document.draft, document.verdict));
    output::line("There is nothing to store: a session learns from what matches while it runs.");
    Ok(())
}

impl Document {
    #[allow(clippy::unnecessary_wraps, reason = "the same type as the JSON branch beside it")]
    fn print(&self) -> Result<(), Failure> {
        let field = |name: &str, value: String| {
            output::line(format_args!("{} {value}", paint(Style::Heading, &format!("{name:<14}"))));
        };
        field("pair", format!("{} (draft), {} (target)", self.draft, self.target));
        field("labels", self.labels.to_string());
        field("law", format!("beta = {:.3} u {} {:.3}", self.a, if self.b < 0.0 { '-' } else { '+' }, self.b.abs()));
        field("Delta", format!("{:.3}", self.delta));
        field("correlation", format!("{:.2} of u and beta, token by token", self.correlation));
        field("risk bound", format!("{:.4}", self.risk_bound));
        output::line("");
        let mut table = Table::new(&["goal", "threshold", "on", "tokens sent", "expected risk"]);
        for t in &self.thresholds {
            table.push(vec![
                t.goal.clone(),
                format!("{:.3}", t.threshold),
                if t.on_prediction { "prediction" } else { "u" }.into(),
                percent(t.share_sent),
                format!("{:.4}", t.expected_risk),
            ]);
        }
        output::line(table.render());
        if let Some(search) = &self.search {
            output::line("");
            output::line(search.render());
        }
        if let Some(file) = &self.file {
            output::line(format_args!("\nstored in {}", file.display()));
        }
        Ok(())
    }
}

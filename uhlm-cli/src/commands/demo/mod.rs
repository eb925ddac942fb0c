//! `uhlm demo`: the bundled pair at work. A server in this process serves the target over real HTTPS on loopback, and
//! the draft model runs as on a device. First come a few answers to look at, then every mode is measured on the same
//! questions.

mod machine;
mod row;
mod rows;
mod showcase;
mod which;

use clap::Args;
use machine::Machine;
use row::Row;
use serde::Serialize;
use uhlm_core::SessionOptions;
use uhlm_eval::questions::{self, Question};
use uhlm_law::calibration::Calibration;
use uhlm_law::digest::Digest;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::uncertainty::Estimator;
use uhlm_server::AcceleratorArg;
use which::Which;

use crate::commands::calibrate::{fit, search};
use crate::evaluate::{Evaluator, MAX_TOKENS};
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::output;
use crate::pair::{Pair, calibration_of};
use crate::setup;
use crate::terminal::style::{Style, paint};

/// Numbers of questions in each row: for a person who watches, for a script that reads, and with `--quick`.
const INTERACTIVE: usize = 40;
const FULL: usize = 200;
const QUICK: usize = 20;
/// Seed unless another is given, so that two demos show the same.
const SEED: u64 = 1;

const EXAMPLES: &str = "\
Examples:
  uhlm demo                            a few answers, then every mode on 40 questions
  uhlm demo --questions 400            all held-out questions
  uhlm demo --json > demo.json         200 questions a mode, everything measured
  uhlm demo --modes target,exact,opportunistic";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
    /// Held-out questions for each mode [default: 40 to look at, 200 with --json]
    #[arg(long, value_name = "N")]
    questions: Option<usize>,
    /// 20 questions for each mode
    #[arg(long, conflicts_with = "questions")]
    quick: bool,
    /// Which modes, comma-separated; all unless given
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MODE")]
    modes: Vec<Which>,
    /// Temperature of draft and target; 0 takes the most probable token
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Where the draft model computes
    #[arg(long, env = "UHLM_ACCELERATOR", value_name = "WHERE", value_enum, default_value_t)]
    accelerator: AcceleratorArg,
    /// Threads of each model; 0 chooses
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: u32,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    machine: Machine,
    draft: ModelNote,
    target: ModelNote,
    options: OptionsNote,
    calibration: CalibrationNote,
    rows: &'a [Row],
}

#[derive(Debug, Serialize)]
struct ModelNote {
    name: String,
    fingerprint: Digest,
    parameters: Option<u64>,
}

#[derive(Debug, Serialize)]
struct OptionsNote {
    questions: usize,
    temperature: f32,
    seed: u64,
    threads: u32,
    keep_accuracy: f64,
}

#[derive(Debug, Serialize)]
struct CalibrationNote {
    /// Whether the calibration was stored with the pair; otherwise it was measured now.
    stored: bool,
    labels: u64,
    a: f64,
    b: f64,
    delta: f64,
    correlation: f64,
    recommended_threshold: Option<f32>,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let pair = Pair::find()?;
    let count = match args.questions {
        Some(count) => count,
        None if args.quick => QUICK,
        None if args.json => FULL,
        None => INTERACTIVE,
    };
    let all = questions::read(&pair.heldout())?;
    let questions = questions::spread(&all, count);
    if questions.is_empty() {
        return Err(Failure::usage("at least one question is needed"));
    }
    let engine = setup::load(&pair.draft(), args.accelerator)?;
    let loopback = Loopback::start(&pair.target(), args.threads)?;
    let base = SessionOptions {
        threads: args.threads,
        ..fit::base_options(
            SamplingParams { temperature: args.temperature, ..SamplingParams::default() },
            Estimator::default(),
            Some(args.seed),
        )
    };
    let draft = ModelNote {
        name: engine.model().name().to_owned(),
        fingerprint: engine.fingerprint(),
        parameters: Some(engine.model().parameters()),
    };
    let target =
        ModelNote { name: loopback.info.model.clone(), fingerprint: loopback.info.fingerprint, parameters: None };
    if !args.json {
        introduce(&draft, &target, &loopback);
    }
    let evaluator =
        Evaluator { engine: &engine, verifier: &loopback.verifier, questions: &questions, max_tokens: MAX_TOKENS };
    let (calibration, stored) = calibration(&pair, &evaluator, &base, loopback.info.fingerprint)?;
    if !args.json {
        showcase::run(&evaluator, &base, &calibration, &chosen(&all, &pair)?)?;
    }
    let wanted = if args.modes.is_empty() { Which::ALL.to_vec() } else { args.modes.clone() };
    let rows = rows::measure(&evaluator, &base, &calibration, &loopback, &wanted)?;
    if !args.json {
        output::line(row::render(&rows, count.min(questions.len()), all.len()));
        return Ok(());
    }
    output::json(&Document {
        machine: Machine::here(),
        draft,
        target,
        options: OptionsNote {
            questions: questions.len(),
            temperature: args.temperature,
            seed: args.seed,
            threads: args.threads,
            keep_accuracy: search::KEEP,
        },
        calibration: CalibrationNote {
            stored,
            labels: calibration.labels,
            a: calibration.law.a,
            b: calibration.law.b,
            delta: calibration.delta,
            correlation: calibration.correlation,
            recommended_threshold: calibration.recommended_threshold,
        },
        rows: &rows,
    })
}

fn introduce(draft: &ModelNote, target: &ModelNote, loopback: &Loopback) {
    let field = |name: &str, value: String| {
        output::line(format_args!("{} {value}", paint(Style::Heading, &format!("{name:<8}"))));
    };
    let size = draft.parameters.map_or(String::new(), |n| format!(", {:.2} M parameters", n as f64 / 1e6));
    field("draft", format!("{}{size}, in this process", draft.name));
    field("target", format!("{}, at {} (pinned)", target.name, loopback.url));
    field("machine", Machine::here().to_string());
}

/// Returns the pair's stored calibration if it was measured on these files with this sampling chain, else a new one,
/// and whether it was stored.
fn calibration(
    pair: &Pair,
    evaluator: &Evaluator<'_>,
    base: &SessionOptions,
    target: Digest,
) -> Result<(Calibration, bool), Failure> {
    if let Ok(Some(stored)) = calibration_of(&pair.draft(), evaluator.engine, &target)
        && stored.sampling == base.sampling
        && stored.estimator == base.estimator
    {
        return Ok((stored, true));
    }
    let questions = questions::read(&pair.calibration_questions())?;
    let evaluator = Evaluator { questions: &questions, ..*evaluator };
    let mut calibration = fit::fit(&evaluator, base, target)?;
    calibration.recommended_threshold = search::search(&evaluator, base, &calibration, search::KEEP)?.threshold;
    Ok((calibration, false))
}

/// Returns three prompts to look at: two questions of different tasks and a free one.
fn chosen(all: &[Question], pair: &Pair) -> Result<Vec<Question>, Failure> {
    let free = questions::read(&pair.free_prompts())?;
    let of_task = |task: &str| all.iter().find(|question| question.task.as_deref() == Some(task));
    let mut chosen: Vec<Question> = ["add", "sort_words"].iter().filter_map(|task| of_task(task)).cloned().collect();
    chosen.extend(free.iter().find(|prompt| prompt.question.contains("story")).or(free.first()).cloned());
    Ok(chosen)
}

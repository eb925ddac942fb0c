//! `uhlm bench pace`: is a hybrid reply ever slower than the target alone, on a real clock?
//!
//! A verifier in this process serves the target over HTTPS on loopback, and the draft model runs as on a device, each
//! with threads of its own. Every prompt is answered in turn by the target alone, streamed (`remote_only`), and at each
//! pace, with the same seed, so that all write the same text as far as arithmetic goes. Each way of writing keeps one
//! session for all prompts, because the pace learns. The order changes from prompt to prompt, because the machine's
//! speed does.
//!
//! The speed after the first token counts: reading the prompt is the target's work alone, whatever the mode.
//!
//! With several draft models, each writes at every pace, so that one sees which of them is worth its battery for this
//! target; what the conversation alone would have proposed is worked out from the streamed reply.

mod methods;
mod ngrams;
mod record;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use uhlm_core::{Consent, LinkConfig, SessionOptions};
use uhlm_eval::questions::Question;
use uhlm_law::calibration::Calibration;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_server::AcceleratorArg;

use self::methods::{Method, Writer};
use self::ngrams::Conversation;
use self::record::{Conditions, Document, Measured, Prompt};
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::output;
use crate::pair::{Pair, calibration_of};
use crate::prompts::PromptArgs;
use crate::setup;

/// Time for which an answer is waited for: a single core may read a long prompt for a minute, which is no failure of
/// the link.
const PATIENCE: Duration = Duration::from_secs(300);

const EXAMPLES: &str = "\
Examples:
  uhlm bench pace --per-category 5
  uhlm bench pace --model draft.gguf --target target.gguf --prompts spec_bench.jsonl --paces fastest
  uhlm bench pace --model draft.gguf --target target.gguf --prompts spec_bench.jsonl --rtt 50 --json pace.json
  uhlm bench pace --model a.gguf --model b.gguf --target target.gguf --paces balanced --ngrams

-v shows on stderr what the sessions measured and which policies they chose.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PaceArgs {
    /// Draft model, a GGUF file, several times for several; without it the bundled demo pair
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Vec<PathBuf>,
    /// Target model, served in this process
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Prompts of each kind, the first of the file
    #[arg(long, value_name = "N", default_value_t = 3)]
    per_category: usize,
    /// The most tokens of a reply
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_tokens: usize,
    /// Temperature
    #[arg(long, value_name = "T", default_value_t = 0.7)]
    temperature: f32,
    /// Seed of the replies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Round trip of the link in milliseconds, beside what loopback takes
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    rtt: f64,
    /// Context of the draft model in tokens
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    context: u32,
    /// Threads of the draft model; 0 chooses
    #[arg(long, value_name = "N", default_value_t = 1)]
    draft_threads: u32,
    /// Threads of the target; 0 chooses by the cores
    #[arg(long, value_name = "N", default_value_t = 1)]
    target_threads: u32,
    /// Paces to measure, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = Pace::ALL)]
    paces: Vec<Pace>,
    /// Also work out what the conversation alone would have proposed
    #[arg(long)]
    ngrams: bool,
    /// File to write everything that was measured into, as one JSON document
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl PaceArgs {
    /// Returns the first prompts of each kind, in the file's order.
    fn questions(&self) -> Result<Vec<Question>, Failure> {
        let mut taken = std::collections::HashMap::<Option<String>, usize>::new();
        let mut all = self.prompts.read()?;
        all.retain(|question| {
            let count = taken.entry(question.task.clone()).or_default();
            *count += 1;
            *count <= self.per_category
        });
        Ok(all)
    }

    /// Returns the files of the draft models, and that of the target.
    fn files(&self) -> Result<(Vec<PathBuf>, PathBuf), Failure> {
        match &self.target {
            Some(target) if !self.model.is_empty() => Ok((self.model.clone(), target.clone())),
            _ => Pair::find().map(|bundled| (vec![bundled.draft()], bundled.target())),
        }
    }

    fn options(&self, calibration: Calibration) -> SessionOptions {
        SessionOptions {
            sampling: SamplingParams { temperature: self.temperature, ..SamplingParams::default() },
            estimator: calibration.estimator,
            calibration,
            context: self.context.into(),
            threads: self.draft_threads,
            consent: Consent::Conversation,
            link: LinkConfig { min_deadline: PATIENCE, max_deadline: PATIENCE, ..LinkConfig::default() },
            ..SessionOptions::default()
        }
    }
}

pub(super) fn run(args: &PaceArgs) -> Result<(), Failure> {
    if args.per_category == 0 || args.max_tokens < 2 || args.paces.is_empty() {
        return Err(Failure::usage("--per-category is at least 1, --max-tokens at least 2, and there is a pace"));
    }
    let round_trip = Duration::try_from_secs_f64(args.rtt / 1e3)
        .map_err(|_| Failure::usage("--rtt is a number of milliseconds, 0 or more"))?;
    let (questions, (drafts, target)) = (args.questions()?, args.files()?);
    let engines = drafts.iter().map(|draft| setup::load(draft, AcceleratorArg::Auto)).collect::<Result<Vec<_>, _>>()?;
    let loopback = Loopback::start_behind(&target, args.target_threads, round_trip)?;
    let mut writers = Vec::new();
    for (draft, engine) in drafts.iter().zip(&engines) {
        let stored = calibration_of(draft, engine, &loopback.info.fingerprint).ok().flatten();
        let options = args.options(stored.unwrap_or_else(Calibration::generic));
        let name = if engines.len() > 1 { format!("{} ", engine.model().name()) } else { String::new() };
        // Who drafts does not matter to the target alone.
        let streaming = writers.is_empty().then_some(Method::Streaming);
        for method in streaming.into_iter().chain(args.paces.iter().copied().map(Method::Pace)) {
            let session = engine.session(Some(Arc::clone(&loopback.verifier)), method.options(&options))?;
            let label = if method == Method::Streaming { method.to_string() } else { format!("{name}{method}") };
            writers.push(Writer::warm(label, session, args.max_tokens, args.seed)?);
        }
    }
    let conversation = args.ngrams.then(|| Conversation::of(&target)).transpose()?;
    let conditions = Conditions {
        draft: engines.iter().map(|engine| engine.model().name()).collect::<Vec<_>>().join(", "),
        target: loopback.info.model.clone(),
        draft_threads: args.draft_threads,
        target_threads: args.target_threads,
        round_trip_ms: args.rtt,
        temperature: args.temperature,
        max_tokens: args.max_tokens,
        seed: args.seed,
    };
    output::line(format_args!("{conditions}\n{}", table::heading()));
    let mut prompts = Vec::new();
    for (index, question) in questions.iter().enumerate() {
        let mut measured = write(&mut writers, &loopback, question, index)?;
        if let (Some(conversation), Some(streamed)) = (&conversation, measured.first()) {
            let proposed = conversation.proposed(&question.question, streamed)?;
            measured.push(proposed);
        }
        let prompt = Prompt::new(question.task.clone().unwrap_or_default(), measured);
        output::line(table::prompt(&prompt));
        prompts.push(prompt);
    }
    let document = Document::new(conditions, prompts);
    output::line(table::summary(&document));
    match &args.json {
        Some(path) => document.save(path),
        None => Ok(()),
    }
}

/// Answers one prompt in every way. Both the first way and the direction in which the others follow change from prompt
/// to prompt.
fn write(
    writers: &mut [Writer],
    loopback: &Loopback,
    question: &Question,
    index: usize,
) -> Result<Vec<Measured>, Failure> {
    let count = writers.len();
    let mut measured: Vec<Option<Measured>> = vec![None; count];
    for turn in 0..count {
        let next = (index / 2 + turn) % count;
        let next = if index.is_multiple_of(2) { next } else { count - 1 - next };
        measured[next] = Some(writers[next].write(&question.question, loopback)?);
    }
    Ok(measured.into_iter().flatten().collect())
}

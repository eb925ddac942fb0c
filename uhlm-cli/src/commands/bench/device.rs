//! `uhlm bench device`: does gating cost speed on the device?
//!
//! One side is a session in `device_only` mode, with its sampling chain, uncertainty, gate, text and events; the other
//! is llama.cpp's own loop on the same file with as many threads. They take turns in one run, so that a machine that
//! slows down slows both, and what is reported is the median of the ratios of neighbours.
//!
//! With `--prompts` both answer prompts of several kinds instead (`prompts.rs`).

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use uhlm_core::{GenerationOptions, Mode, Prompt, Session, SessionOptions};
use uhlm_eval::statistics::median;
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::sampling::SamplingParams;
use uhlm_server::AcceleratorArg;

use super::parts::{self, Parts};
use super::prompts::{self, Task};
use super::reference::Reference;
use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::report::{percent, significant};
use crate::setup;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm bench device
  uhlm bench device --model draft.gguf --tokens 256 --pairs 15 --threads 4 --json
  uhlm bench device --model draft.gguf --prompts questions.jsonl --context 1536";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeviceArgs {
    /// Draft model, a GGUF file; without it the bundled one
    #[arg(short, long, env = "UHLM_MODEL", value_name = "GGUF")]
    model: Option<PathBuf>,
    /// Turns of each side; of each prompt with --prompts [default: 12, with --prompts 1]
    #[arg(long, value_name = "N")]
    pairs: Option<NonZeroU32>,
    /// Tokens a turn, over as many replies as that takes; of a reply with --prompts [default: 512, with --prompts 128]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Where both sides compute
    #[arg(long, env = "UHLM_ACCELERATOR", value_name = "WHERE", value_enum, default_value_t)]
    accelerator: AcceleratorArg,
    /// Threads of each side; 0 chooses by the model's size and the cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: u32,
    /// Context of each side, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024)]
    context: u32,
    /// The text to continue
    #[arg(long, value_name = "TEXT", default_value = "Once upon a time there was")]
    prompt: String,
    /// Answer the prompts of this file instead, by category: JSON Lines with `category` and `prompt` or `turns`
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompts: Option<PathBuf>,
    /// Prompts of each category, the first ones of the file
    #[arg(long, value_name = "N", default_value_t = 3, requires = "prompts")]
    per_category: usize,
    /// Temperature of the replies to --prompts
    #[arg(long, value_name = "T", default_value_t = 0.0, requires = "prompts")]
    temperature: f32,
    /// Draft token by token, without reading ahead what repeats the conversation
    #[arg(long)]
    no_ngrams: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The results of one kind of sampling.
#[derive(Debug, Serialize)]
struct Variant {
    sampling: &'static str,
    /// Median of the session's tokens a second after the first token, and below of llama.cpp's.
    session: f64,
    llama_cpp: f64,
    /// Median of the ratios of neighbouring turns: the session's speed over llama.cpp's.
    ratio: f64,
    ratios: Vec<f64>,
    /// Parts of a step's time.
    parts: Parts,
}

#[derive(Debug, Serialize)]
struct Document {
    model: String,
    threads: u32,
    tokens: usize,
    variants: Vec<Variant>,
}

pub(super) fn run(args: &DeviceArgs) -> Result<(), Failure> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => Pair::find()?.draft(),
    };
    let engine = setup::load(&path, args.accelerator)?;
    let model = engine.model();
    let threads = if args.threads == 0 { model.sensible_threads(4) } else { args.threads };
    let options = |temperature| SessionOptions {
        mode: Mode::DeviceOnly,
        sampling: SamplingParams { temperature, ..SamplingParams::default() },
        context: args.context.into(),
        threads,
        ngrams: !args.no_ngrams,
        seed: Some(1),
        ..SessionOptions::default()
    };
    if let Some(file) = &args.prompts {
        let task = Task {
            file,
            of_each: args.per_category,
            tokens: args.tokens.unwrap_or(128),
            turns: args.pairs.map_or(1, |pairs| pairs.get() as usize),
            options: options(args.temperature),
        };
        return prompts::run(&engine, &path, &task, args.json);
    }
    let tokens = args.tokens.unwrap_or(512);
    let prompt = model.tokenize(&args.prompt, Special::ParseWithBos)?;
    if prompt.len() + 2 > args.context as usize {
        return Err(Failure::usage("the prompt leaves no room in the context").hint("raise --context"));
    }
    let failed = || Failure::new("llama.cpp failed; -v shows what it logs");
    let mut reference = Reference::load(&path, args.context, threads, model.backend().is_gpu()).ok_or_else(failed)?;
    let pairs = args.pairs.map_or(12, |pairs| pairs.get() as usize);
    let bar = progress::bar(pairs * 4, "session and llama.cpp in turns");
    let mut variants = Vec::new();
    for (sampling, temperature) in [("greedy", 0.0), ("temperature 0.8", 0.8)] {
        let options = options(temperature);
        let parts = parts::measure(model, &options, &prompt, tokens)?;
        let session = engine.session(None, options)?;
        let most = args.context as usize - prompt.len() - 1;
        // The first turn of each side is not counted.
        let mut turns: Vec<(f64, f64)> = Vec::new();
        for turn in 0..=pairs {
            let ours = session_turn(&session, &args.prompt, tokens, most)?;
            let theirs =
                reference_turn(&mut reference, &prompt, tokens, most, temperature, turn as u32).ok_or_else(failed)?;
            turns.push((ours, theirs));
            bar.inc(2);
        }
        turns.remove(0);
        let ratios: Vec<f64> = turns.iter().map(|(ours, theirs)| ours / theirs).collect();
        let middle = |values: Vec<f64>| median(&values).unwrap_or_default();
        variants.push(Variant {
            sampling,
            session: middle(turns.iter().map(|turn| turn.0).collect()),
            llama_cpp: middle(turns.iter().map(|turn| turn.1).collect()),
            ratio: middle(ratios.clone()),
            ratios,
            parts,
        });
    }
    bar.finish_and_clear();
    let document = Document { model: model.name().to_owned(), threads, tokens, variants };
    if args.json {
        return output::json(&document);
    }
    output::line(format_args!("{}, {} threads, {pairs} pairs of turns", document.model, document.threads));
    let mut table = Table::new(&[
        "tokens/s after the first",
        "session",
        "llama.cpp",
        "ratio",
        "a step, µs",
        "sampling",
        "u",
        "gate",
        "of the step",
    ]);
    for v in &document.variants {
        table.push(vec![
            v.sampling.into(),
            significant(v.session),
            significant(v.llama_cpp),
            format!("{:.3}", v.ratio),
            format!("{:.0}", v.parts.decode_us),
            format!("{:.1}", v.parts.sampling_us),
            format!("{:.1}", v.parts.uncertainty_us),
            format!("{:.1}", v.parts.gate_us),
            percent(v.parts.share()),
        ]);
    }
    output::line(table.render());
    Ok(())
}

/// Returns the session's tokens a second, without each reply's first token, which pays for the prompt.
fn session_turn(session: &Session, prompt: &str, tokens: usize, most: usize) -> Result<f64, Failure> {
    let (mut written, mut counted, mut seconds) = (0, 0, 0.0);
    while written < tokens {
        let options = GenerationOptions { max_tokens: most.min(tokens - written), ..GenerationOptions::default() };
        let (_, statistics) = session.generate(Prompt::Raw(prompt.to_owned()), options)?.blocking_finish()?;
        let n = statistics.tokens() as usize;
        written += n.max(1);
        counted += n.saturating_sub(1);
        seconds += (statistics.elapsed - statistics.first_token).as_secs_f64();
    }
    Ok(counted as f64 / seconds)
}

/// Returns the tokens a second of llama.cpp's loop, likewise.
fn reference_turn(
    reference: &mut Reference,
    prompt: &[u32],
    tokens: usize,
    most: usize,
    temperature: f32,
    turn: u32,
) -> Option<f64> {
    let (mut written, mut counted, mut seconds) = (0, 0, 0.0);
    let mut seed = turn << 16;
    while written < tokens {
        let run = reference.generate(prompt, most.min(tokens - written), temperature, seed)?;
        seed += 1;
        written += run.tokens;
        counted += run.tokens - 1;
        seconds += (run.total - run.first_token).as_secs_f64();
    }
    Some(counted as f64 / seconds)
}

//! `uhlm eval record`: records both models' logits along replies of the target in a file.

use std::path::PathBuf;

use clap::Args;
use uhlm_eval::pair::Pair as Models;
use uhlm_eval::trace::record::Recording;
use uhlm_law::sampling::SamplingParams;

use crate::failure::Failure;
use crate::pair::Pair;
use crate::prompts::PromptArgs;
use crate::terminal::progress;

const EXAMPLES: &str = "\
Examples:
  uhlm eval record --out demo.trace              the bundled pair on its own questions
  uhlm eval record --model draft.gguf --target target.gguf --prompts questions.jsonl --out pair.trace

A recording that was interrupted goes on where it stopped. `uhlm eval cells` replays it.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArgs {
    /// Draft model, a GGUF file; without it the bundled demo pair
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Option<PathBuf>,
    /// Target model
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    #[command(flatten)]
    prompts: PromptArgs,
    /// File to record into
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Number of prompts; kinds take turns
    #[arg(short = 'n', long, value_name = "N", default_value_t = 24)]
    count: usize,
    /// The most tokens of a reply
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_tokens: usize,
    /// Temperature
    #[arg(long, value_name = "T", default_value_t = 0.7)]
    temperature: f32,
    /// Logits kept of each row, the greatest
    #[arg(long, value_name = "N", default_value_t = 800)]
    top: usize,
    /// Seed of the replies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Context of both models in tokens; longer prompts are passed over
    #[arg(long, value_name = "N", default_value_t = 2048)]
    context: u32,
    /// Threads of either model
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: u32,
}

pub(crate) fn run(args: &RecordArgs) -> Result<(), Failure> {
    if args.top == 0 || args.max_tokens == 0 || args.count == 0 {
        return Err(Failure::usage("--top, --max-tokens and --count are at least 1"));
    }
    let questions = args.prompts.read()?;
    let (draft, target) = match (&args.model, &args.target) {
        (Some(draft), Some(target)) => (draft.clone(), target.clone()),
        _ => {
            let bundled = Pair::find()?;
            (bundled.draft(), bundled.target())
        }
    };
    let recording = Recording {
        prompts: args.count,
        max_tokens: args.max_tokens,
        sampling: SamplingParams { temperature: args.temperature, ..SamplingParams::default() },
        top: args.top,
        seed: args.seed,
        context: args.context,
        threads: args.threads,
    };
    let spinner = progress::spinner("loading the models");
    let pair = Models::load(&draft, &target)?;
    recording.run(&pair, &questions, &args.out, &|index, count, category| {
        spinner.set_message(format!("{} of {count}: {category}", index + 1));
    })?;
    spinner.finish_and_clear();
    Ok(())
}

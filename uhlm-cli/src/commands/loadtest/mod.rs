//! `uhlm loadtest`: many simulated phones over the real protocol.
//!
//! The phones, what they do and what is measured are `uhlm-load`'s; here are the flags, the server that is started
//! where none was named, and the tables.

mod arms;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use uhlm_law::sampling::SamplingParams;
use uhlm_load::{About, Arm, Attack, LoadTestError, Plan, Record, Texts, Tick, Writing, report, run as put_load};
use uhlm_net::Secret;

use self::arms::Load;
use self::server::{EngineArgs, Target};
use crate::failure::Failure;
use crate::output;
use crate::prompts::PromptArgs;
use crate::remote::RemoteArgs;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm loadtest                                               8 phones, the bundled target
  uhlm loadtest --target target.gguf --sessions 1,8,32,128 --draft-ms 0 --html load.html --json load.json
  uhlm loadtest --server https://host:8443 --fingerprint HEX --token SECRET --rate 5 --phones 200
  uhlm loadtest --target target.gguf --trace trace.csv --speed 0.2 --phones 64
  uhlm loadtest --hostile all --seconds 20 --check

`uhlm capacity load.json` carries a sweep to other numbers of phones.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoadtestArgs {
    /// Target model to serve in this process, a GGUF file; without it and without --server the bundled demo target
    #[arg(long, value_name = "GGUF", conflicts_with = "server")]
    target: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
    /// Owners among whom the phones are divided: labels behind the token, which a server takes with --device-labels
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    owners: u32,
    /// Bearer token of the hostile phones; without it labels of their own behind --token
    #[arg(long, value_name = "TOKEN")]
    hostile_token: Option<Secret>,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Fail if a reply lost a token or differs from what the server wrote when it did nothing else
    #[arg(long)]
    check: bool,
    /// File to write everything that was measured into, as one JSON document
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// File to write a report with plots into, one HTML page that loads nothing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl From<LoadTestError> for Failure {
    fn from(error: LoadTestError) -> Self {
        match error {
            LoadTestError::Verifier(error) => error.into(),
            LoadTestError::Settings(reason) => Self::usage(reason),
            LoadTestError::NoText { .. } => {
                Self::new(error.to_string()).hint("try --prompts, another --temperature or a shorter --reply-tokens")
            }
            error => Self::new(error.to_string()),
        }
    }
}

pub(crate) fn run(args: &LoadtestArgs) -> Result<(), Failure> {
    args.load.check()?;
    let shapes = args.load.shapes()?;
    let server = Target::open(args)?;
    let bar = progress::bar(shapes.len(), "the target writes the texts");
    let sampling = SamplingParams { temperature: args.load.temperature, ..SamplingParams::default() };
    let texts = Texts::record(&server.place, &shapes, &sampling, &server.source, args.load.seed, &mut |count| {
        bar.set_position(count as u64);
    });
    bar.finish_and_clear();
    let texts = Arc::new(texts?);
    let mut record = Record { about: about(args, &server, &texts), arms: Vec::new() };
    for plan in args.load.plans(&texts)? {
        let arm = measured(&server, &plan, &texts)?;
        record.arms.push(arm);
    }
    show(&record);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&record).map_err(|error| Failure::new(error.to_string()))?;
        write(path, &(text + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report::html(&record)?)?;
    }
    if args.check { check(&record.arms) } else { Ok(()) }
}

/// Puts one load on the server, with a bar that says how it goes.
fn measured(server: &Target, plan: &Plan, texts: &Arc<Texts>) -> Result<Arm, Failure> {
    let steps = 10.0 * (plan.warmup + plan.measured).as_secs_f64();
    let bar = progress::bar(steps as usize, &plan.name);
    let mut last: Option<Tick> = None;
    let arm = put_load(&server.place, plan, texts, &mut |tick| {
        bar.set_position((10.0 * tick.elapsed.as_secs_f64()).min(steps) as u64);
        let since = last.map_or(Duration::ZERO, |last| last.elapsed);
        let seconds = tick.elapsed.saturating_sub(since).as_secs_f64().max(1e-3);
        let tokens = tick.tokens - last.map_or(0, |last| last.tokens);
        bar.set_message(format!("{}: {:.0} tokens/s, {} refused", plan.name, tokens as f64 / seconds, tick.refusals));
        if seconds >= 1.0 || last.is_none() {
            last = Some(*tick);
        }
    });
    bar.finish_and_clear();
    Ok(arm?)
}

fn about(args: &LoadtestArgs, server: &Target, texts: &Texts) -> About {
    let count = texts.all.len() as f64;
    let mean = |length: fn(&uhlm_load::Text) -> usize| texts.all.iter().map(length).sum::<usize>() as f64 / count;
    About {
        model: texts.info.model.clone(),
        context: texts.info.limits.context,
        vocabulary: texts.info.limits.vocabulary_size,
        writing: args.load.writing.to_string(),
        window: args.load.window,
        acceptance: args.load.acceptance,
        draft_seconds: args.load.draft_ms / 1e3,
        owners: server.place.owners.len().max(1),
        prompt_tokens: mean(|text| text.prompt.len()),
        reply_tokens: mean(|text| text.reply.len()),
        deadline: args.load.deadline_ms / 1e3,
        temperature: args.load.temperature,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        same_process: server.is_here(),
    }
}

/// A table of the result: its heading, and the row of an arm.
type Sheet<'a> = (&'a [&'a str], fn(&Arm) -> Vec<String>);

fn show(record: &Record) {
    output::line(report::about(record));
    let tables: [Sheet<'_>; 4] = [
        (&report::SPEEDS, report::speeds),
        (&report::REPLIES, report::replies),
        (&report::SERVER, report::server),
        (&report::MEMORY, report::memory),
    ];
    for (heading, row) in tables {
        let mut table = Table::new(heading);
        record.arms.iter().for_each(|arm| table.push(row(arm)));
        output::line(format_args!("\n{}", table.render()));
    }
    for (attack, ratio) in arms::slower(&record.arms) {
        output::line(format_args!("\n{attack}: p99 of a verdict {ratio:.2} x that without it (median of the runs)"));
    }
}

/// Fails if a reply lost something or is another one than was recorded.
fn check(arms: &[Arm]) -> Result<(), Failure> {
    let sum = |of: fn(&Arm) -> u64| arms.iter().map(of).sum::<u64>();
    let (differing, lost) = (sum(|arm| arm.replies.differing), sum(|arm| arm.replies.lost_tokens));
    let failed = sum(|arm| arm.replies.failed);
    match differing + lost + failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!(
            "{differing} replies differ from the recording, {lost} tokens were lost, {failed} replies were not served"
        ))
        .hint("where passes are shared, near ties can fall either way: --micro-batch 1 computes one row at a time")),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

fn writing(text: &str) -> Result<Writing, String> {
    text.parse()
}

fn attacks(text: &str) -> Result<Vec<Attack>, String> {
    if text == "all" { Ok(Attack::ALL.to_vec()) } else { text.split(',').map(str::parse).collect() }
}

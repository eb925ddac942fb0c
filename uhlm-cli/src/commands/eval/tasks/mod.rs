//! `uhlm eval tasks`: published tasks answered by the target, the draft and both together, marked and counted.

mod run;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use uhlm_core::Mode;
use uhlm_eval::tasks::outcome::Log;
use uhlm_eval::tasks::sandbox::Sandbox;
use uhlm_eval::tasks::set::{self, Set, Task};
use uhlm_eval::tasks::table::{self, Row, TARGET};

use crate::failure::Failure;
use crate::options::mode_name;
use crate::output;
use crate::report::percent;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm eval tasks --model draft.gguf --target target.gguf --humaneval humaneval.jsonl --out pair.jsonl
  uhlm eval tasks --model draft.gguf --target target.gguf --gsm8k test.jsonl --count 60 --out pair.jsonl
  uhlm eval tasks --out pair.jsonl               the table of what is there

A run that was interrupted goes on where it stopped. Programs that a model wrote run without network, and only where
`unshare` and `python3` are there. The opportunistic mode goes by the calibration beside the draft model; it collects
labels for its TSR, some bytes a token that its users do not pay.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TasksArgs {
    /// Draft model, a GGUF file
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Option<PathBuf>,
    /// Target model, served in this process
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    /// HumanEval's tasks, JSON Lines
    #[arg(long, value_name = "FILE")]
    humaneval: Option<PathBuf>,
    /// GSM8K's tasks, JSON Lines
    #[arg(long, value_name = "FILE")]
    gsm8k: Option<PathBuf>,
    /// Number of tasks of each set, the first of the file
    #[arg(short = 'n', long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    count: usize,
    /// Who writes, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(default_values_t = [Method::Target, Method::Draft, Method::Opportunistic])]
    methods: Vec<Method>,
    /// Temperature
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Most tokens of a reply
    #[arg(long, value_name = "N", default_value_t = 400)]
    max_tokens: usize,
    /// Sessions at once, which share the target's passes
    #[arg(long, value_name = "N", default_value_t = 2)]
    sessions: usize,
    /// Threads of each session's draft model
    #[arg(long, value_name = "N", default_value_t = 1)]
    draft_threads: u32,
    /// Threads of the target; 0 chooses by the cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    target_threads: u32,
    /// Seed of the replies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// File that replies are counted in and that a run goes on from
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The target alone, streamed
    Target,
    /// The draft model alone
    Draft,
    /// Both, at the goal that calibration recommends
    Opportunistic,
    /// Both, the target's own text
    Exact,
}

impl Method {
    fn mode(self) -> Mode {
        match self {
            Self::Target => Mode::RemoteOnly,
            Self::Draft => Mode::DeviceOnly,
            Self::Opportunistic => Mode::Opportunistic,
            Self::Exact => Mode::Exact,
        }
    }

    /// Returns the name of the method in files and tables.
    fn name(self) -> &'static str {
        match self {
            Self::Target => TARGET,
            Self::Draft => "draft",
            Self::Opportunistic | Self::Exact => mode_name(self.mode()),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl TasksArgs {
    fn tasks(&self) -> Result<Vec<Task>, Failure> {
        let sets = [(Set::HumanEval, &self.humaneval), (Set::Gsm8k, &self.gsm8k)];
        let mut tasks = Vec::new();
        for (set, path) in sets {
            if let Some(path) = path {
                tasks.extend(set::read(set, path, self.count)?);
            }
        }
        Ok(tasks)
    }
}

pub(super) fn run(args: &TasksArgs) -> Result<(), Failure> {
    if !(0.0..=5.0).contains(&args.temperature) || args.sessions == 0 || args.max_tokens == 0 {
        return Err(Failure::usage("--temperature is between 0 and 5, --sessions and --max-tokens are at least 1"));
    }
    let mut log = Log::open(&args.out)?;
    if let (Some(draft), Some(target)) = (&args.model, &args.target) {
        let tasks = args.tasks()?;
        if tasks.is_empty() {
            return Err(Failure::usage("there is no task").hint("give --humaneval FILE or --gsm8k FILE"));
        }
        let sandbox = Sandbox::find().map_err(|error| Failure::new(error.to_string()))?;
        run::all(args, draft, target, &tasks, &sandbox, &mut log)?;
    }
    print(&table::rows(log.known()));
    Ok(())
}

fn print(rows: &[Row]) {
    let heading = ["method", "right", "accuracy", "95 %", "less target's", "95 %", "passes", "TR", "TSR", "up", "down"];
    let mut last = None;
    let mut table = Table::new(&heading);
    let title = |(set, temperature): &(String, f64)| format!("{set}, temperature {temperature}");
    let optional = |share: Option<f64>| share.map_or("-".to_owned(), percent);
    for row in rows {
        let group = (row.set.clone(), row.temperature);
        if last.as_ref().is_some_and(|last| *last != group) {
            flush(&mut table, &heading, last.as_ref().map(title));
        }
        last = Some(group);
        let (low, high) = row.accuracy.wilson95();
        let points = |share: f64| format!("{:+.1}", share * 100.0);
        table.push(vec![
            row.method.clone(),
            format!("{} of {}", row.accuracy.successes, row.accuracy.trials),
            percent(row.accuracy.value()),
            format!("{:.0} to {:.0}", low * 100.0, high * 100.0),
            row.difference.map_or("-".into(), |(mean, ..)| points(mean)),
            row.difference.map_or("-".into(), |(_, low, high)| format!("{} to {}", points(low), points(high))),
            format!("{:.3}", row.passes),
            optional(row.transmission),
            optional(row.true_skips),
            format!("{:.1}", row.up),
            format!("{:.1}", row.down),
        ]);
        if row.unverified > 0 {
            output::line(format_args!("{}: {} tokens were not judged", row.method, row.unverified));
        }
    }
    flush(&mut table, &heading, last.as_ref().map(title));
}

fn flush(table: &mut Table, heading: &[&str], title: Option<String>) {
    if let Some(title) = title {
        output::line(format_args!("\n{title} (passes and bytes a token; differences in percentage points)"));
        output::line(std::mem::replace(table, Table::new(heading)).render());
    }
}

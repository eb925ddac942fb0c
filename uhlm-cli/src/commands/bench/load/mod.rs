//! `uhlm bench load`: does the draft model keep its speed where another process wants the cores, and what does a token
//! take of them?
//!
//! Each measurement is the plain loop of the draft model in a process of its own (`turn.rs`): once alone, and once
//! beside a second one that does the same with as many threads. All variants take turns in one run, so that a machine
//! that slows down slows all of them, and medians over the rounds are reported.

mod turn;

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use uhlm_eval::statistics::median;
use uhlm_llama::Waiting;

use self::turn::{Task, Turn};
use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::report::{percent, significant};
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm bench load --model draft.gguf
  uhlm bench load --model draft.gguf --threads 2,4 --waiting sleep,50,ended --seconds 10 --json";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LoadArgs {
    /// Draft model, a GGUF file; without it the bundled one
    #[arg(short, long, env = "UHLM_MODEL", value_name = "GGUF")]
    model: Option<PathBuf>,
    /// Threads to measure with; 0 chooses by the model's size and the cores [default: each number of cores, at most 4]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    threads: Vec<u32>,
    /// What threads do between two passes: `sleep`, spin for so many rounds first (1 to 100), or be made for each pass
    /// and `ended` with it
    #[arg(long, value_name = "HOW", value_delimiter = ',', default_value = "sleep", value_parser = turn::waiting)]
    waiting: Vec<Waiting>,
    /// Length of each measurement, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    seconds: NonZeroU32,
    /// Times that each variant is measured
    #[arg(long, value_name = "N", default_value = "3")]
    rounds: NonZeroU32,
    /// Context, in tokens
    #[arg(long, value_name = "N", default_value_t = 512)]
    context: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Measure the first variant in this process, from a line on stdin on
    #[arg(long, hide = true)]
    here: bool,
}

/// What the processes of a measurement did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Rate {
    /// Tokens a second of each process.
    tokens_per_second: f64,
    /// Time on a core that a token took, all threads together, in milliseconds.
    cpu_ms: f64,
}

impl Rate {
    /// Sums up what was done at once.
    fn of(turns: &[Turn]) -> Self {
        let tokens: f64 = turns.iter().map(|turn| turn.tokens as f64).sum();
        let sum = |of: fn(&Turn) -> f64| turns.iter().map(of).sum::<f64>();
        let (seconds, cpu) = (sum(|turn| turn.seconds), sum(|turn| turn.cpu_seconds));
        Self { tokens_per_second: tokens / seconds, cpu_ms: cpu * 1000.0 / tokens.max(1.0) }
    }

    fn median(rates: &[Self]) -> Self {
        let middle = |of: fn(&Self) -> f64| median(&rates.iter().map(of).collect::<Vec<_>>()).unwrap_or_default();
        Self { tokens_per_second: middle(|rate| rate.tokens_per_second), cpu_ms: middle(|rate| rate.cpu_ms) }
    }
}

/// The medians of a variant.
#[derive(Clone, Debug, Serialize)]
struct Row {
    threads: u32,
    waiting: String,
    alone: Rate,
    /// Beside a second process that does the same.
    loaded: Rate,
}

#[derive(Debug, Serialize)]
struct Document {
    model: PathBuf,
    cores: u32,
    seconds: u32,
    rounds: u32,
    rows: Vec<Row>,
}

pub(super) fn run(args: &LoadArgs) -> Result<(), Failure> {
    let model = match &args.model {
        Some(path) => path.clone(),
        None => Pair::find()?.draft(),
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let threads = if args.threads.is_empty() { (1..=cores.min(4)).collect() } else { args.threads.clone() };
    let task = |threads, waiting| Task {
        model: model.clone(),
        threads,
        waiting,
        seconds: args.seconds.get(),
        context: args.context,
    };
    let tasks = threads.iter().flat_map(|&threads| args.waiting.iter().map(move |&waiting| task(threads, waiting)));
    let tasks: Vec<Task> = tasks.collect();
    if args.here {
        let Some(first) = tasks.first() else { return Err(Failure::usage("a variant")) };
        return turn::here(first);
    }
    let rounds = args.rounds.get();
    let mut measured = vec![(Vec::new(), Vec::new(), 0); tasks.len()];
    let bar = progress::bar(2 * tasks.len() * rounds as usize, "alone and beside a second process");
    for _ in 0..rounds {
        for (task, (alone, loaded, threads)) in tasks.iter().zip(&mut measured) {
            for (processes, rates) in [(1, alone), (2, loaded)] {
                let turns = turn::at_once(task, processes)?;
                *threads = turns.first().map_or(0, |turn| turn.threads);
                rates.push(Rate::of(&turns));
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let row = |(task, (alone, loaded, threads)): (&Task, &(Vec<Rate>, Vec<Rate>, u32))| Row {
        threads: *threads,
        waiting: turn::name(task.waiting),
        alone: Rate::median(alone),
        loaded: Rate::median(loaded),
    };
    let rows = tasks.iter().zip(&measured).map(row).collect();
    let document = Document { model, cores, seconds: args.seconds.get(), rounds, rows };
    if args.json {
        return output::json(&document);
    }
    show(&document);
    Ok(())
}

fn show(document: &Document) {
    let name = document.model.file_stem().unwrap_or_default().to_string_lossy();
    let Document { cores, seconds, rounds, .. } = document;
    output::line(format_args!("{name}, {cores} processors, {rounds} rounds of {seconds} s"));
    let mut table = Table::new(&[
        "threads",
        "waiting",
        "alone, tokens/s",
        "CPU, ms a token",
        "loaded, tokens/s",
        "CPU, ms a token",
        "of alone",
    ]);
    for Row { threads, waiting, alone, loaded } in &document.rows {
        table.push(vec![
            threads.to_string(),
            waiting.clone(),
            significant(alone.tokens_per_second),
            significant(alone.cpu_ms),
            significant(loaded.tokens_per_second),
            significant(loaded.cpu_ms),
            percent(loaded.tokens_per_second / alone.tokens_per_second),
        ]);
    }
    output::line(table.render());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_ran_at_once_have_the_speed_of_one_and_the_cost_of_a_token() {
        let turn = |tokens, cpu_seconds| Turn { threads: 2, tokens, seconds: 2.0, cpu_seconds };
        let rate = Rate::of(&[turn(30, 3.0), turn(10, 3.0)]);
        assert_eq!(rate, Rate { tokens_per_second: 10.0, cpu_ms: 150.0 });
        assert_eq!(Rate::of(&[turn(0, 1.0)]).cpu_ms, 1000.0, "no token: all of the time");
        let other = Rate { tokens_per_second: 4.0, cpu_ms: 300.0 };
        assert_eq!(Rate::median(&[rate, other, other]), other);
    }
}

//! `uhlm eval`: this SDK beside U-HLM and its relatives, in virtual time.

mod cells;
mod record;
mod tasks;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use uhlm_eval::experiment::{self, Files, Plan};
use uhlm_eval::method::Method;
use uhlm_eval::pair::ComputeTimes;
use uhlm_eval::record::Record;
use uhlm_eval::report::{Report, aims, kinds_as_markdown, law_as_markdown, replace_section};
use uhlm_eval::settings;

use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm eval --quick                              a minute: the paper's channel and a round trip of 50 ms
  uhlm eval --rtt 100 --temperature 0.7          one link, other sampling
  uhlm eval --full --html report.html            everything that docs/results.md shows
  uhlm eval --law --temperature 0.7              what foresees a rejection, fitted and held out
  uhlm eval --quick --model draft.gguf --target target.gguf --held-out questions.jsonl --free prompts.txt
  uhlm eval --rtt 50 --temperature 0 --model draft.gguf --target target.gguf --free spec_bench.jsonl --of-each-kind 8 \
      --calibration-prompts spec_bench.jsonl --calibrate-on 24 --max-tokens 64 --context 2048 --memory pair.memory
  uhlm eval record --out demo.trace              keep both models' logits along the target's replies

Time is virtual: models cost --draft-ms and --target-ms a pass, links are modelled, and the models really run. The same
seed gives the same report, byte for byte.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// Small samples, three links, every part of the report
    #[arg(long)]
    quick: bool,
    /// Every link, three temperatures, quality on 400 questions
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// The law alone, as Markdown: what predicts that the target rejects a token or writes another
    #[arg(long, conflicts_with_all = ["full", "json", "html", "document"])]
    law: bool,
    /// Most tokens of a reply
    #[arg(short = 'n', long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Round trip of the link in milliseconds (without --quick and --full)
    #[arg(long, value_name = "MS", default_value_t = 50)]
    rtt: u32,
    /// Temperature (without --full)
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f32,
    /// Draft model, a GGUF file; without it the bundled demo pair
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Option<PathBuf>,
    /// Target model
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    /// Questions with right answers; without it those of the demo pair, and none for another pair
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
    /// Prompts without right answers; without it those of the demo pair
    #[arg(long, value_name = "FILE")]
    free: Option<PathBuf>,
    /// Prompts to calibrate on; without it those of the demo pair
    #[arg(long, value_name = "FILE")]
    calibration_prompts: Option<PathBuf>,
    /// Measure speed on so many of the free prompts of each kind, and tell the results by kind as well
    #[arg(long, value_name = "N", requires = "model")]
    of_each_kind: Option<usize>,
    /// Number of prompts to calibrate on
    #[arg(long, value_name = "N", requires = "calibration_prompts")]
    calibrate_on: Option<usize>,
    /// Context of both models in tokens; longer prompts are passed over
    #[arg(long, value_name = "TOKENS", default_value_t = 512)]
    context: u32,
    /// Keep in this file what the models said after each prefix: no method asks again, and an interrupted run goes on
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
    /// Time of a pass of the draft model, milliseconds; the paper's unless given
    #[arg(long, value_name = "MS", default_value_t = ComputeTimes::PAPER.draft_ms)]
    draft_ms: f64,
    /// Time of a pass of the target, milliseconds
    #[arg(long, value_name = "MS", default_value_t = ComputeTimes::PAPER.target_ms)]
    target_ms: f64,
    /// Time that each token of a pass adds to it, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    target_token_ms: f64,
    /// Seed of every choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the record as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report into this Markdown document, between its lines `<!-- begin NAME -->` and `<!-- end NAME -->`
    #[arg(long, value_name = "FILE", requires = "section")]
    document: Option<PathBuf>,
    /// NAME of the document's section; plots go to a folder of the document's name beside it, as NAME-*.svg
    #[arg(long, value_name = "NAME", requires = "document")]
    section: Option<String>,
}

/// The commands that work on recorded logits.
#[derive(Clone, Debug, Subcommand)]
enum Part {
    /// Let the target write replies, and keep both models' logits along them in a file
    Record(record::RecordArgs),
    /// Replay such files over links and speeds: speed, passes and bytes of every method, and who is never slower
    Cells(cells::CellsArgs),
    /// Answer published tasks with the target, the draft and both: accuracy, passes, TR, TSR, bytes
    Tasks(tasks::TasksArgs),
}

impl EvalArgs {
    fn files(&self) -> Result<Files, Failure> {
        // Another pair has only the questions that are named; prompts without right answers suit any pair.
        let whole = self.model.is_some() && self.free.is_some() && self.calibration_prompts.is_some();
        let bundled = if whole { None } else { Some(Pair::find()?) };
        let or = |given: &Option<PathBuf>, file: fn(&Pair) -> PathBuf| {
            given.clone().or_else(|| bundled.as_ref().map(file)).unwrap_or_default()
        };
        let own_questions = bundled.as_ref().filter(|_| self.model.is_none()).map(Pair::heldout);
        Ok(Files {
            draft: or(&self.model, Pair::draft),
            target: or(&self.target, Pair::target),
            held_out: self.held_out.clone().or(own_questions),
            free: or(&self.free, Pair::free_prompts),
            calibration: or(&self.calibration_prompts, Pair::calibration_questions),
            memory: self.memory.clone(),
        })
    }

    fn plan(&self) -> Plan {
        let plan = match (self.full, self.quick) {
            (true, _) => Plan::full(self.seed),
            (_, true) => Plan { temperatures: vec![self.temperature], ..Plan::quick(self.seed) },
            _ => Plan {
                temperatures: vec![self.temperature],
                settings: Some(vec![settings::steady(self.rtt, false), settings::steady(self.rtt, true)]),
                quality: 0,
                law: false,
                ..Plan::full(self.seed)
            },
        };
        let times = ComputeTimes {
            draft_ms: self.draft_ms,
            target_ms: self.target_ms,
            target_per_token_ms: self.target_token_ms,
        };
        let max_tokens = self.max_tokens.unwrap_or(plan.max_tokens);
        let calibration = self.calibrate_on.map_or(plan.calibration, |count| (count, 0));
        Plan { times, max_tokens, calibration, context: self.context, of_each_kind: self.of_each_kind, ..plan }
    }
}

pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    match &args.part {
        Some(Part::Record(args)) => record::run(args),
        Some(Part::Cells(args)) => cells::run(args),
        Some(Part::Tasks(args)) => tasks::run(args),
        None => compare(args),
    }
}

/// Compares every method on the same prompts, with the models themselves.
fn compare(args: &EvalArgs) -> Result<(), Failure> {
    for (flag, value) in
        [("draft-ms", args.draft_ms), ("target-ms", args.target_ms), ("target-token-ms", args.target_token_ms)]
    {
        if !(0.0..=60_000.0).contains(&value) {
            return Err(Failure::usage(format!("--{flag} {value} is no time between 0 and 60000 ms")));
        }
    }
    let spinner = progress::spinner("loading the models");
    if args.law {
        let law = experiment::law(&args.files()?, &args.plan(), args.temperature, &|what| {
            spinner.set_message(what.to_owned())
        })?;
        spinner.finish_and_clear();
        output::line(law_as_markdown(&law).trim_end());
        return Ok(());
    }
    let record = experiment::run(&args.files()?, &args.plan(), &|what| spinner.set_message(what.to_owned()))?;
    spinner.finish_and_clear();
    let report = Report::new(&record)?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&record).map_err(|error| Failure::new(error.to_string()))?;
        write(path, &(text + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &report.html()?)?;
    }
    if let (Some(document), Some(section)) = (&args.document, &args.section) {
        write_section(document, section, &report)?;
    }
    print(&record);
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

fn write_section(document: &Path, section: &str, report: &Report) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(format!("cannot read {}: {error}", document.display()));
    let text = std::fs::read_to_string(document).map_err(unreadable)?;
    let stem = document.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let images = document.with_file_name(&stem);
    std::fs::create_dir_all(&images)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", images.display())))?;
    for figure in report.figures() {
        write(&images.join(format!("{section}-{}.svg", figure.name)), &figure.svg)?;
    }
    let text = replace_section(&text, section, &report.markdown(&stem, section)).ok_or_else(|| {
        Failure::new(format!("{} has no section {section}", document.display()))
            .hint("put the lines `<!-- begin NAME -->` and `<!-- end NAME -->` where it belongs")
    })?;
    write(document, &text)
}

fn print(record: &Record) {
    for chapter in &record.chapters {
        for setting in &chapter.settings {
            let mut table =
                Table::new(&["method", "tokens/s", "95 %", "over U-HLM", "passes/token", "drafted", "bytes up"]);
            for row in &setting.rows {
                let (s, t) = (&row.summary, row.summary.tokens_per_second);
                table.push(vec![
                    row.method.name(),
                    format!("{:.2}", t.value),
                    format!("{:.2} to {:.2}", t.low, t.high),
                    format!("{:.2} x", row.against.u_hlm.value),
                    format!("{:.3}", s.passes_per_token),
                    format!("{:.3}", s.drafted_per_token),
                    format!("{:.0}", s.up_per_token),
                ]);
            }
            output::line(format_args!("\n{}, temperature {}", setting.setting.name, chapter.temperature));
            output::line(table.render());
            if let (Some((without, with)), Some(ours), Some(ahead)) =
                (setting.oracle, setting.row(Method::OursExact), setting.row(Method::OursExactAhead))
            {
                let share = |row: &uhlm_eval::record::Row, of: f64| 100.0 * row.summary.tokens_per_second.value / of;
                output::line(format_args!(
                    "oracle {without:.2}, ours {:.0} % of it; with draft-ahead {with:.2}, {:.0} %",
                    share(ours, without),
                    share(ahead, with)
                ));
            }
        }
    }
    let kinds = kinds_as_markdown(record);
    if !kinds.is_empty() {
        output::line(format_args!("\n{}", kinds.trim_end()));
    }
    let aims = aims::aims(record);
    if !aims.is_empty() {
        let mut table = Table::new(&["aim", "wanted", "measured", "reached"]);
        for aim in aims {
            let reached = if aim.reached { "yes" } else { "no" };
            table.push(vec![aim.what, aim.wanted, aim.measured, reached.into()]);
        }
        output::line("");
        output::line(table.render());
    }
}

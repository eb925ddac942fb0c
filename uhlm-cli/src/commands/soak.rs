//! `uhlm soak`: generations in a loop, and what grows meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use uhlm_load::chaos::Victim as _;
use uhlm_load::soak::{Course, Growth, SoakPlan, run as put_load};

use super::chaos::models;
use crate::failure::Failure;
use crate::output;
use crate::served::Served;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm soak --minutes 40 --csv soak.csv --html soak.html --check

The server is a process of its own, so that its memory is told from the phones'.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SoakArgs {
    /// Draft model, a GGUF file; without it the bundled one
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Option<PathBuf>,
    /// Target model, a GGUF file; without it the bundled one
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    /// Minutes for which generations go on
    #[arg(long, value_name = "N", default_value_t = 40.0)]
    minutes: f64,
    /// Phones that generate at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    phones: u64,
    /// Tokens of a reply
    #[arg(short = 'n', long, value_name = "N", default_value_t = 24)]
    tokens: usize,
    /// Seconds between two samples
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// Seed of the phones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// File to write all samples into, as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// File to write plots into, one HTML page that loads nothing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Folder to write the plots into, as `soak-memory.svg`, `soak-held.svg` and `soak-times.svg`
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Fail if memory, threads, descriptors or times grow from the second quarter to the last
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &SoakArgs) -> Result<(), Failure> {
    let seconds = |value: f64, name: &str| {
        Duration::try_from_secs_f64(value).map_err(|_| Failure::usage(format!("{name} is no time")))
    };
    let lasts = seconds(60.0 * args.minutes, "--minutes")?;
    let every = seconds(args.every, "--every")?.max(Duration::from_millis(100));
    let plan = SoakPlan { lasts, phones: args.phones, tokens: args.tokens, every, seed: args.seed };
    let (engine, target) = models(args.model.as_ref(), args.target.as_ref())?;
    let server = Served::start(&target)?;
    let bar = progress::bar(lasts.as_secs() as usize, "seconds");
    let draft = engine.model().clone().into();
    let course = put_load(&draft, &server.place(), server.process(), &plan, &mut |sample| {
        bar.set_position(sample.seconds as u64);
        bar.set_message(format!("{:.0} tokens/s", sample.tokens_per_second));
    });
    bar.finish_and_clear();
    let course = course?;
    if let Some(path) = &args.csv {
        write(path, &course.csv())?;
    }
    if let Some(path) = &args.html {
        write(path, &course.html()?)?;
    }
    if let Some(folder) = &args.plots {
        for figure in course.figures()? {
            write(&folder.join(format!("soak-{}.svg", figure.name)), &figure.svg)?;
        }
    }
    let growth = course.growth();
    show(&course, &growth);
    let growing: Vec<&str> = growth.iter().filter(|growth| !growth.is_flat()).map(|growth| growth.name).collect();
    if args.check && !growing.is_empty() {
        return Err(Failure::new(format!("not flat: {}", growing.join(", "))));
    }
    Ok(())
}

fn show(course: &Course, growth: &[Growth]) {
    let seconds = course.samples.last().map_or(0.0, |sample| sample.seconds);
    output::line(format_args!("{} generations in {:.1} minutes\n", course.generations(), seconds / 60.0));
    let mut table = Table::new(&["median of a quarter", "second", "last", "flat"]);
    for of in growth {
        let flat = if of.is_flat() { "yes" } else { "no" };
        table.push(vec![of.name.into(), format!("{:.1}", of.before), format!("{:.1}", of.after), flat.into()]);
    }
    output::line(table.render());
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

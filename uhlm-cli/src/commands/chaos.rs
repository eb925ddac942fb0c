//! `uhlm chaos`: generations through a network that cuts, stalls, corrupts and throttles, on phones whose clocks jump
//! and whose disk is full at random.

use std::path::PathBuf;

use clap::Args;
use uhlm_core::Engine;
use uhlm_llama::LoadOptions;
use uhlm_load::chaos::{ChaosPlan, Halves, Held, Outcome, Writes, run as put_through};

use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::served::Served;
use crate::stored::located;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm chaos                                     200 generations of the bundled pair
  uhlm chaos --generations 1000 --seed 7

What happens at random, from the seed:
  network   connections are cut, stalled, throttled, and have bits corrupted
  server    it is killed, and started again after up to a second
  clock     each phone's jumps forward, by up to three hours, and stands still for up to 0.4 s
  disk      between generations each phone saves its session and its calibration and downloads a small model; half of
            the writes find no room, or too little: files end at a limit on their size, which needs no rights (not on
            Windows)

Fails if a generation hangs or ends in no way that one may end in, if anything panics, here or in the server, if a write
on a full disk fails in another way, changes the file that was there or leaves anything beside it, if threads,
descriptors, sessions or sequences are left over, or if the second half of the generations takes 64 MiB more than the
first.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChaosArgs {
    /// Draft model, a GGUF file; without it the bundled one
    #[arg(short, long, value_name = "GGUF", requires = "target")]
    model: Option<PathBuf>,
    /// Target model, a GGUF file; without it the bundled one
    #[arg(long, value_name = "GGUF", requires = "model")]
    target: Option<PathBuf>,
    /// Generations of all phones together
    #[arg(long, value_name = "N", default_value_t = 200)]
    generations: u64,
    /// Phones that generate at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    phones: u64,
    /// Seed of the weather, of what dies when, and of the phones with their clocks and their disk
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Returns the draft and the target model that are named, or the bundled ones.
pub(super) fn models(model: Option<&PathBuf>, target: Option<&PathBuf>) -> Result<(Engine, PathBuf), Failure> {
    let (model, target) = match (model, target) {
        (Some(model), Some(target)) => (located(model)?, located(target)?),
        _ => {
            let pair = Pair::find()?;
            (pair.draft(), pair.target())
        }
    };
    Ok((Engine::load(model, &LoadOptions::default())?, target))
}

pub(crate) fn run(args: &ChaosArgs) -> Result<(), Failure> {
    let (engine, target) = models(args.model.as_ref(), args.target.as_ref())?;
    let mut server = Served::start(&target)?;
    let trust = server.trust.clone();
    let plan = ChaosPlan { generations: args.generations, phones: args.phones, seed: args.seed };
    let bar = progress::bar(args.generations as usize, "generations");
    let draft = engine.model().clone().into();
    let outcome = put_through(&draft, &mut server, &trust, &plan, &mut |begun| bar.set_position(begun));
    bar.finish_and_clear();
    let outcome = outcome?;
    show(&outcome);
    let faults = outcome.faults();
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("; "))) }
}

fn show(outcome: &Outcome) {
    let Outcome { tally, weather, kills, took, .. } = outcome;
    let mut ends = Table::new(&["end", "generations"]);
    tally.ends.iter().for_each(|(kind, count)| ends.push(vec![kind.clone(), count.to_string()]));
    output::line(ends.render());
    let weather: Vec<String> = weather.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    output::line(format_args!(
        "\n{} generations in {:.0} s, the longest {:.1} s; {} tokens, {} of them unverified; weather: {}; the server \
         was killed {kills} times",
        tally.generations(),
        took.as_secs_f64(),
        tally.longest.as_secs_f64(),
        tally.tokens,
        tally.unverified,
        weather.join(", "),
    ));
    let mut writes = Table::new(&["written", "whole", "disk full"]);
    for (file, Writes { whole, full }) in &outcome.writes {
        writes.push(vec![file.clone(), whole.to_string(), full.to_string()]);
    }
    output::line(format_args!("\n{}", writes.render()));
    let mut held = Table::new(&["held", "threads", "descriptors", "MB"]);
    let mut row = |name: &str, of: &Held| {
        let memory = format!("{:.1}", of.memory as f64 / 1e6);
        held.push(vec![name.to_owned(), of.threads.to_string(), of.descriptors.to_string(), memory]);
    };
    for (whose, both) in [("phones", &outcome.phones), ("server", &outcome.server)] {
        if let Some((before, after)) = both {
            row(&format!("{whose} before"), before);
            row(&format!("{whose} after"), after);
        }
    }
    output::line(format_args!("\n{}", held.render()));
    if let Some(Halves { first, second }) = outcome.memory {
        let [first, second] = [first, second].map(|bytes| bytes as f64 / 1e6);
        output::line(format_args!(
            "\nthe phones took at most {first:.1} MB in the first half, {second:.1} MB in the second"
        ));
    }
    if let Some(served) = outcome.served {
        let (sessions, sequences) = (served.sessions, served.sequences);
        output::line(format_args!("\nleft on the server: {sessions} sessions, {sequences} sequences"));
    }
}

//! Runs targets on changed inputs of their corpus, on stable Rust and from a seed:
//! `cargo run -p uhlm-fuzz --bin fuzz -- --target wire --runs 1000000`. An input on which a target panics is written
//! down, told, and fails the command; `--input FILE` runs one again.
#![allow(clippy::print_stdout, reason = "a command")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use uhlm_fuzz::mutation::Mutator;
use uhlm_fuzz::{TARGETS, Target, corpus, target};

const USAGE: &str = "\
usage: fuzz [--target NAME] [--runs N] [--seconds N] [--seed N] [--found FOLDER]
       fuzz --target NAME --input FILE      runs one input
       fuzz --write-seeds                   writes the inputs that the corpus begins with";

/// The flags, which are read by hand: libFuzzer compiles all that this package depends on.
struct Args {
    /// Target; `None` for all, one after the other.
    target: Option<String>,
    /// Number of inputs of each target.
    runs: u64,
    /// Longest time for each target, in seconds.
    seconds: u64,
    /// Seed that the inputs follow from.
    seed: u64,
    /// Folder in which inputs are written that a target panics on.
    found: PathBuf,
    /// One input to run instead.
    input: Option<PathBuf>,
    /// Whether the inputs that the corpus begins with are written, and nothing else is done.
    write_seeds: bool,
}

impl Args {
    fn read(mut flags: impl Iterator<Item = String>) -> Option<Self> {
        let found = PathBuf::from("target/fuzz");
        let (target, input, seconds) = (None, None, u64::MAX);
        let mut args = Self { target, runs: 100_000, seconds, seed: 1, found, input, write_seeds: false };
        while let Some(flag) = flags.next() {
            if flag == "--write-seeds" {
                args.write_seeds = true;
                continue;
            }
            let value = flags.next()?;
            match flag.as_str() {
                "--target" => args.target = Some(value),
                "--runs" => args.runs = value.parse().ok()?,
                "--seconds" => args.seconds = value.parse().ok()?,
                "--seed" => args.seed = value.parse().ok()?,
                "--found" => args.found = value.into(),
                "--input" => args.input = Some(value.into()),
                _ => return None,
            }
        }
        Some(args)
    }
}

/// Longest time for one input that is no hang.
const SLOW: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let Some(args) = Args::read(std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let chosen: Vec<&Target> = match &args.target {
        None => TARGETS.iter().collect(),
        Some(name) => match target(name) {
            Some(target) => vec![target],
            None => {
                println!(
                    "no target {name}; there are: {}",
                    TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(" ")
                );
                return ExitCode::FAILURE;
            }
        },
    };
    if args.write_seeds {
        for target in chosen {
            for seed in (target.seeds)() {
                if let Err(error) = corpus::write(&corpus::folder(target), &seed) {
                    println!("{}: {error}", target.name);
                    return ExitCode::FAILURE;
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    if let (Some(path), [target]) = (&args.input, &chosen[..]) {
        let Ok(input) = std::fs::read(path) else {
            println!("{} cannot be read", path.display());
            return ExitCode::FAILURE;
        };
        (target.run)(&input);
        return ExitCode::SUCCESS;
    }
    // All of them run, also those behind one that failed.
    let failed = chosen.into_iter().filter(|target| !run(target, &args)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target; returns whether it kept its promises on all inputs.
fn run(target: &Target, args: &Args) -> bool {
    let inputs = match corpus::read(target) {
        Ok(inputs) => inputs.into_iter().map(|(_, input)| input).collect::<Vec<_>>(),
        Err(error) => {
            println!("{}: {error}", target.name);
            return false;
        }
    };
    let mut mutator = Mutator::new(args.seed, target.words);
    let (began, mut slowest, mut done) = (Instant::now(), Duration::ZERO, 0);
    let limit = Duration::from_secs(args.seconds);
    while done < args.runs && began.elapsed() < limit {
        let input = mutator.input(&inputs);
        let at = Instant::now();
        let sound = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_ok();
        let took = at.elapsed();
        done += 1;
        if !sound || took > SLOW {
            let path = corpus::write(&args.found.join(target.name), &input);
            println!("{}: run {done} of seed {}, after {took:.1?}: {path:?}", target.name, args.seed);
            return false;
        }
        slowest = slowest.max(took);
    }
    let seconds = began.elapsed().as_secs_f64();
    let name = target.name;
    println!("{name}: {done} runs in {seconds:.0} s, {:.0} a second, the slowest {slowest:.1?}", done as f64 / seconds);
    true
}

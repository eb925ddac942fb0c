//! `uhlm`: the SDK on the command line.
//!
//! Each command has a file or folder of its own under `commands/`; what several share lies beside it. This file only
//! reads the arguments and turns the outcome into an exit code: 0 success, 1 failure, 2 wrong usage.

// Whatever is written passes the border of the terminal (`output`).
#![warn(clippy::print_stderr)]

mod commands;
mod evaluate;
mod failure;
mod grammar;
mod logging;
mod loopback;
mod options;
mod output;
mod pair;
mod pairing;
mod prompts;
mod remote;
mod report;
mod served;
mod setup;
mod stored;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::terminal::style::ColorChoice;

const EXAMPLES: &str = "\
Examples:
  uhlm demo                                      the bundled pair, every mode, a table
  uhlm chat                                      talk to the bundled pair
  uhlm serve --model target.gguf                 judge windows for devices
  uhlm chat --model draft.gguf --server https://host:8443 --token SECRET
  uhlm models pull qwen3-0.6b-q8                  download a model; `uhlm models ls --catalogue` lists what is known
  uhlm doctor --model draft.gguf --server https://host:8443

Exit codes: 0 success, 1 failure, 2 wrong usage.";

/// Hybrid inference: a small draft model writes here, a large target model judges where it must.
#[derive(Debug, Parser)]
#[command(name = "uhlm", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log what happens to stderr; twice for more. No prompt or reply is ever logged
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours; `NO_COLOR` is honoured
    #[arg(long, global = true, value_enum, default_value_t)]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the bundled pair at work and measure every mode
    Demo(commands::demo::DemoArgs),
    /// Talk to a model
    Chat(commands::chat::ChatArgs),
    /// Write one reply
    Generate(commands::generate::GenerateArgs),
    /// Serve a target model to devices over HTTPS
    Serve(commands::serve::ServeArgs),
    /// Measure how well the draft model's uncertainty predicts rejections, and store it beside the model
    Calibrate(commands::calibrate::CalibrateArgs),
    /// Say what a model file is and how it would be run here
    Info(commands::info::InfoArgs),
    /// Check model, server, trust and calibration step by step
    Doctor(commands::doctor::DoctorArgs),
    /// Compare this SDK with U-HLM and its relatives on the same prompts, models and modelled links
    Eval(commands::eval::EvalArgs),
    /// Download models, list, check and remove them
    Models(commands::models::ModelsArgs),
    /// Measure speed, memory and rounding
    Bench(commands::bench::BenchArgs),
    /// Load a verifier with many simulated phones, well-behaved and hostile ones
    Loadtest(commands::loadtest::LoadtestArgs),
    /// Say how many phones a verifier bears, from what a load test has measured
    Capacity(commands::capacity::CapacityArgs),
    /// Generate while the network cuts, stalls and corrupts, the server dies, clocks jump and the disk is full
    Chaos(commands::chaos::ChaosArgs),
    /// Generate for long, and see whether memory, descriptors or times grow
    Soak(commands::soak::SoakArgs),
}

impl Command {
    fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => commands::demo::run(args),
            Self::Chat(args) => commands::chat::run(args),
            Self::Generate(args) => commands::generate::run(args),
            Self::Serve(args) => commands::serve::run(args),
            Self::Calibrate(args) => commands::calibrate::run(args),
            Self::Info(args) => commands::info::run(args),
            Self::Doctor(args) => commands::doctor::run(args),
            Self::Eval(args) => commands::eval::run(args),
            Self::Models(args) => commands::models::run(args),
            Self::Bench(args) => commands::bench::run(args),
            Self::Loadtest(args) => commands::loadtest::run(args),
            Self::Capacity(args) => commands::capacity::run(args),
            Self::Chaos(args) => commands::chaos::run(args),
            Self::Soak(args) => commands::soak::run(args),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::style::choose(cli.color);
    let server = match &cli.command {
        Command::Serve(args) => Some(args.log_format()),
        _ => None,
    };
    logging::start(cli.verbose, server);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_and_its_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_takes_the_flags_of_the_server() {
        assert!(Cli::try_parse_from(["uhlm", "serve", "--model", "m.gguf", "--slots", "4"]).is_ok());
    }

    #[test]
    fn an_unknown_flag_is_wrong_usage() {
        let error = Cli::try_parse_from(["uhlm", "demo", "--nonsense"]).expect_err("no such flag");
        assert_eq!(error.exit_code(), 2);
    }
}

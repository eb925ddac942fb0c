//! The repository's own commands, the same on a developer's machine and in CI.
//!
//! `cargo xtask --help` lists them. This crate decides in which order the other tools run and what they are given. It
//! holds no product code and does not depend on llama.cpp, so it builds where cmake and clang are still missing. How a
//! bare machine gets what it lacks is in the scripts of `tools/sandbox`.

#![allow(clippy::print_stdout, reason = "a command line program: its output is its job")]

mod android;
mod bindings;
mod cargo;
mod ci;
mod commands;
mod llama_builds;
mod notices;
mod rules;
mod setup;
mod table;
mod test;
mod unsafe_code;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::test::Suite;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The commands of this repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look for the tools the build needs (compilers, cmake, libclang, ...) and install what is missing
    Setup {
        /// Only report; install nothing. Exits non-zero if something is missing
        #[arg(long)]
        check: bool,
        /// Install even where sudo asks for a password (without it: only as root or with passwordless sudo)
        #[arg(long, conflicts_with = "check")]
        yes: bool,
    },
    /// Set up, build and run the demo
    Demo {
        /// Arguments for the demo itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up, run the tests and print one table of the results
    Test {
        /// Only this suite
        #[arg(long, value_enum)]
        only: Option<Suite>,
    },
    /// Measure what the way through Kotlin and Swift costs against the Rust API, side by side
    BenchFfi,
    /// Build the library and generate the sources of the Kotlin and the Swift package from it
    Bindings {
        /// Only this language
        #[arg(value_enum)]
        language: Option<bindings::Language>,
    },
    /// Build the library for Android phones with the NDK, check it, and put it where the Gradle build packs it
    Android(android::Arguments),
    /// Build the XCFramework for the Swift package (on a Mac with Xcode)
    Ios {
        /// Print the commands and run none; works on every system
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the bill of materials and the licences of what is inside the native library, for the packages
    Notices {
        /// A library that was built: fails where it holds a crate that is not named
        libraries: Vec<std::path::PathBuf>,
    },
    /// Type-check the pure-Rust part for an Android phone and an iPhone
    PhoneTargets,
    /// Run histories of sessions under faults, in virtual time: the law's two sides alone, then whole sessions
    Simulate {
        /// Histories on each level
        #[arg(long, default_value_t = 10_000)]
        histories: u64,
        /// Seed of the first; each later one has the next
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Everything CI checks: architecture rules, format, lints, docs, tests. Stops at the first failure
    Ci,
    /// Evaluate this SDK beside U-HLM and its relatives and write every number and plot of docs/results.md
    Paper {
        /// Small samples, printed only: a few minutes
        #[arg(long)]
        quick: bool,
    },
    /// Run the benchmarks, in the release profile: this compiles llama.cpp a second time (about 10 minutes on 2 cores)
    Bench {
        /// Arguments for the benchmark runner, for example a filter or --save-baseline NAME
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Setup { check: true, .. } => setup::report(),
        Command::Setup { yes, .. } => setup::ensure_and_say(yes),
        Command::Demo { args } => commands::demo(&args),
        Command::Test { only } => test::run(only),
        Command::BenchFfi => commands::bench_ffi(),
        Command::Bindings { language } => bindings::run(language),
        Command::Android(arguments) => android::run(&arguments),
        Command::Ios { dry_run } => commands::ios(dry_run),
        Command::Notices { libraries } => notices::run(&libraries),
        Command::PhoneTargets => commands::phone_targets(),
        Command::Simulate { histories, seed } => commands::simulate(histories, seed),
        Command::Ci => ci::run(),
        Command::Paper { quick } => commands::paper(quick),
        Command::Bench { args } => commands::bench(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

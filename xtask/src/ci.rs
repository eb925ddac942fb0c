//! `cargo xtask ci` checks everything that a change must pass, in the order in which it fails fastest.
//!
//! All steps use one profile and one selection of packages: llama.cpp is compiled once, and the last step checks that.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::{cargo, commands, llama_builds, rules, setup, table, test};

/// The name of a step, and the function that runs it.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("setup", setup::ensure),
    ("rules", rules::run),
    ("lockfile", lockfile),
    ("dependencies", dependencies),
    ("fmt", || cargo::run(&mut cargo::cargo(&["fmt", "--all", "--check"]))),
    ("clippy", || cargo::run(&mut cargo::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ("doc", doc),
    ("test", || test::run_suites(None)),
    ("swift format", || cargo::run(cargo::script("swift.sh").arg("lint"))),
    ("phone targets", commands::phone_targets),
    // The demo's selection of features, which the suites do not have; the code itself is compiled by them.
    ("demo check", || cargo::run(&mut cargo::cargo(&["check", "--package", "uhlm-cli"]))),
];

/// Runs the steps up to the first that fails, then prints how long each took.
pub(crate) fn run() -> Result<()> {
    let start = SystemTime::now();
    let mut rows = Vec::new();
    let mut failure = None;
    for (name, step) in STEPS {
        failure = take(name, *step, &mut rows).err().map(|error| error.context(format!("ci stopped at `{name}`")));
        if failure.is_some() {
            break;
        }
    }
    let builds = "one llama build";
    if failure.is_none() {
        let outcome = take(builds, || llama_builds::at_most_one_since(start), &mut rows);
        failure = outcome.err().map(|error| error.context(format!("ci stopped at `{builds}`")));
    }
    for name in STEPS.iter().map(|(name, _)| *name).chain([builds]).skip(rows.len()) {
        rows.push([name.to_owned(), "not run".to_owned(), String::new()]);
    }
    println!("\n{}", table::format(["step", "result", "seconds"], &rows));
    failure.map_or(Ok(()), Err)
}

/// Runs a step and appends its row of the table.
fn take(name: &str, step: impl FnOnce() -> Result<()>, rows: &mut Vec<[String; 3]>) -> Result<()> {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let outcome = step();
    let took: Duration = start.elapsed();
    let result = if outcome.is_ok() { "ok" } else { "FAILED" };
    eprintln!("== {name}: {result} after {} s", table::seconds(took));
    rows.push([name.to_owned(), result.to_owned(), table::seconds(took)]);
    outcome
}

/// Fails if Cargo.lock does not fit the manifests, so that no later step changes it.
fn lockfile() -> Result<()> {
    let mut command = cargo::cargo(&["metadata", "--locked", "--format-version", "1"]);
    cargo::run(command.stdout(Stdio::null())).context("Cargo.lock does not fit the manifests")
}

/// Checks the crates' dependencies by `deny.toml`, and looks for such as no code uses, where the tools for that are
/// installed: neither comes with Rust, and compiling them takes longer than the other steps together.
fn dependencies() -> Result<()> {
    for (tool, check) in [("deny", &["check", "bans", "licenses", "sources"][..]), ("machete", &[])] {
        let installed = cargo::cargo(&[tool, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if installed.is_ok_and(|status| status.success()) {
            cargo::run(cargo::cargo(&[tool]).args(check))?;
        } else {
            eprintln!("left out: cargo-{tool} is not installed");
        }
    }
    Ok(())
}

fn doc() -> Result<()> {
    cargo::run(cargo::cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

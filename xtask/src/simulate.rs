//! `cargo xtask simulate`: histories of device, link and verifier under faults, in virtual time. For the night.
//!
//! Two levels: the law's two sides on a model of three tokens, where each step is a choice of its own, then whole
//! sessions on a synthetic pair. A history that fails is printed with its seed, and fails the command.

use std::time::Instant;

use anyhow::Result;

use crate::cargo;

/// The law's test that runs histories.
const LAW: &str = "every_history_ends_with_the_targets_own_text";

/// Runs as many histories on each level, from the seed `first` on.
pub(crate) fn run(histories: u64, first: u64) -> Result<()> {
    cargo::run(&mut cargo::cargo(&["test", "--package", "uhlm-law", "--lib", "--no-run"]))?;
    let mut law = cargo::cargo(&["test", "--package", "uhlm-law", "--lib", "--", "--nocapture", LAW]);
    law.env("UHLM_HISTORIES", histories.to_string()).env("UHLM_FIRST_HISTORY", first.to_string());
    let began = Instant::now();
    cargo::run(&mut law)?;
    println!("the law: {histories} histories, {:.0} a second", histories as f64 / began.elapsed().as_secs_f64());
    let (histories, first) = (histories.to_string(), first.to_string());
    cargo::run(&mut cargo::cargo(&["run", "--package", "uhlm-testing", "--bin", "simulate", "--", &histories, &first]))
}

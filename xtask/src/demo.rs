//! `cargo xtask demo`: from a fresh clone to the running demo.

use anyhow::Result;

use crate::{cargo, llama_builds, setup};

/// Sets up, builds and runs the demo with `args`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure(setup::Sudo { may_ask: false })?;
    if !llama_builds::any()? {
        eprintln!("The first build compiles llama.cpp: about 6 to 10 minutes on two cores. Later ones take seconds.");
    }
    // The dev profile, optimised in this workspace and the one the tests use: llama.cpp is compiled once for both.
    cargo::run(cargo::cargo(&["run", "--package", "uhlm-cli", "--", "demo"]).args(args))
}

//! `cargo xtask bench`: the benchmarks, in the release profile because that is what ships.

use anyhow::Result;

use crate::{cargo, setup};

/// Sets up and runs every bench target of the workspace with `args`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure(setup::Sudo { may_ask: false })?;
    eprintln!("Benchmarks use the release profile; its first build compiles llama.cpp again (about 10 minutes).");
    // Only bench targets: libtest's own harness, which libraries and programs have, does not know criterion's options.
    cargo::run(cargo::cargo(&["bench", "--workspace", "--bench", "*", "--"]).args(args))
}

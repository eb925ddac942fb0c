//! `cargo xtask setup` installs what the build needs beside Rust. `tools/sandbox/setup.sh` decides what that is and how
//! to get it.

use anyhow::{Result, bail};

use crate::cargo;

/// Prints every tool with what was found of it; fails if one is missing.
pub(crate) fn report() -> Result<()> {
    run(&["--check"])
}

/// Installs what is missing, then says that everything is there; with `may_ask`, installs also where sudo asks for a
/// password.
pub(crate) fn ensure_and_say(may_ask: bool) -> Result<()> {
    run(if may_ask { &["--yes"] } else { &[] })?;
    println!("Everything the build needs is here.");
    Ok(())
}

/// Installs what is missing, as far as that needs no question; prints nothing where nothing is.
pub(crate) fn ensure() -> Result<()> {
    run(&[])
}

/// Runs the script with `args`. The script prints itself what is missing.
fn run(args: &[&str]) -> Result<()> {
    if !cargo::script("sandbox/setup.sh").args(args).status()?.success() {
        bail!("this machine cannot build the repository yet");
    }
    Ok(())
}

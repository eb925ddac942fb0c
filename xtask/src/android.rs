//! `cargo xtask android` builds the native library for phones, checks it, and puts it where the Gradle build packs it.
//! `tools/android.sh` runs the commands for that, `tools/android-variants.sh` lists the variants that each ABI has, and
//! `tools/android-library.sh` checks what a library must be.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::cargo;

/// The ABIs of phones, as the NDK names them.
const ABIS: [&str; 3] = ["arm64-v8a", "armeabi-v7a", "x86_64"];

/// The variants of the library, of which Kotlin chooses one where it is loaded. An ABI has the baseline and some of the
/// others.
const VARIANTS: [&str; 4] = ["baseline", "dotprod", "i8mm", "avx2"];

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only this ABI; may be repeated
    #[arg(long = "abi", value_name = "ABI", default_values = ABIS, value_parser = PossibleValuesParser::new(ABIS))]
    abis: Vec<String>,
    /// Print the commands and run none; needs no NDK
    #[arg(long)]
    dry_run: bool,
    /// Of the variants for newer processors, only this one; may be repeated. The baseline is always built
    #[arg(long = "variant", value_name = "NAME", value_parser = PossibleValuesParser::new(VARIANTS))]
    variants: Vec<String>,
    /// Build nothing: check these libraries, each by the rules of the ABI it is for
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["abis", "dry_run", "variants"])]
    check: Vec<PathBuf>,
}

/// Builds, checks and packs the libraries, or does what the arguments ask for instead.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.check.is_empty() {
        let files = arguments.check.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
        return cargo::run(cargo::script("android-library.sh").args(files));
    }
    let mut script = cargo::script("android.sh");
    if arguments.dry_run {
        script.arg("--dry-run");
    }
    for variant in &arguments.variants {
        script.args(["--variant", variant]);
    }
    cargo::run(script.args(&arguments.abis))
}

//! `cargo xtask android` builds the native library for phones, checks it, and puts it where the Gradle build packs it.
//! `tools/android.sh` runs the commands for that, and `tools/android-library.sh` checks what a library must be.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::cargo;

/// The ABIs of phones, as the NDK names them.
const ABIS: [&str; 3] = ["arm64-v8a", "armeabi-v7a", "x86_64"];

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only this ABI; may be repeated
    #[arg(long = "abi", value_name = "ABI", default_values = ABIS, value_parser = PossibleValuesParser::new(ABIS))]
    abis: Vec<String>,
    /// Print the commands and run none; needs no NDK
    #[arg(long)]
    dry_run: bool,
    /// The oldest 64-bit ARM processors to build for, as a compiler names them. armv8.2-a+dotprod is several times
    /// faster with quantized models, and does not start on phones from before about 2018
    #[arg(long, value_name = "ARCH", default_value = "armv8-a")]
    arm_arch: String,
    /// Build nothing: check these libraries, each by the rules of the ABI it is for
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["abis", "dry_run"])]
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
    cargo::run(script.arg(&arguments.arm_arch).args(&arguments.abis))
}

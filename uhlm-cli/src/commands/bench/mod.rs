//! `uhlm bench`: speed.

mod device;
mod reference;

use clap::{Args, Subcommand};

use crate::failure::Failure;

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Tokens a second of the draft model through a session, against llama.cpp's own loop on the same file
    Device(device::DeviceArgs),
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.what {
        What::Device(args) => device::run(args),
    }
}

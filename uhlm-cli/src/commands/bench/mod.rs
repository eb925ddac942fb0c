//! `uhlm bench`: speed, memory, and the effects of rounding.

mod bridge;
mod device;
mod load;
mod memory;
mod noise;
mod pace;
mod parts;
mod prompts;
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
    /// Time a token of the bridge between two vocabularies, and how their tokens go together
    Bridge(bridge::BridgeArgs),
    /// Tokens a second of the draft model through a session, against llama.cpp's own loop on the same file
    Device(device::DeviceArgs),
    /// Tokens a second and time on cores of the draft model, alone and beside a second process that does the same
    Load(load::LoadArgs),
    /// Memory of draft models at its peak, against the estimate before loading
    Memory(memory::MemoryArgs),
    /// How far a model's log-probabilities depend on how many tokens share a pass, and how often texts part for it
    Noise(noise::NoiseArgs),
    /// Every pace against streaming the target, prompt by prompt, in real time and over HTTPS on loopback
    Pace(pace::PaceArgs),
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.what {
        What::Bridge(args) => bridge::run(args),
        What::Device(args) => device::run(args),
        What::Load(args) => load::run(args),
        What::Memory(args) => memory::run(args),
        What::Noise(args) => noise::run(args),
        What::Pace(args) => pace::run(args),
    }
}

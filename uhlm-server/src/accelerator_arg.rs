//! The part of the machine that a model computes on, as a command-line flag names it.

use uhlm_llama::Accelerator;

/// The part of the machine that a model computes on, as a command-line flag names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AcceleratorArg {
    /// A GPU where this build can use one and the system has one, else the CPU.
    #[default]
    Auto,
    /// The CPU alone.
    Cpu,
    /// A GPU; an error where there is none.
    Gpu,
}

impl From<AcceleratorArg> for Accelerator {
    fn from(argument: AcceleratorArg) -> Self {
        match argument {
            AcceleratorArg::Auto => Self::Auto,
            AcceleratorArg::Cpu => Self::Cpu,
            AcceleratorArg::Gpu => Self::Gpu,
        }
    }
}

//! The part of the machine that a model is asked to compute on.

use serde::{Deserialize, Serialize};

/// The part of the machine that a model is to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// A GPU where llama.cpp was built for one and the system has one that takes the model, else the CPU.
    /// [`Backend::no_gpu`](crate::Backend::no_gpu) says why it is the CPU.
    #[default]
    Auto,
    /// The CPU alone: no pass and no part of one runs on a GPU.
    Cpu,
    /// A GPU, or an error where there is none.
    Gpu,
}

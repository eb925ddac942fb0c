//! Language models through llama.cpp. The only folder that names `llama_cpp_2`.
//!
//! [`Model`] is a loaded GGUF file that any number of sequences share; [`LlamaSequence`] is one sequence for the device,
//! [`BatchContext`] holds many for a verifier and decodes tokens of all of them in one pass.

mod backend;
mod batch;
mod context;
mod load_log;
mod model;
mod sequence;
mod template;

pub use crate::gguf::GgufSummary;
pub use batch::{BatchContext, BatchToken};
pub use context::ContextOptions;
pub use model::{LoadError, LoadOptions, MemoryNeed, Model};
pub use sequence::LlamaSequence;

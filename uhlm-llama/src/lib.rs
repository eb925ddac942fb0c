//! Language models through llama.cpp. The only crate that names it.
//!
//! [`Model`] is a loaded GGUF file that any number of sequences share; [`LlamaSequence`] is one sequence for the
//! device, [`BatchContext`] holds many for a verifier and decodes tokens of all of them in one pass. [`gguf`] reads a
//! file's header before llama.cpp sees the file, [`memory`] says from that header what the model will take.

mod accelerator;
mod architecture;
mod backend;
mod batch;
mod context;
mod cores;
mod draft_model;
mod error;
mod fallback;
pub mod fingerprint;
pub mod gguf;
mod header;
pub mod invariance;
mod language;
mod lexicon;
mod loading;
mod log;
pub mod memory;
mod model;
mod native;
mod options;
mod placement;
mod probe;
mod recommended;
mod sequence;
pub mod split;
mod template;
mod token_table;
mod tokenizer;
mod vocabulary_file;
mod waiting;

pub use self::accelerator::Accelerator;
pub use self::batch::{BatchContext, BatchToken};
pub use self::error::LoadError;
pub use self::gguf::GgufSummary;
pub use self::language::Language;
pub use self::lexicon::Lexicon;
pub use self::model::Model;
pub use self::options::{CachePrecision, ContextOptions, ContextSize, LoadOptions, MemoryNeed};
pub use self::placement::{Backend, NoGpu};
pub use self::sequence::LlamaSequence;
pub use self::template::render_template;
pub use self::vocabulary_file::VocabularyFile;
pub use self::waiting::Waiting;

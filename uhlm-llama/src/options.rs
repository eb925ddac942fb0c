//! How a model is loaded, and how a context on it is made.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uhlm_law::cancel::Cancel;

/// Threads that a device's context gets at most: more slow a phone down.
pub(crate) const MAX_THREADS: u32 = 4;

/// How long the context of a device's model is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextSize {
    /// So many tokens; an error where there is no memory for them.
    Fixed(NonZeroU32),
    /// What the model was trained for, at most [`MAX_FIT`](crate::memory::MAX_FIT) tokens, and at most what fits into
    /// the memory that is free.
    #[default]
    Fit,
}

impl ContextSize {
    /// So many tokens; 0 for [`Self::Fit`].
    #[must_use]
    pub fn of(tokens: u32) -> Self {
        NonZeroU32::new(tokens).map_or(Self::Fit, Self::Fixed)
    }

    /// The tokens; 0 for [`Self::Fit`].
    #[must_use]
    pub fn tokens(self) -> u32 {
        match self {
            Self::Fixed(tokens) => tokens.get(),
            Self::Fit => 0,
        }
    }
}

impl From<u32> for ContextSize {
    fn from(tokens: u32) -> Self {
        Self::of(tokens)
    }
}

/// A context that there must be memory for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Tokens of the context; 0 for any that fits, which the shortest must.
    pub context: u32,
    /// Bytes that are free; `None` asks [`memory::available`](crate::memory::available), and checks nothing where that
    /// does not know. `Some(u64::MAX)` loads a model in any case.
    pub available: Option<u64>,
}

/// How a model is loaded.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Map the file instead of reading it. `None`: map it where the system can.
    pub mmap: Option<bool>,
    /// Layers to put on a GPU, where llama.cpp was built for one.
    pub gpu_layers: u32,
    /// What must be free before the file is touched; `None` for the shortest context in the memory that the system says
    /// is free. A model about which the header says too little is loaded in any case.
    pub memory: Option<MemoryNeed>,
    /// A chat template in place of the file's, for models that have none or a broken one: Jinja as `transformers` knows
    /// it. One that does not compile is told of by the first conversation.
    pub chat_template: Option<String>,
    /// Called with the share of the file that is loaded, in [0, 1], on the loading thread.
    pub progress: Option<Arc<dyn Fn(f32) + Send + Sync>>,
    /// Raised, it ends the load with [`LoadError::Cancelled`](crate::LoadError::Cancelled).
    pub cancel: Cancel,
}

impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions")
            .field("mmap", &self.mmap)
            .field("gpu_layers", &self.gpu_layers)
            .field("memory", &self.memory)
            .field("chat_template", &self.chat_template.is_some())
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// Options of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// Tokens that it holds, all sequences together; 0 as [`ContextSize::Fit`] says.
    pub context: u32,
    /// Threads that decode; 0 for [`Model::sensible_threads`](crate::Model::sensible_threads), at most 4 (more slow a
    /// phone down).
    pub threads: u32,
    /// Tokens in one pass of the engine; longer inputs are cut, and cancelling is looked at between two passes.
    pub batch: u32,
    /// Tokens of a pass that are computed at once, at most `batch`; 0 for all of them. How many are computed together
    /// decides in which order llama.cpp adds numbers up, so logits differ by rounding between passes of different
    /// sizes. With 1 the rows of a sequence are the same to the bit whatever they share a pass or the context with.
    /// Every token then reads the model's weights by itself, prompts too, and each sequence has its own equal part of
    /// the context, `context / sequences` tokens, where otherwise it may use what others leave.
    pub micro_batch: u32,
    /// Sequences that share the context.
    pub sequences: u32,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self { context: 0, threads: 0, batch: 256, micro_batch: 0, sequences: 1 }
    }
}

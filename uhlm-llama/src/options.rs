//! The options with which a model is loaded and a context on it is made.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uhlm_law::cancel::Cancel;

use crate::accelerator::Accelerator;
use crate::waiting::Waiting;

/// Largest number of threads of a device's context: more slow a phone down.
pub(crate) const MAX_THREADS: u32 = 4;

/// The length of the context of a device's model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextSize {
    /// This many tokens; an error where there is no memory for them.
    Fixed(NonZeroU32),
    /// As many tokens as the model was trained for, at most [`MAX_FIT`](crate::memory::MAX_FIT), and at most what fits
    /// into the memory that is free.
    #[default]
    Fit,
}

impl ContextSize {
    /// Makes the size of so many tokens; [`Self::Fit`] for 0.
    #[must_use]
    pub fn of(tokens: u32) -> Self {
        NonZeroU32::new(tokens).map_or(Self::Fit, Self::Fixed)
    }

    /// Returns the number of tokens; 0 for [`Self::Fit`].
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

/// The form in which the keys and values of a context are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachePrecision {
    /// Numbers of 16 bits.
    #[default]
    F16,
    /// Blocks of 32 numbers of 8 bits with a scale: about half the memory, and other logits. The heads of the model
    /// must be multiples of 32 wide.
    Q8,
}

/// A context that there must be memory for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Length of the context, in tokens; 0 for any that fits, which the shortest must.
    pub context: u32,
    /// Free memory, in bytes; `None` asks [`memory::available`](crate::memory::available), and checks nothing where
    /// that does not know. `Some(u64::MAX)` loads a model in any case.
    pub available: Option<u64>,
}

/// The options with which a model is loaded.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Whether the file is mapped instead of read; `None` maps it where the system can.
    pub mmap: Option<bool>,
    /// Part of the machine that the model computes on. Where [`Accelerator::Auto`] goes back to the CPU because the GPU
    /// did not take the model, the file is loaded a second time, and `progress` begins again.
    pub accelerator: Accelerator,
    /// Largest number of layers on a GPU; `None` for all of them, `Some(0)` is the CPU alone.
    pub gpu_layers: Option<u32>,
    /// Whether rows are computed so that a row does not depend, to the bit, on how many share its pass. See
    /// [`invariance`](crate::invariance) for what that takes and costs.
    pub batch_invariant: bool,
    /// Form in which the contexts of the model keep keys and values.
    pub cache: CachePrecision,
    /// Context for which there must be memory before the file is touched; `None` for the shortest context in the memory
    /// that the system says is free. A model about which the header says too little is loaded in any case.
    pub memory: Option<MemoryNeed>,
    /// A chat template in place of the file's, for models that have none or a broken one: Jinja as `transformers` knows
    /// it. The error of one that does not compile comes with the first conversation.
    pub chat_template: Option<String>,
    /// Callback that gets the share of the file that is loaded, in [0, 1], on the loading thread.
    pub progress: Option<Arc<dyn Fn(f32) + Send + Sync>>,
    /// Signal that, once raised, ends the load with [`LoadError::Cancelled`](crate::LoadError::Cancelled).
    pub cancel: Cancel,
}

impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions")
            .field("mmap", &self.mmap)
            .field("accelerator", &self.accelerator)
            .field("gpu_layers", &self.gpu_layers)
            .field("batch_invariant", &self.batch_invariant)
            .field("cache", &self.cache)
            .field("memory", &self.memory)
            .field("chat_template", &self.chat_template.is_some())
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// Options of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// Number of tokens that it holds, all sequences together; 0 as [`ContextSize::Fit`] says.
    pub context: u32,
    /// Number of threads that decode; 0 for [`Model::sensible_threads`](crate::Model::sensible_threads), at most 4
    /// (more slow a phone down). From 512 tokens of the cache on llama.cpp's flash attention adds up a part of it on
    /// each thread, so logits differ by rounding between numbers of threads.
    pub threads: u32,
    /// Conduct of those threads between two passes.
    pub waiting: Waiting,
    /// Number of tokens in one pass of the engine; longer inputs are cut, and cancelling is looked at between two
    /// passes.
    pub batch: u32,
    /// Number of tokens of a pass that are computed at once, at most `batch`; 0 for all of them. It decides in which
    /// order llama.cpp adds numbers up, so logits differ by rounding between passes of different sizes. With 1 the rows
    /// of a sequence are the same to the bit whatever they share a pass or the context with. Every token then reads the
    /// model's weights by itself, prompts too, and each sequence has its own equal part of the context, `context /
    /// sequences` tokens, where otherwise it may use what others leave.
    pub micro_batch: u32,
    /// Number of sequences that share the context.
    pub sequences: u32,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self { context: 0, threads: 0, waiting: Waiting::Sleep, batch: 256, micro_batch: 0, sequences: 1 }
    }
}

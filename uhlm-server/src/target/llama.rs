//! llama.cpp in this process.

use std::sync::Arc;

use uhlm_law::chat::DraftModel as _;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, Scratch, TokenId};
use uhlm_llama::{BatchContext, BatchToken, ContextOptions, Model};

use super::{Target, TargetInfo};

/// The most sequences that llama.cpp holds in one context (`LLAMA_MAX_SEQ`).
const MAX_SLOTS: u32 = 256;

/// How llama.cpp runs the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Tokens in the cache, all sessions together; 0 for the length that the model was trained for.
    pub context: u32,
    /// Tokens in one pass. A window with its bonus row must fit.
    pub batch: u32,
    /// Sessions that have a cache at the same time; others are decoded again when their turn comes.
    pub slots: u32,
    /// Threads that decode; 0 for one a core.
    pub threads: u32,
    /// Layers on a GPU, where llama.cpp was built for one.
    pub gpu_layers: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { context: 16_384, batch: 512, slots: 64, threads: 0, gpu_layers: 0 }
    }
}

/// A GGUF model run by llama.cpp.
#[derive(Debug)]
pub struct LlamaTarget {
    context: BatchContext,
    info: TargetInfo,
    slots: u32,
    scratch: Scratch,
}

impl LlamaTarget {
    /// A context of its own on a model that may be shared.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new(model: Arc<Model>, options: &EngineOptions) -> Result<Self, ModelError> {
        let slots = options.slots.clamp(1, MAX_SLOTS);
        let threads = match options.threads {
            // Unlike a phone, a server has no slow cores.
            0 => model.sensible_threads(u32::MAX),
            n => n,
        };
        let context = ContextOptions { context: options.context, threads, batch: options.batch, sequences: slots };
        let info = TargetInfo {
            name: model.name().to_owned(),
            fingerprint: model.fingerprint(),
            vocabulary: model.vocabulary_hash(),
            vocabulary_size: model.vocabulary().size() as u32,
            context: model.trained_context(),
        };
        Ok(Self { context: BatchContext::new(model, &context)?, info, slots, scratch: Scratch::default() })
    }
}

impl Target for LlamaTarget {
    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.context.model().vocabulary().is_end(id)
    }

    fn capacity(&self) -> usize {
        self.context.capacity()
    }

    fn batch_size(&self) -> usize {
        self.context.batch_size()
    }

    fn slots(&self) -> u32 {
        self.slots
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        self.context.decode(tokens)
    }

    fn distribution(
        &mut self,
        index: usize,
        chain: &SamplingChain,
        history: &[TokenId],
    ) -> Result<Distribution, ModelError> {
        let Some(logits) = self.context.logits(index) else {
            return Err(ModelError::Decode { reason: format!("the pass left no row {index}") });
        };
        chain
            .distribution(ChainInput { logits, history, mask: None }, &mut self.scratch)
            .map_err(|error| ModelError::Decode { reason: error.to_string() })
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.context.truncate(slot, from)
    }
}

//! The target model run by llama.cpp in this process.

use std::sync::Arc;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::{LanguageModel as _, ModelError, Vocabulary};
use uhlm_law::sampling::Scratch;
use uhlm_llama::{BatchContext, BatchToken, ContextOptions, Model, VocabularyFile};

use super::{Target, TargetInfo};

/// Largest number of sequences that llama.cpp holds in one context (`LLAMA_MAX_SEQ`).
const MAX_SLOTS: u32 = 256;

/// Options by which llama.cpp runs the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Capacity of the KV cache for all sessions together, in tokens; 0 for the length that the model was trained for.
    pub context: u32,
    /// Largest number of tokens in one pass; more are decoded in several.
    pub batch: u32,
    /// Number of tokens of a pass that are computed at once; 0 for all of them. With 1 the logits of a session do not
    /// depend on what shares a pass or the cache with it, so a seed gives the same text to the bit whatever the server
    /// has to do beside it. The cost is that each token reads the weights by itself: a pass over n tokens takes as long
    /// as n passes, prompts too. And a slot has room for a whole context then, so there are at most as many slots as
    /// whole contexts go into the cache.
    pub micro_batch: u32,
    /// Number of sessions that have a cache at the same time; others are decoded again when their turn comes.
    pub slots: u32,
    /// Number of threads that decode; 0 for one per core.
    pub threads: u32,
    /// Number of layers on a GPU, where llama.cpp was built for one.
    pub gpu_layers: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { context: 16_384, batch: 512, micro_batch: 0, slots: 64, threads: 0, gpu_layers: 0 }
    }
}

/// A GGUF model run by llama.cpp.
#[derive(Debug)]
pub struct LlamaTarget {
    context: BatchContext,
    info: TargetInfo,
    vocabulary_file: Option<VocabularyFile>,
    scratch: Scratch,
}

impl LlamaTarget {
    /// Makes a context of its own on a model that may be shared.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new(model: Arc<Model>, options: &EngineOptions) -> Result<Self, ModelError> {
        let whole_contexts = (options.context / model.trained_context().max(1)).max(1);
        let slots = if options.micro_batch == 1 { options.slots.min(whole_contexts) } else { options.slots };
        let slots = slots.clamp(1, MAX_SLOTS);
        let threads = match options.threads {
            // Unlike a phone, a server has no slow cores.
            0 => model.sensible_threads(u32::MAX),
            n => n,
        };
        let EngineOptions { batch, micro_batch, .. } = *options;
        let context = if options.context == 0 { model.trained_context() } else { options.context };
        let context = ContextOptions { context, threads, batch, micro_batch, sequences: slots };
        let about = Arc::clone(&model);
        let context = BatchContext::new(model, &context)?;
        let info = TargetInfo {
            name: about.name().to_owned(),
            fingerprint: about.fingerprint(),
            vocabulary: about.vocabulary_hashes().clone(),
            vocabulary_size: about.vocabulary().size() as u32,
            context: about.trained_context(),
            capacity: context.capacity(),
            batch_size: context.batch_size(),
            slots,
        };
        Ok(Self { context, info, vocabulary_file: None, scratch: Scratch::default() })
    }

    /// Offers this file with the model's vocabulary to devices that have another one.
    #[must_use]
    pub fn offering(self, vocabulary_file: Option<VocabularyFile>) -> Self {
        Self { vocabulary_file, ..self }
    }
}

impl Target for LlamaTarget {
    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        self.context.model().vocabulary()
    }

    fn vocabulary_file(&self) -> Option<VocabularyFile> {
        self.vocabulary_file.clone()
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        self.context.decode(tokens)
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        let failed = |reason: String| ModelError::Decode { reason };
        let logits = self.context.logits(index).ok_or_else(|| failed(format!("the pass left no row {index}")))?;
        let keys = self.context.model().token_keys();
        draw.of_logits(logits, &mut self.scratch, keys).map_err(|error| failed(error.to_string()))
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.context.truncate(slot, from)
    }
}

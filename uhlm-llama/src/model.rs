//! A loaded GGUF file: its language, its weights, and the lock under which contexts are made.

use std::path::Path;
use std::sync::{Arc, Mutex};

use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::Vocabulary as _;
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_law::token::TokenKind;

use crate::backend;
use crate::cores;
use crate::error::LoadError;
use crate::fallback::{Devices, load_at};
use crate::fingerprint;
use crate::gguf::GgufSummary;
use crate::invariance;
use crate::language::Language;
use crate::loading::open;
use crate::memory::{self, MemoryError};
use crate::native;
use crate::options::{CachePrecision, LoadOptions};
use crate::placement::Backend;
use crate::probe;
use crate::split;
use crate::token_table;

/// A loaded model. Cheap to share; sequences keep it alive.
pub struct Model {
    pub(crate) language: Language,
    backend: Backend,
    summary: GgufSummary,
    fingerprint: Digest,
    batch_invariant: bool,
    cache: CachePrecision,
    /// Free memory as given by whoever loaded the model, in bytes.
    limit: Option<u64>,
    /// Part of the estimate that is taken since the model was loaded, in bytes.
    copied: u64,
    /// Lock under which contexts are made one at a time, because that writes to the model inside llama.cpp.
    context_lock: Mutex<()>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("summary", &self.summary).finish_non_exhaustive()
    }
}

impl Model {
    /// Checks and loads a GGUF file, or all parts of a split one if `path` is one of them. Blocks; reads or maps the
    /// whole file.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<Self>, LoadError> {
        // llama.cpp wants the first part and finds the others.
        let path = &split::first_part(path);
        let at = || path.to_path_buf();
        let mut summary = split::read(path).map_err(|error| LoadError::of_header(at(), error))?;
        if let (CachePrecision::Q8, Some(shape)) = (options.cache, &mut summary.shape) {
            shape.quantise_cache();
        }
        let need = options.memory.unwrap_or_default();
        if let Some(available) = need.available.or_else(memory::available)
            && let Err(error @ MemoryError::NotEnough { .. }) = memory::check_summary(&summary, need.context, available)
        {
            return Err(LoadError::Memory(error));
        }
        if options.batch_invariant {
            invariance::check(options.cache).map_err(LoadError::NotInvariant)?;
        }
        let fingerprint = fingerprint::files(path, &summary.further_parts)
            .map_err(|source| LoadError::Unreadable { path: at(), source })?;
        let unsupported =
            |reason: String| LoadError::Unsupported { path: at(), architecture: summary.architecture.clone(), reason };

        let pre_tokenizer = summary.pre_tokenizer.as_deref();
        backend::start();
        let devices = Devices::here();
        // The pass that tries the model is part of the load: a GPU that fails at it has not taken the model.
        let (language, backend) = load_at(options, &devices, |gpus| {
            let inner = open(path, options, false, gpus, &unsupported)?;
            writes_text(&inner).map_err(&unsupported)?;
            let language = Language::of(inner, pre_tokenizer, options.chat_template.clone()).map_err(&unsupported)?;
            probe::one_pass(language.inner(), options.cache == CachePrecision::Q8).map_err(&unsupported)?;
            Ok(language)
        })?;
        let estimate = memory::of_summary(&summary, 0).unwrap_or_default();
        // On a GPU of a phone the weights are a copy as well; of some layers it is not known how much they are.
        let all_on_gpu = backend.is_gpu() && options.gpu_layers.is_none();
        let is_copy = options.mmap == Some(false) || all_on_gpu && devices.copy_into_system_memory();
        let weights = if is_copy { estimate.weights } else { 0 };
        // What the app said is free was so before the load.
        let copied = if need.available.is_some() { 0 } else { weights + estimate.repacked + estimate.vocabulary };
        Ok(Arc::new(Self {
            language,
            backend,
            summary,
            fingerprint,
            batch_invariant: options.batch_invariant,
            cache: options.cache,
            limit: need.available,
            copied,
            context_lock: Mutex::new(()),
        }))
    }

    /// Tells whether a row does not depend, to the bit, on how many share its pass: see
    /// [`invariance`](crate::invariance).
    #[must_use]
    pub fn is_batch_invariant(&self) -> bool {
        self.batch_invariant
    }

    /// Returns the form in which contexts keep keys and values.
    #[must_use]
    pub fn cache(&self) -> CachePrecision {
        self.cache
    }

    /// Returns the part of the machine that the model computes on, and why it is not a GPU where it is none.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Returns the facts that the file's header states, with the cache as contexts keep it.
    #[must_use]
    pub fn summary(&self) -> &GgufSummary {
        &self.summary
    }

    /// Returns the name in the file, or its architecture.
    #[must_use]
    pub fn name(&self) -> &str {
        self.summary.name.as_deref().unwrap_or(&self.summary.architecture)
    }

    /// Returns the sampling that the model's authors recommend, where the file says it.
    #[must_use]
    pub fn recommended_sampling(&self) -> Option<&SamplingParams> {
        self.summary.recommended.as_ref()
    }

    /// Returns the fingerprint of the file.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Returns the keys of the vocabulary's tokens, which shared noise is drawn by.
    #[must_use]
    pub fn token_keys(&self) -> &TokenKeys {
        self.language.keys()
    }

    /// Returns the hashes of the vocabulary, by which two models are compared.
    #[must_use]
    pub fn vocabulary_hashes(&self) -> &VocabularyHashes {
        self.language.hashes()
    }

    /// Returns the number of rows of the vocabulary's matrix; those that stand for no token are never drawn.
    #[must_use]
    pub fn vocabulary_rows(&self) -> usize {
        self.language.vocabulary.rows()
    }

    /// Returns the number of tokens: rows that stand for one.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.language.vocabulary.size() - self.language.vocabulary.holes().len()
    }

    /// Returns a token's text, with the name of a control token written out, and its purpose besides ending a reply;
    /// `None` where there is no token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<(Vec<u8>, TokenKind)> {
        let kind = self.language.vocabulary.kind(id)?;
        token_table::raw_text(self.inner(), id).ok().map(|text| (text, kind))
    }

    /// Returns the length of the context that the model was trained for, in tokens.
    #[must_use]
    pub fn trained_context(&self) -> u32 {
        self.inner().trained_context()
    }

    /// Returns the length of the context that a session on it gets which asks for none by length, in tokens: see
    /// [`ContextSize::Fit`](crate::ContextSize::Fit).
    ///
    /// # Errors
    /// [`MemoryError::NotEnough`] where not even the shortest fits into the memory that is free.
    pub fn fitted_context(&self) -> Result<u32, MemoryError> {
        match memory::check_summary(&self.summary, 0, self.free()) {
            Ok(estimate) => Ok(estimate.context),
            // What its header does not say is not checked.
            Err(MemoryError::Unknown { .. }) => Ok(self.trained_context().clamp(1, memory::MAX_FIT)),
            Err(error) => Err(error),
        }
    }

    /// Returns the length of a context of `tokens` tokens, 0 for as long as fits, if there is memory for it.
    pub(crate) fn checked_context(&self, tokens: u32) -> Result<u32, MemoryError> {
        if tokens == 0 {
            return self.fitted_context();
        }
        match memory::check_summary(&self.summary, tokens, self.free()) {
            Err(error @ MemoryError::NotEnough { .. }) => Err(error),
            _ => Ok(tokens),
        }
    }

    /// Returns the bytes that are free for the model and a context. What is mapped of the file counts as free to the
    /// system; what was copied of it does not, and is there already.
    fn free(&self) -> u64 {
        let Some(free) = self.limit.or_else(memory::available) else { return u64::MAX };
        free.saturating_add(self.copied)
    }

    /// Returns the number of parameters.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.inner().parameters()
    }

    /// Returns the number of threads to decode with unless something else is wanted: one for each fast core, at most
    /// `most`, of which one is left to others where nothing else would be; but a single one for a small model.
    ///
    /// llama.cpp's threads spin at a barrier after every operation. The fast ones wait there for one on a slow core,
    /// and as soon as another process takes a core each barrier waits for the scheduler. A model of a few million
    /// parameters spends more time there than in its matrices (measured with 0.3 M parameters on two busy cores:
    /// 4 tokens/s with two threads, 5,000 with one).
    #[must_use]
    pub fn sensible_threads(&self, most: u32) -> u32 {
        const SMALL: u64 = 10_000_000;
        if self.parameters() < SMALL { 1 } else { cores::threads(most) }
    }

    pub(crate) fn inner(&self) -> &native::Model {
        self.language.inner()
    }

    pub(crate) fn context_lock(&self) -> &Mutex<()> {
        &self.context_lock
    }
}

/// Checks that a loaded model writes text token by token; the error says what it does instead.
fn writes_text(model: &native::Model) -> Result<(), String> {
    let refused = if model.is_recurrent() {
        "a recurrent state cannot be rolled back token by token"
    } else if model.is_diffusion() {
        "it is a diffusion model, which does not write from left to right"
    } else if model.has_encoder() {
        "it is a model whose text goes through an encoder first"
    } else {
        return Ok(());
    };
    Err(refused.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accelerator::Accelerator;
    use crate::placement::{NoGpu, is_built};

    fn demo(accelerator: Accelerator) -> Result<Arc<Model>, LoadError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        Model::load(&path, &LoadOptions { accelerator, ..LoadOptions::default() })
    }

    #[test]
    fn a_model_on_the_cpu_says_that_it_was_asked_for() {
        let model = demo(Accelerator::Cpu).expect("the bundled draft model");
        let backend = model.backend();
        assert_eq!((backend.name.as_str(), backend.no_gpu.as_ref()), ("CPU", Some(&NoGpu::Asked)));
        assert!(!backend.is_gpu() && !backend.description.is_empty(), "{backend:?}");
    }

    #[test]
    fn a_build_without_a_backend_for_gpus_says_so_and_refuses_a_gpu() {
        if is_built() {
            return;
        }
        let model = demo(Accelerator::Auto).expect("the bundled draft model");
        assert_eq!((model.backend().name.as_str(), &model.backend().no_gpu), ("CPU", &Some(NoGpu::NotBuilt)));
        let refused = demo(Accelerator::Gpu).map(|_| ());
        assert!(matches!(refused, Err(LoadError::NoGpu(NoGpu::NotBuilt))), "{refused:?}");
    }
}

//! A loaded GGUF file: vocabulary, tokenizer, chat template, and the lock under which contexts are made.

use std::path::Path;
use std::sync::{Arc, Mutex};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use uhlm_law::chat::{Reasoning, TemplateError};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use crate::backend::backend;
use crate::error::LoadError;
use crate::fingerprint;
use crate::gguf::{self, GgufSummary, HeaderError};
use crate::load_log::capturing_errors;
use crate::memory::{self, MemoryError};
use crate::options::LoadOptions;
use crate::template::{ChatTemplate, ControlNames};
use crate::token_table::{self, TokenTable};

/// A loaded model. Cheap to share; sequences keep it alive.
pub struct Model {
    inner: LlamaModel,
    summary: GgufSummary,
    pub(crate) vocabulary: TokenTable,
    pub(crate) template: Result<ChatTemplate, TemplateError>,
    pub(crate) control_names: ControlNames,
    token_keys: TokenKeys,
    pub(crate) vocabulary_hash: Digest,
    pub(crate) fingerprint: Digest,
    pub(crate) adds_bos: bool,
    /// Making a context writes to the model inside llama.cpp, so it happens one at a time.
    context_lock: Mutex<()>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("summary", &self.summary).finish_non_exhaustive()
    }
}

pub(crate) fn token(id: TokenId) -> LlamaToken {
    LlamaToken::new(id as i32)
}

impl Model {
    /// Checks and loads a GGUF file. Blocks; reads or maps the whole file.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<Self>, LoadError> {
        let at = || path.to_path_buf();
        let summary = gguf::read(path).map_err(|error| match error {
            HeaderError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => {
                LoadError::Missing { path: at() }
            }
            HeaderError::Io(source) => LoadError::Unreadable { path: at(), source },
            HeaderError::NotGguf => LoadError::NotGguf { path: at() },
            HeaderError::Truncated { expected, found } => LoadError::Truncated { path: at(), expected, found },
            HeaderError::Damaged(reason) => LoadError::Damaged { path: at(), reason },
        })?;
        if let Some(need) = options.memory
            && let Some(available) = need.available.or_else(memory::available)
            && let Err(error @ MemoryError::NotEnough { .. }) = memory::check_summary(&summary, need.context, available)
        {
            return Err(LoadError::Memory(error));
        }
        let fingerprint = fingerprint::file(path).map_err(|source| LoadError::Unreadable { path: at(), source })?;
        let unsupported =
            |reason: String| LoadError::Unsupported { path: at(), architecture: summary.architecture.clone(), reason };

        let mut params = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
        if let Some(mmap) = options.mmap {
            params = params.with_use_mmap(mmap);
        }
        let (cancel, progress) = (options.cancel.clone(), options.progress.clone());
        params = params.with_progress_callback(move |share| {
            if let Some(progress) = &progress {
                progress(share);
            }
            !cancel.is_cancelled()
        });
        let backend = backend();
        let (loaded, log) = capturing_errors(|| LlamaModel::load_from_file(backend, path, &params));
        let inner = match loaded {
            Ok(model) => model,
            Err(_) if options.cancel.is_cancelled() => return Err(LoadError::Cancelled),
            Err(error) => return Err(unsupported(if log.is_empty() { error.to_string() } else { log })),
        };
        if inner.is_recurrent() || inner.is_hybrid() {
            return Err(unsupported("a recurrent state cannot be rolled back token by token".into()));
        }
        let vocabulary = TokenTable::of(&inner);
        let token_keys = token_table::keys(&inner).map_err(|error| unsupported(error.to_string()))?;
        let raw_text = |id: LlamaToken| token_table::raw_text(&inner.vocab(), id);
        let vocabulary_hash = uhlm_law::fingerprint::vocabulary(&vocabulary, &token_keys, |id| raw_text(token(id)));
        let special_text = |id: LlamaToken| {
            if id.0 < 0 { String::new() } else { String::from_utf8_lossy(&raw_text(id)).into_owned() }
        };
        let control_names = token_table::control_names(&inner);
        let own = || match inner.chat_template(None).map(|template| template.to_string()) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(TemplateError::Invalid { reason: error.to_string() }),
            Err(_) => Err(TemplateError::Missing),
        };
        let template = options.chat_template.clone().map_or_else(own, Ok).and_then(|text| {
            let reasoning = Reasoning::detect(Some(&text), |name| token_table::has_token(&inner, name));
            let (bos, eos) = (inner.vocab().bos(), inner.vocab().eos());
            ChatTemplate::compile(&text, special_text(bos), special_text(eos), reasoning)
        });
        let adds_bos = inner.vocab().should_add_bos();
        Ok(Arc::new(Self {
            inner,
            summary,
            vocabulary,
            template,
            control_names,
            token_keys,
            vocabulary_hash,
            fingerprint,
            adds_bos,
            context_lock: Mutex::new(()),
        }))
    }

    /// What the file's header says.
    #[must_use]
    pub fn summary(&self) -> &GgufSummary {
        &self.summary
    }

    /// The name in the file, or its architecture.
    #[must_use]
    pub fn name(&self) -> &str {
        self.summary.name.as_deref().unwrap_or(&self.summary.architecture)
    }

    /// Returns the keys of the vocabulary's tokens, which shared noise is drawn by.
    #[must_use]
    pub fn token_keys(&self) -> &TokenKeys {
        &self.token_keys
    }

    /// The context length that the model was trained for, in tokens.
    #[must_use]
    pub fn trained_context(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.inner.n_params()
    }

    /// Threads to decode with unless something else is wanted: one a core, at most `most`, but a single one for a small
    /// model. llama.cpp's threads spin at a barrier after every operation; a model of a few million parameters spends
    /// more time there than in its matrices, and as soon as another process takes a core each barrier waits for the
    /// scheduler (measured with 0.3 M parameters on two busy cores: 4 tokens/s with two threads, 5,000 with one).
    #[must_use]
    pub fn sensible_threads(&self, most: u32) -> u32 {
        const SMALL: u64 = 10_000_000;
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        if self.parameters() < SMALL { 1 } else { cores.min(most) }
    }

    pub(crate) fn inner(&self) -> &LlamaModel {
        &self.inner
    }

    pub(crate) fn context_lock(&self) -> &Mutex<()> {
        &self.context_lock
    }
}

//! A loaded GGUF file: vocabulary, tokenizer, chat template, and the lock under which contexts are made.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::backend::backend;
use super::context::ContextOptions;
use super::load_log::capturing_errors;
use super::sequence::LlamaSequence;
use super::template::ChatTemplate;
use crate::cancel::Cancel;
use crate::chat::{DraftModel, Message, Special, TemplateError};
use crate::fingerprint;
use crate::gguf::{self, GgufSummary, HeaderError};
use crate::memory::{self, MemoryError};
use crate::model::{ModelError, Sequence, Vocabulary};
use crate::protocol::Digest;
use crate::sampling::TokenId;

/// Threads that a device's context gets at most: more slow a phone down.
pub(super) const MOST_THREADS: u32 = 4;

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a GGUF file", path.display())]
    NotGguf {
        /// The path.
        path: PathBuf,
    },
    /// The file ends early: an interrupted download or copy.
    #[error("{} is truncated: {found} bytes of at least {expected}", path.display())]
    Truncated {
        /// The path.
        path: PathBuf,
        /// Bytes that it must have at least.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// llama.cpp cannot run it: an unknown architecture, missing tensors, or a cache that cannot be rolled back.
    #[error("{} cannot be used (architecture {architecture}): {reason}", path.display())]
    Unsupported {
        /// The path.
        path: PathBuf,
        /// `general.architecture`.
        architecture: String,
        /// What llama.cpp logged.
        reason: String,
    },
    /// [`LoadOptions::memory`] was given, and the device has less.
    #[error(transparent)]
    Memory(MemoryError),
    /// [`LoadOptions::cancel`] was raised.
    #[error("loading was cancelled")]
    Cancelled,
}

/// A context that there must be memory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Tokens of the context; 0 for what the model was trained for.
    pub context: u32,
    /// Bytes that are free; `None` asks [`memory::available`], and checks nothing where that does not know.
    pub available: Option<u64>,
}

/// How a model is loaded.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Map the file instead of reading it. `None`: map it where the system can.
    pub mmap: Option<bool>,
    /// Layers to put on a GPU, where llama.cpp was built for one.
    pub gpu_layers: u32,
    /// What must be free before the file is touched; `None` loads it in any case. A model about which the header says too
    /// little is loaded too.
    pub memory: Option<MemoryNeed>,
    /// Called with the share of the file that is loaded, in [0, 1], on the loading thread.
    pub progress: Option<Arc<dyn Fn(f32) + Send + Sync>>,
    /// Raised, it ends the load with [`LoadError::Cancelled`].
    pub cancel: Cancel,
}

impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions")
            .field("mmap", &self.mmap)
            .field("gpu_layers", &self.gpu_layers)
            .field("memory", &self.memory)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// A loaded model. Cheap to share; sequences keep it alive.
pub struct Model {
    inner: LlamaModel,
    summary: GgufSummary,
    vocabulary: TokenTable,
    template: Result<ChatTemplate, TemplateError>,
    vocabulary_hash: Digest,
    fingerprint: Digest,
    adds_bos: bool,
    /// Making a context writes to the model inside llama.cpp, so it happens one at a time.
    context_lock: Mutex<()>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// The pieces of all tokens in one buffer, so that text costs no call into llama.cpp and no allocation.
#[derive(Debug)]
struct TokenTable {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of a token.
    starts: Vec<u32>,
    ends: Vec<bool>,
}

impl Vocabulary for TokenTable {
    fn size(&self) -> usize {
        self.ends.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        match (self.starts.get(id as usize), self.starts.get(id as usize + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.ends.get(id as usize).copied().unwrap_or(false)
    }
}

fn token(id: TokenId) -> LlamaToken {
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
        let vocabulary = token_table(&inner);
        let raw_text = |id: TokenId| inner.vocab().token_to_piece(token(id), true, None);
        let vocabulary_hash = fingerprint::vocabulary(&vocabulary, raw_text);
        let special_text = |id: LlamaToken| {
            if id.0 < 0 { String::new() } else { String::from_utf8_lossy(&raw_text(id.0 as TokenId)).into_owned() }
        };
        let template = match inner.chat_template(None).map(|template| template.to_string()) {
            Ok(Ok(text)) => {
                ChatTemplate::compile(text, special_text(inner.vocab().bos()), special_text(inner.vocab().eos()))
                    .map_err(|e| TemplateError { reason: e.to_string() })
            }
            Ok(Err(error)) => Err(TemplateError { reason: error.to_string() }),
            Err(_) => Err(TemplateError { reason: "the model's file has no chat template".into() }),
        };
        let adds_bos = inner.vocab().should_add_bos();
        Ok(Arc::new(Self {
            inner,
            summary,
            vocabulary,
            template,
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

    /// One sequence of its own.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new_sequence(self: &Arc<Self>, options: &ContextOptions) -> Result<LlamaSequence, ModelError> {
        LlamaSequence::new(Arc::clone(self), options)
    }

    pub(super) fn inner(&self) -> &LlamaModel {
        &self.inner
    }

    pub(super) fn context_lock(&self) -> &Mutex<()> {
        &self.context_lock
    }
}

fn token_table(model: &LlamaModel) -> TokenTable {
    let vocab = model.vocab();
    let mut table = TokenTable { bytes: Vec::new(), starts: vec![0], ends: Vec::new() };
    for id in vocab.tokens() {
        // `special = false`: control tokens have no text.
        vocab.token_to_piece_into(id, &mut table.bytes, false, None);
        table.starts.push(table.bytes.len() as u32);
        table.ends.push(vocab.is_eog(id));
    }
    table
}

impl DraftModel for Model {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    fn vocabulary_hash(&self) -> Digest {
        self.vocabulary_hash
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn tokenize(&self, text: &str, special: Special) -> Vec<TokenId> {
        let printed_bos = self.template.as_ref().is_ok_and(|t| !t.bos().is_empty() && text.starts_with(t.bos()));
        let add_bos = special == Special::ParseWithBos && self.adds_bos && !printed_bos;
        self.inner
            .vocab()
            .tokenize(text.as_bytes(), add_bos, special != Special::Plain)
            .into_iter()
            .map(|id| id.0 as TokenId)
            .collect()
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        let vocab = self.inner.vocab();
        let mut bytes = Vec::new();
        for &id in tokens {
            vocab.token_to_piece_into(token(id), &mut bytes, true, None);
        }
        bytes
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.render(messages, add_generation_prompt).map_err(|error| TemplateError { reason: error.to_string() })
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(self.new_sequence(&ContextOptions { context, threads, ..ContextOptions::default() })?))
    }

    fn default_threads(&self) -> u32 {
        self.sensible_threads(MOST_THREADS)
    }
}

//! Models and vocabularies that do not go together, the target alone in a plain loop, and replies as lists of tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uhlm_core::verifier::Verifier;
use uhlm_core::{DraftAhead, Engine, LoadOptions, Mode, OfflinePolicy, Session, SessionOptions};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_llama::{Language, Model};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::gguf::{Kind, RandomModel};
use uhlm_testing::gguf_edit::GgufEdit;
use uhlm_testing::replies::Alone;
pub(crate) use uhlm_testing::replies::{MAX_TOKENS, prompts, temperatures, wanted_temperatures, write};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient};

/// Returns the number in the environment's `name`, or `usual`.
pub(crate) fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Returns the bundled SentencePiece vocabulary.
pub(crate) fn sentence_piece() -> Arc<Language> {
    Language::load(&pair::file("spm-1024.vocabulary.gguf")).expect("the bundled vocabulary")
}

/// A model with the bundled SentencePiece vocabulary and random weights: what it writes means nothing, and is mostly no
/// UTF-8. Its file goes with it.
pub(crate) struct RandomText(TempDir);

impl RandomText {
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().expect("a folder"));
        let shape = RandomModel {
            layers: 1,
            width: 32,
            heads: 1,
            kv_heads: 1,
            feed_forward: 32,
            vocabulary: 1024,
            context: 1024,
            kind: Kind::F32,
            tied: true,
        };
        shape.write(&made.path()).expect("written");
        let read = |path: &Path| GgufEdit::of(&std::fs::read(path).expect("a file"));
        let vocabulary = read(&pair::file("spm-1024.vocabulary.gguf"));
        read(&made.path()).with_tokenizer_of(&vocabulary).write(&made.path());
        made
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("random.gguf")
    }
}

/// Starts a server with this target, one row a pass.
pub(crate) fn served(model: &Path, offer_vocabulary: bool) -> Served {
    let engine = EngineOptions { threads: 1, micro_batch: 1, ..EngineOptions::default() };
    let model = model.to_path_buf();
    Served::start_with(|config| ServerConfig { engine, model, offer_vocabulary, ..config })
}

/// Options with everything at rest but what a test sets. A target that takes a second a pass, as real ones do on a busy
/// machine, is waited for.
pub(crate) fn options(mode: Mode, sampling: &SamplingParams) -> SessionOptions {
    let offline = OfflinePolicy::Wait(Duration::from_secs(300));
    SessionOptions { draft_ahead: DraftAhead::Off, offline, ..patient::options(mode, sampling.clone(), 1) }
}

pub(crate) fn engine(path: &Path) -> Engine {
    Engine::load(path, &LoadOptions::default()).expect("a model that loads")
}

pub(crate) fn open(engine: &Engine, verifier: Arc<dyn Verifier>, options: SessionOptions) -> Session {
    engine.session(Some(verifier), options).expect("a session")
}

/// A target alone, which reads a prompt in its own chat template.
pub(crate) struct Plain {
    model: Arc<Model>,
    alone: Alone,
}

impl Plain {
    pub(crate) fn new(path: &Path, sampling: &SamplingParams) -> Self {
        let model = Model::load(path, &LoadOptions::default()).expect("a model that loads");
        Self { alone: Alone::new(Arc::clone(&model), sampling), model }
    }

    pub(crate) fn name(&self) -> &str {
        self.model.name()
    }

    /// Returns the reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64) -> Vec<TokenId> {
        let prompt = self.model.prompt(&[Message::user(prompt)]).expect("a template");
        self.alone.write(&prompt, seed, MAX_TOKENS)
    }
}

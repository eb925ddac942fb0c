//! Models and vocabularies that do not go together, the target alone in a plain loop, and replies as lists of tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use uhlm_core::verifier::Verifier;
use uhlm_core::{DraftAhead, Engine, LoadOptions, Mode, Session, SessionOptions};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::{ContextOptions, Language, LlamaSequence, Model};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::gguf::{Kind, RandomModel};
use uhlm_testing::gguf_edit::GgufEdit;
pub(crate) use uhlm_testing::replies::{MAX_TOKENS, prompts, temperatures, write};
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

/// Options with everything at rest but what a test sets.
pub(crate) fn options(mode: Mode, sampling: &SamplingParams) -> SessionOptions {
    SessionOptions { draft_ahead: DraftAhead::Off, ..patient::options(mode, sampling.clone(), 1) }
}

pub(crate) fn engine(path: &Path) -> Engine {
    Engine::load(path, &LoadOptions::default()).expect("a model that loads")
}

pub(crate) fn open(engine: &Engine, verifier: Arc<dyn Verifier>, options: SessionOptions) -> Session {
    engine.session(Some(verifier), options).expect("a session")
}

/// A target alone in a plain loop: one decode for each token, one row a pass.
pub(crate) struct Plain {
    model: Arc<Model>,
    sequence: LlamaSequence,
    chain: SamplingChain,
}

impl Plain {
    pub(crate) fn new(path: &Path, sampling: &SamplingParams) -> Self {
        let model = Model::load(path, &LoadOptions::default()).expect("a model that loads");
        let options = ContextOptions { threads: 1, micro_batch: 1, ..ContextOptions::default() };
        let sequence = model.new_sequence(&options).expect("a context");
        Self { model, sequence, chain: SamplingChain::new(sampling.clone()).expect("valid") }
    }

    pub(crate) fn name(&self) -> &str {
        self.model.name()
    }

    /// Returns the reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64) -> Vec<TokenId> {
        let mut text = self.model.prompt(&[Message::user(prompt)]).expect("a template");
        let (start, vocabulary) = (text.len(), self.model.vocabulary());
        self.sequence.truncate(0).expect("rolls back");
        self.sequence.decode(&text, &|| false).expect("fits");
        let (mut place, mut scratch) = (Place::START, Scratch::default());
        while text.len() < start + MAX_TOKENS {
            let input = ChainInput { logits: self.sequence.logits(), history: &text, mask: None };
            let position = Tape::new(seed, 0).at(place);
            let winner = self.chain.winner(input, &mut scratch, self.model.token_keys(), position);
            let id = winner.expect("finite logits").id;
            text.push(id);
            if vocabulary.is_end(id) {
                break;
            }
            place = place.after(vocabulary.piece(id).len());
            self.sequence.decode(&[id], &|| false).expect("fits");
        }
        text.split_off(start)
    }
}

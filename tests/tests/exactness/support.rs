//! The support that the tests share: servers that compute one row per pass or many, replies as lists of tokens, and the
//! target alone in a plain loop.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use uhlm_core::verifier::Verifier;
use uhlm_core::{DraftAhead, Engine, Mode, Session, SessionOptions};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, PositionKey, Tape};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId, Winner};
use uhlm_llama::{Accelerator, ContextOptions, LoadOptions, Model};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::pair;
use uhlm_testing::patient;
use uhlm_testing::replies;
pub(crate) use uhlm_testing::replies::{MAX_TOKENS, prompts, temperatures};
use uhlm_testing::served::Served;

/// Returns the model file that the environment names, instead of a bundled one.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// Returns the draft model: the bundled one, or the file that `UHLM_EQUAL_DRAFT` names.
pub(crate) fn draft() -> Engine {
    static NAMED: OnceLock<Option<Engine>> = OnceLock::new();
    let load = |path: PathBuf| Engine::load(path, &pair::on_the_cpu()).expect("the draft model that is named");
    NAMED.get_or_init(|| named("UHLM_EQUAL_DRAFT").map(load)).clone().unwrap_or_else(pair::draft)
}

/// Returns the target model: the bundled one, or the file that `UHLM_EQUAL_TARGET` names.
pub(crate) fn target() -> Arc<Model> {
    static NAMED: OnceLock<Option<Arc<Model>>> = OnceLock::new();
    let options = LoadOptions { batch_invariant: is_invariant(), ..pair::on_the_cpu() };
    let load = |path: PathBuf| Model::load(&path, &options).expect("the target model that is named");
    let path = || named("UHLM_EQUAL_TARGET").or_else(|| is_invariant().then(|| pair::file("demo-target.gguf")));
    NAMED.get_or_init(|| path().map(load)).clone().unwrap_or_else(pair::target)
}

/// Tells whether `UHLM_EQUAL_INVARIANT` is set: targets then compute whole passes at once, by kernels whose rows do not
/// depend on how many there are, where they otherwise compute one row at a time.
pub(crate) fn is_invariant() -> bool {
    std::env::var_os("UHLM_EQUAL_INVARIANT").is_some()
}

/// Returns how many tokens a comparison takes: the number in `UHLM_EQUAL_TOKENS`, or `usual`.
pub(crate) fn tokens_to_compare(usual: usize) -> usize {
    std::env::var("UHLM_EQUAL_TOKENS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Starts a server whose target computes `micro_batch` rows of a pass at a time; 0 for all of them.
pub(crate) fn served(micro_batch: u32) -> Served {
    let batch_invariant = is_invariant() && micro_batch == 1;
    let micro_batch = if batch_invariant { 0 } else { micro_batch };
    let accelerator = Accelerator::Cpu;
    let engine = EngineOptions { accelerator, threads: 1, micro_batch, batch_invariant, ..EngineOptions::default() };
    let model = named("UHLM_EQUAL_TARGET");
    Served::start_with(|config| ServerConfig { engine, model: model.unwrap_or(config.model), ..config })
}

/// Options with everything at rest but what a test sets.
pub(crate) fn options(mode: Mode, sampling: &SamplingParams, seed: u64) -> SessionOptions {
    SessionOptions { draft_ahead: DraftAhead::Off, ..patient::options(mode, sampling.clone(), seed) }
}

pub(crate) fn session(verifier: Arc<dyn Verifier>, options: SessionOptions) -> Session {
    draft().session(Some(verifier), options).expect("a session")
}

/// Writes the reply to a prompt as a conversation of its own, with a seed of its own; returns its tokens.
pub(crate) fn write(session: &Session, prompt: &str, seed: u64) -> Vec<TokenId> {
    replies::write(session, prompt, seed).0
}

/// Returns the winner of a row of the target.
pub(crate) fn winner(chain: &SamplingChain, logits: &[f32], history: &[TokenId], position: PositionKey) -> Winner {
    let input = ChainInput { logits, history, mask: None };
    chain.winner(input, &mut Scratch::default(), target().token_keys(), position).expect("finite logits")
}

/// The target alone in a plain loop: one decode for each token, one row per pass.
pub(crate) struct Plain {
    model: Arc<Model>,
    sequence: uhlm_llama::LlamaSequence,
    chain: SamplingChain,
    scratch: Scratch,
    history: Vec<TokenId>,
}

impl Plain {
    pub(crate) fn new(sampling: &SamplingParams) -> Self {
        Self::of(target(), sampling)
    }

    /// Makes the loop with another target.
    pub(crate) fn of(model: Arc<Model>, sampling: &SamplingParams) -> Self {
        let options = ContextOptions { threads: 1, micro_batch: 1, ..ContextOptions::default() };
        Self {
            sequence: model.new_sequence(&options).expect("a context"),
            model,
            chain: SamplingChain::new(sampling.clone()).expect("valid"),
            scratch: Scratch::default(),
            history: Vec::new(),
        }
    }

    /// Reads a prompt as a session does.
    pub(crate) fn start(&mut self, prompt: &str) {
        let engine = draft();
        let prompt = engine.model().prompt(&[Message::user(prompt)]).expect("a template");
        self.sequence.truncate(0).expect("rolls back");
        self.history.clear();
        self.feed(&prompt);
    }

    /// Returns the tokens so far.
    pub(crate) fn history(&self) -> &[TokenId] {
        &self.history
    }

    /// Returns the logits after them.
    pub(crate) fn logits(&self) -> &[f32] {
        self.sequence.logits()
    }

    /// Decodes tokens and appends them to the history.
    pub(crate) fn feed(&mut self, tokens: &[TokenId]) {
        self.sequence.decode(tokens, &|| false).expect("fits");
        self.history.extend_from_slice(tokens);
    }

    fn input(&self) -> ChainInput<'_> {
        ChainInput { logits: self.sequence.logits(), history: &self.history, mask: None }
    }

    /// Returns the target's distribution of the next token.
    pub(crate) fn law(&mut self) -> Distribution {
        let mut scratch = std::mem::take(&mut self.scratch);
        let law = self.chain.distribution(self.input(), &mut scratch).expect("finite logits");
        self.scratch = scratch;
        law
    }

    /// Returns the target's next token with the noise of `seed` at `place`.
    pub(crate) fn winner(&mut self, seed: u64, place: Place) -> Winner {
        let mut scratch = std::mem::take(&mut self.scratch);
        let position = Tape::new(seed, 0).at(place);
        let winner = self.chain.winner(self.input(), &mut scratch, self.model.token_keys(), position);
        self.scratch = scratch;
        winner.expect("finite logits")
    }

    /// Returns the whole reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64) -> Vec<TokenId> {
        self.start(prompt);
        let (model, mut place, mut ids) = (Arc::clone(&self.model), Place::START, Vec::new());
        while ids.len() < MAX_TOKENS {
            let id = self.winner(seed, place).id;
            ids.push(id);
            if model.vocabulary().is_end(id) {
                break;
            }
            place = place.after(model.vocabulary().piece(id).len());
            self.feed(&[id]);
        }
        ids
    }
}

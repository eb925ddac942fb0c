//! The support that the tests share: a gateway before stand-ins, replies as lists of tokens, and the target alone.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::verifier::Verifier;
use uhlm_core::{Event, Generation, GenerationError, GenerationOptions, Mode, Origin, Prompt, Session, SessionOptions};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::{ContextOptions, LlamaSequence, Model};
use uhlm_server::ServerConfig;
use uhlm_server::upstream::{EngineAddress, EngineKind, UpstreamOptions};
use uhlm_testing::engine::StandIn;
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient};

pub(crate) const KINDS: [EngineKind; 3] = [EngineKind::LlamaServer, EngineKind::Vllm, EngineKind::Sglang];
/// Largest number of tokens of a reply.
pub(crate) const MAX_TOKENS: usize = 60;

/// Returns the three ways of sampling at which everything is compared.
pub(crate) fn ways() -> [SamplingParams; 3] {
    let cut = SamplingParams { temperature: 0.7, top_k: 40, top_p: 0.95, ..SamplingParams::default() };
    [SamplingParams::greedy(), cut, SamplingParams::default()]
}

pub(crate) fn stand_in(kind: EngineKind) -> StandIn {
    StandIn::start(kind, pair::target())
}

/// Returns the settings of a gateway before these engines.
pub(crate) fn upstream(engines: &[&StandIn]) -> UpstreamOptions {
    let engines: Vec<EngineAddress> = engines.iter().map(|engine| engine.address()).collect();
    UpstreamOptions::new(engines, pair::file("demo-target.gguf"))
}

pub(crate) fn gateway_with(upstream: UpstreamOptions) -> Served {
    Served::start_with(|config| ServerConfig { upstream: Some(upstream), ..config })
}

pub(crate) fn gateway(engines: &[&StandIn]) -> Served {
    gateway_with(upstream(engines))
}

pub(crate) fn session(verifier: Arc<dyn Verifier>, mode: Mode, sampling: &SamplingParams) -> Session {
    session_with(verifier, patient::options(mode, sampling.clone(), 1))
}

pub(crate) fn session_with(verifier: Arc<dyn Verifier>, options: SessionOptions) -> Session {
    pair::draft().session(Some(verifier), options).expect("a session")
}

/// Returns questions that the pair was trained for, and free text, where the draft model is wrong most.
pub(crate) fn prompts() -> Vec<String> {
    let (held_out, free) = (pair::questions("heldout"), pair::questions("prompts_free"));
    free.into_iter().zip(held_out).flat_map(|(free, question)| [free, question]).collect()
}

pub(crate) fn begin(session: &Session, prompt: &str, seed: u64, max_tokens: usize) -> Generation {
    session.reset().expect("idle");
    let options = GenerationOptions { max_tokens, seed: Some(seed), ..GenerationOptions::default() };
    session.generate(Prompt::Chat(prompt.into()), options).expect("idle")
}

/// Takes the rest of a reply: its tokens, or the error that it ended with.
pub(crate) fn rest(generation: &mut Generation, ids: &mut Vec<TokenId>) -> Result<(), GenerationError> {
    while let Some(event) = generation.blocking_next() {
        match event? {
            Event::Committed { token, origin } => {
                assert_ne!(origin, Origin::Unverified);
                ids.push(token.id);
            }
            Event::Finished { .. } => return Ok(()),
            _ => {}
        }
    }
    panic!("a stream without an end");
}

/// Writes the reply to a prompt as a conversation of its own.
pub(crate) fn write(session: &Session, prompt: &str, seed: u64) -> Result<Vec<TokenId>, GenerationError> {
    let mut ids = Vec::new();
    rest(&mut begin(session, prompt, seed, MAX_TOKENS), &mut ids)?;
    Ok(ids)
}

/// The target alone in a plain loop: one decode for each token, one row a pass.
pub(crate) struct Alone {
    model: Arc<Model>,
    sequence: LlamaSequence,
    chain: SamplingChain,
    scratch: Scratch,
}

impl Alone {
    pub(crate) fn new(sampling: &SamplingParams) -> Self {
        let model = pair::target();
        let options = ContextOptions { threads: 1, micro_batch: 1, ..ContextOptions::default() };
        let sequence = model.new_sequence(&options).expect("a context");
        let chain = SamplingChain::new(sampling.clone()).expect("valid");
        Self { model, sequence, chain, scratch: Scratch::default() }
    }

    /// Returns the reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64) -> Vec<TokenId> {
        let mut text = pair::draft().model().prompt(&[Message::user(prompt)]).expect("a template");
        let (start, mut place, tape) = (text.len(), Place::START, Tape::new(seed, 0));
        self.sequence.truncate(0).expect("rolls back");
        self.sequence.decode(&text, &|| false).expect("fits");
        while text.len() < start + MAX_TOKENS {
            let input = ChainInput { logits: self.sequence.logits(), history: &text, mask: None };
            let keys = self.model.token_keys();
            let winner = self.chain.winner(input, &mut self.scratch, keys, tape.at(place)).expect("finite logits").id;
            text.push(winner);
            if self.model.vocabulary().is_end(winner) {
                break;
            }
            place = place.after(self.model.vocabulary().piece(winner).len());
            self.sequence.decode(&[winner], &|| false).expect("fits");
        }
        text.split_off(start)
    }
}

/// Waits until something is so, and fails if it never is.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the number behind a counter's name and labels in the text of `/metrics`.
pub(crate) fn counter(served: &Served, line: &str) -> Option<u64> {
    let text = String::from_utf8(served.metrics().render()).expect("UTF-8");
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

/// Tells whether the gateway asks an engine now.
pub(crate) fn is_up(served: &Served, engine: &StandIn) -> bool {
    counter(served, &format!("uhlm_upstream_up{{engine=\"{}\"}}", engine.address().url)) == Some(1)
}

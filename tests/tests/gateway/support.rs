//! The support that the tests share: a gateway before stand-ins, replies as lists of tokens, and the target alone.

use std::sync::Arc;

use uhlm_core::verifier::Verifier;
use uhlm_core::{GenerationError, Mode, Session, SessionOptions};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::upstream::{EngineAddress, EngineKind, UpstreamOptions};
use uhlm_server::{Server, ServerConfig, ServerError};
use uhlm_testing::engine::StandIn;
pub(crate) use uhlm_testing::replies::{begin, prompts, rest, temperatures};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient, replies};

pub(crate) const KINDS: [EngineKind; 3] = [EngineKind::LlamaServer, EngineKind::Vllm, EngineKind::Sglang];
/// Largest number of tokens of a reply.
pub(crate) const MAX_TOKENS: usize = 60;

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

/// Binds a gateway on any free port, and drops it if that works.
pub(crate) fn try_to_start(configure: impl FnOnce(ServerConfig) -> ServerConfig) -> Result<(), ServerError> {
    let listen = ([127, 0, 0, 1], 0).into();
    let config = configure(ServerConfig { listen, ..ServerConfig::new("not used") });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Server::bind(config)).map(drop)
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

/// Writes the reply to a prompt as a conversation of its own.
pub(crate) fn write(session: &Session, prompt: &str, seed: u64) -> Result<Vec<TokenId>, GenerationError> {
    let mut ids = Vec::new();
    rest(&mut begin(session, prompt, seed, MAX_TOKENS), &mut ids)?;
    Ok(ids)
}

/// The target alone, which reads a prompt as a session of the draft model does.
pub(crate) struct Alone(replies::Alone);

impl Alone {
    pub(crate) fn new(sampling: &SamplingParams) -> Self {
        Self(replies::Alone::new(pair::target(), sampling))
    }

    /// Returns the reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64) -> Vec<TokenId> {
        let prompt = pair::draft().model().prompt(&[Message::user(prompt)]).expect("a template");
        self.0.write(&prompt, seed, MAX_TOKENS)
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

//! The support that the tests share: servers, sessions, replies with a grammar, and the target alone under the mask.

use std::sync::{Arc, OnceLock};

use uhlm_core::verifier::Verifier;
use uhlm_core::{
    DraftAhead, Event, FinishReason, GenerationError, GenerationOptions, Grammar, Mode, Prompt, Session,
    SessionOptions, Statistics,
};
use uhlm_grammar::{Constraint, Tables};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::replies::Alone;
pub(crate) use uhlm_testing::replies::{prompts, temperatures};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient};

/// Largest number of tokens of a reply: more than any text of the schemas takes in tokens of a byte.
pub(crate) const MAX_TOKENS: usize = 250;

/// Returns the number in the environment's `name`, or `usual`.
pub(crate) fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Starts a server with the bundled target, one row a pass.
pub(crate) fn served() -> Served {
    let engine = EngineOptions { threads: 1, micro_batch: 1, ..EngineOptions::default() };
    Served::start_with(|config| ServerConfig { engine, ..config })
}

/// Options with everything at rest but what a test sets.
pub(crate) fn options(mode: Mode, sampling: &SamplingParams) -> SessionOptions {
    SessionOptions { draft_ahead: DraftAhead::Off, ..patient::options(mode, sampling.clone(), 1) }
}

pub(crate) fn open(verifier: Option<Arc<dyn Verifier>>, options: SessionOptions) -> Session {
    pair::draft().session(verifier, options).expect("a session")
}

/// A reply with a grammar.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) text: String,
    pub(crate) reason: FinishReason,
    pub(crate) statistics: Statistics,
}

/// Writes the reply to a prompt as a conversation of its own.
pub(crate) fn write(session: &Session, prompt: &str, seed: u64, grammar: &Grammar) -> Result<Said, GenerationError> {
    session.reset().expect("idle");
    let grammar = Some(grammar.clone());
    let options =
        GenerationOptions { max_tokens: MAX_TOKENS, seed: Some(seed), grammar, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Chat(prompt.into()), options).expect("idle");
    let mut ids = Vec::new();
    while let Some(event) = generation.blocking_next() {
        match event? {
            Event::Committed { token, .. } => ids.push(token.id),
            Event::Finished { reason, text, statistics, .. } => {
                return Ok(Said { ids, text, reason, statistics: *statistics });
            }
            _ => {}
        }
    }
    panic!("a stream without an end");
}

/// The target alone in a plain loop: one decode and one mask for each token, and none is forced.
pub(crate) struct Plain(Alone);

/// Returns the tables of the bundled target.
pub(crate) fn tables() -> Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| Tables::of_language(pair::target()).expect("tables")).clone()
}

impl Plain {
    pub(crate) fn new(sampling: &SamplingParams) -> Self {
        Self(Alone::new(pair::target(), sampling))
    }

    /// Returns the reply to a prompt.
    pub(crate) fn write(&mut self, prompt: &str, seed: u64, grammar: &Grammar) -> Vec<TokenId> {
        let ends = pair::target().vocabulary().ends();
        let mut matcher = tables().compile(grammar).expect("a valid grammar").matcher(&ends);
        let prompt = pair::draft().model().prompt(&[Message::user(prompt)]).expect("a template");
        let mut mask = |reply: &[TokenId]| Some(Constraint::mask(&mut matcher, reply).expect("a mask"));
        let reply = self.0.write_under(&prompt, seed, MAX_TOKENS, &mut mask);
        assert!(Constraint::is_complete(&mut matcher, &reply), "a text of the grammar");
        reply
    }
}

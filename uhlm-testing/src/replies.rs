//! Replies as lists of tokens, for tests that compare a text with what a target writes alone: prompts, ways of
//! sampling, the reply of a session, and that of the target.

use std::sync::Arc;

use uhlm_core::{Event, Generation, GenerationError, GenerationOptions, Origin, Prompt, Session, Statistics};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId, TokenMask};
use uhlm_llama::{ContextOptions, LlamaSequence, Model};

use crate::pair;

/// Largest number of tokens of a reply.
pub const MAX_TOKENS: usize = 120;

/// Returns greedy decoding, truncated sampling and plain sampling.
#[must_use]
pub fn temperatures() -> [SamplingParams; 3] {
    let truncating = SamplingParams { temperature: 0.7, top_k: 40, top_p: 0.95, ..SamplingParams::default() };
    [SamplingParams::greedy(), truncating, SamplingParams::default()]
}

/// Returns those of [`temperatures`] that a long measurement is to run at: all, or the one that
/// `UHLM_EQUAL_TEMPERATURE` says (`0`, `0.7` or `1`), so that it can be run in parts.
#[must_use]
pub fn wanted_temperatures() -> Vec<SamplingParams> {
    let only = std::env::var("UHLM_EQUAL_TEMPERATURE").ok();
    let is_wanted = |sampling: &SamplingParams| only.as_ref().is_none_or(|t| *t == sampling.temperature.to_string());
    temperatures().into_iter().filter(is_wanted).collect()
}

/// Returns free text, where the draft model is wrong most, and questions that the pair was trained for.
#[must_use]
pub fn prompts() -> Vec<String> {
    let (held_out, free) = (pair::questions("heldout"), pair::questions("prompts_free"));
    free.into_iter().zip(held_out).flat_map(|(free, question)| [free, question]).collect()
}

/// Begins the reply to a prompt as a conversation of its own, with a seed of its own.
///
/// # Panics
/// If the session is at work.
#[must_use]
pub fn begin(session: &Session, prompt: &str, seed: u64, max_tokens: usize) -> Generation {
    session.reset().expect("idle");
    let options = GenerationOptions { max_tokens, seed: Some(seed), ..GenerationOptions::default() };
    session.generate(Prompt::Chat(prompt.into()), options).expect("idle")
}

/// Appends the rest of a reply to `ids`, and returns its statistics.
///
/// # Errors
/// That which the reply ended with.
///
/// # Panics
/// If a token was not verified.
pub fn rest(generation: &mut Generation, ids: &mut Vec<TokenId>) -> Result<Statistics, GenerationError> {
    while let Some(event) = generation.blocking_next() {
        match event? {
            Event::Committed { token, origin } => {
                assert_ne!(origin, Origin::Unverified);
                ids.push(token.id);
            }
            Event::Finished { statistics, .. } => return Ok(*statistics),
            _ => {}
        }
    }
    panic!("a stream without an end");
}

/// Writes the reply to a prompt as a conversation of its own, with a seed of its own; returns its tokens and its
/// statistics.
///
/// # Panics
/// If the reply fails, or has a token that was not verified.
pub fn write(session: &Session, prompt: &str, seed: u64) -> (Vec<TokenId>, Statistics) {
    let mut ids = Vec::new();
    let statistics = rest(&mut begin(session, prompt, seed, MAX_TOKENS), &mut ids).expect("no failure");
    (ids, statistics)
}

/// A target alone in a plain loop: one decode for each token, one row a pass.
pub struct Alone {
    model: Arc<Model>,
    sequence: LlamaSequence,
    chain: SamplingChain,
    scratch: Scratch,
}

impl Alone {
    /// Makes the loop.
    ///
    /// # Panics
    /// If there is no room for a context, or the chain is not valid.
    #[must_use]
    pub fn new(model: Arc<Model>, sampling: &SamplingParams) -> Self {
        let options = ContextOptions { threads: 1, micro_batch: 1, ..ContextOptions::default() };
        let sequence = model.new_sequence(&options).expect("a context");
        let chain = SamplingChain::new(sampling.clone()).expect("valid");
        Self { model, sequence, chain, scratch: Scratch::default() }
    }

    /// Returns the reply to a prompt.
    ///
    /// # Panics
    /// If they do not fit the context, or the target fails.
    pub fn write(&mut self, prompt: &[TokenId], seed: u64, max_tokens: usize) -> Vec<TokenId> {
        self.write_under(prompt, seed, max_tokens, |_| None)
    }

    /// Returns the reply to a prompt of which `mask` says, by the tokens of the reply so far, what may come next;
    /// `None` where everything may.
    ///
    /// # Panics
    /// If they do not fit the context, the target fails, or a mask allows nothing.
    pub fn write_under(
        &mut self,
        prompt: &[TokenId],
        seed: u64,
        max_tokens: usize,
        mut mask: impl FnMut(&[TokenId]) -> Option<TokenMask>,
    ) -> Vec<TokenId> {
        let (mut text, mut place, tape) = (prompt.to_vec(), Place::START, Tape::new(seed, 0));
        self.sequence.truncate(0).expect("rolls back");
        self.sequence.decode(&text, &|| false).expect("fits");
        while text.len() < prompt.len() + max_tokens {
            let mask = mask(&text[prompt.len()..]);
            let input = ChainInput { logits: self.sequence.logits(), history: &text, mask: mask.as_ref() };
            let keys = self.model.token_keys();
            let winner = self.chain.winner(input, &mut self.scratch, keys, tape.at(place)).expect("finite logits").id;
            text.push(winner);
            if self.model.vocabulary().is_end(winner) {
                break;
            }
            place = place.after(self.model.vocabulary().piece(winner).len());
            self.sequence.decode(&[winner], &|| false).expect("fits");
        }
        text.split_off(prompt.len())
    }
}

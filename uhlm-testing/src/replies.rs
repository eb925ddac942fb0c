//! Replies as lists of tokens, for tests that compare a text with what a target writes alone:
//! prompts, ways of sampling, and the reply of a session.

use uhlm_core::{Event, GenerationOptions, Origin, Prompt, Session, Statistics};
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::pair;

/// Largest number of tokens of a reply.
pub const MAX_TOKENS: usize = 120;

/// Returns greedy decoding, truncated sampling and plain sampling.
#[must_use]
pub fn temperatures() -> [SamplingParams; 3] {
    let truncating = SamplingParams { temperature: 0.7, top_k: 40, top_p: 0.95, ..SamplingParams::default() };
    [SamplingParams::greedy(), truncating, SamplingParams::default()]
}

/// Returns free text and questions to reply to.
#[must_use]
pub fn prompts() -> Vec<String> {
    let (held_out, free) = (pair::questions("heldout"), pair::questions("prompts_free"));
    free.into_iter().zip(held_out).flat_map(|(free, question)| [free, question]).collect()
}

/// Writes the reply to a prompt as a conversation of its own, with a seed of its own; returns its tokens and its
/// statistics.
///
/// # Panics
/// If the reply fails, or has a token that was not verified.
pub fn write(session: &Session, prompt: &str, seed: u64) -> (Vec<TokenId>, Statistics) {
    session.reset().expect("idle");
    let options = GenerationOptions { max_tokens: MAX_TOKENS, seed: Some(seed), ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Chat(prompt.into()), options).expect("idle");
    let mut ids = Vec::new();
    while let Some(event) = generation.blocking_next() {
        match event.expect("no failure") {
            Event::Committed { token, origin } => {
                assert_ne!(origin, Origin::Unverified);
                ids.push(token.id);
            }
            Event::Finished { statistics, .. } => return (ids, *statistics),
            _ => {}
        }
    }
    panic!("a stream without an end");
}

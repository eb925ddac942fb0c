//! The texts that phones have written: what the target itself says to a prompt, recorded before the load.
//!
//! The recording serves twice: phones propose from it, so that they need no draft model, and each reply under load is
//! compared with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uhlm_law::advance::Info;
use uhlm_law::rng::{Rng, Stream, derived};
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::client;
use crate::error::LoadTestError;
use crate::phone::{Ended, Phone};
use crate::place::Place;
use crate::plan::{Behaviour, Writing};
use crate::text::{Shape, Text};

/// Longest time that the target may take to write one text.
const RECORDING: Duration = Duration::from_secs(600);
/// Longest time that a server may take to say what it serves.
const HELLO: Duration = Duration::from_secs(10);
/// Number of prompts that are tried for a text, of which a target may end the reply early.
const TRIES: u64 = 4;
/// Number of tokens that a reply has at least to be worth proposing from, if so many are asked for.
const USEFUL: usize = 4;

/// The texts of a load, recorded from the server that is loaded.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The texts.
    pub all: Vec<Text>,
    /// Information about what the server serves.
    pub info: Info,
}

impl Texts {
    /// Has the target write a text for each shape, one after the other on a server that does nothing else. Prompts are
    /// cut out of `source`; where that is empty, they are random tokens. `done` is told how many texts there are.
    /// Blocks.
    ///
    /// # Errors
    /// [`LoadTestError`], if the server cannot be reached, or if the target ends all replies at once.
    pub fn record(
        place: &Place,
        shapes: &[Shape],
        sampling: &SamplingParams,
        source: &[TokenId],
        seed: u64,
        done: &mut dyn FnMut(usize),
    ) -> Result<Self, LoadTestError> {
        let runtime = uhlm_net::runtime::network().map_err(LoadTestError::Network)?;
        runtime.block_on(async {
            let verifier = place.client(place.owner(0))?;
            let info = client::info(&verifier, HELLO).await?;
            let behaviour = Behaviour { writing: Writing::Stream, draft: Duration::ZERO, ..Behaviour::default() };
            let mut phone = Phone::new(verifier, info.clone(), behaviour, seed, Instant::now(), Arc::default());
            let mut all = Vec::new();
            for (i, shape) in shapes.iter().enumerate() {
                let shape = shape.within(info.limits.context as usize);
                let mut best: Option<Text> = None;
                for attempt in 0..TRIES {
                    let seed = derived(seed, i as u64 * TRIES + attempt);
                    let text = Self::one(&mut phone, shape, sampling, source, seed).await?;
                    if best.as_ref().is_none_or(|best| best.reply.len() < text.reply.len()) {
                        best = Some(text);
                    }
                    if best.as_ref().is_some_and(|best| best.reply.len() >= shape.reply) {
                        break;
                    }
                }
                all.extend(best.filter(|text| text.reply.len() >= USEFUL.min(shape.reply)));
                done(i + 1);
            }
            phone.hang_up();
            let tried = shapes.len() * TRIES as usize;
            if all.is_empty() { Err(LoadTestError::NoText { tried, tokens: USEFUL }) } else { Ok(Self { all, info }) }
        })
    }

    async fn one(
        phone: &mut Phone,
        shape: Shape,
        sampling: &SamplingParams,
        source: &[TokenId],
        seed: u64,
    ) -> Result<Text, LoadTestError> {
        let prompt = prompt(shape.prompt, source, phone.info(), seed);
        let sampling = sampling.clone();
        let mut text = Text { prompt, reply: Vec::new(), max_tokens: shape.reply, seed, sampling };
        let now = Instant::now();
        match phone.reply(&text, now, now + RECORDING).await {
            Ended::Whole => text.reply = phone.written().to_vec(),
            Ended::Cut => {}
            Ended::Failed(error) => return Err(error.into()),
        }
        Ok(text)
    }

    /// Returns the index of the text whose lengths come nearest to those of a shape.
    #[must_use]
    pub fn nearest(&self, shape: Shape) -> usize {
        let of = |text: &Text| Shape { prompt: text.prompt.len(), reply: text.reply.len() };
        let distances = self.all.iter().map(|text| of(text).distance(shape)).enumerate();
        distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i)
    }
}

/// Makes a prompt of `length` tokens.
fn prompt(length: usize, source: &[TokenId], info: &Info, seed: u64) -> Vec<TokenId> {
    let mut rng = Rng::new(seed, Stream::Simulation);
    let mut below = |end: usize| (rng.uniform() * end as f64) as usize;
    if !source.is_empty() {
        let start = below(source.len());
        return source.iter().cycle().skip(start).take(length).copied().collect();
    }
    let mut ids = Vec::with_capacity(length);
    while ids.len() < length {
        let id = below(info.limits.vocabulary_size as usize) as TokenId;
        // Where a vocabulary has nothing but ends, there is nothing else to take.
        if !info.ends.contains(&id) || info.ends.len() >= info.limits.vocabulary_size as usize {
            ids.push(id);
        }
    }
    ids
}

//! Splits a run of prompts into streams, each answered by one session: the unit of work, of seeds and of parallelism.
//!
//! Streams are cut by the number of prompts alone, so that neither the count of cores nor their load changes a figure.

use uhlm_law::sampling::SamplingParams;

use crate::error::EvalError;
use crate::pair::{ComputeTimes, Pair};
use crate::questions::Question;

/// Number of prompts in one stream.
const LENGTH: usize = 10;
/// Number of threads that work on streams.
const WORKERS: usize = 2;

/// One prompt with its number in the evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Number of the prompt in the evaluation.
    pub index: u64,
    /// The prompt and, where there is one, its right answer.
    pub question: Question,
}

/// Some prompts, and everything about a run that is the same for every method.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    /// The draft and the target model.
    pub pair: &'a Pair,
    /// The prompts of the stream.
    pub prompts: &'a [Numbered],
    /// The sampling chain of both models.
    pub sampling: SamplingParams,
    /// Time of the models' passes.
    pub times: ComputeTimes,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Seed of every random choice of device and verifier.
    pub seed: u64,
    /// Seed of the channel's random choices.
    pub channel_seed: u64,
}

/// All prompts of a run, and what its streams share.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The draft and the target model.
    pub pair: &'a Pair,
    /// The prompts of all streams.
    pub prompts: &'a [Numbered],
    /// The sampling chain of both models.
    pub sampling: SamplingParams,
    /// Time of the models' passes.
    pub times: ComputeTimes,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Seed of the whole evaluation.
    pub seed: u64,
}

impl<'a> Run<'a> {
    /// Returns the streams, in order.
    #[must_use]
    pub fn streams(&self) -> Vec<Stream<'a>> {
        self.prompts
            .chunks(LENGTH)
            .enumerate()
            .map(|(i, prompts)| Stream {
                pair: self.pair,
                prompts,
                sampling: self.sampling.clone(),
                times: self.times,
                max_tokens: self.max_tokens,
                seed: uhlm_law::rng::derived(self.seed, i as u64),
                channel_seed: uhlm_law::rng::derived(self.seed, 1 << 32 | i as u64),
            })
            .collect()
    }

    /// Works on all streams, several at a time; the results are in the streams' order.
    ///
    /// # Errors
    /// The first error of a stream; [`EvalError::Worker`].
    pub fn map<T: Send>(&self, work: impl Fn(&Stream<'a>) -> Result<T, EvalError> + Sync) -> Result<Vec<T>, EvalError> {
        let streams = self.streams();
        let next = std::sync::atomic::AtomicUsize::new(0);
        let mut done: Vec<(usize, Result<T, EvalError>)> = std::thread::scope(|scope| {
            let (streams, next, work) = (&streams, &next, &work);
            let workers: Vec<_> = (0..WORKERS)
                .map(|_| {
                    scope.spawn(move || {
                        let mut done = Vec::new();
                        loop {
                            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            let Some(stream) = streams.get(i) else { return done };
                            done.push((i, work(stream)));
                        }
                    })
                })
                .collect();
            let joined: Result<Vec<_>, _> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            joined.map(|parts| parts.into_iter().flatten().collect()).map_err(|_| EvalError::Worker)
        })?;
        done.sort_by_key(|entry| entry.0);
        done.into_iter().map(|entry| entry.1).collect()
    }
}

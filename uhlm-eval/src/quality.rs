//! Measures how good a method's replies are: right answers, and how likely the target finds what was written.

use serde::{Deserialize, Serialize};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::{SamplingChain, SamplingParams, TokenId};

use crate::error::EvalError;
use crate::pair::Pair;
use crate::reply::Reply;
use crate::statistics::Proportion;
use crate::stream::{Numbered, Run};
use crate::summary::{Estimate, bootstrap};
use crate::target::Target;

/// The quality of a method's replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Number of right replies among those that can be marked.
    pub right: usize,
    /// Number of replies that can be marked.
    pub marked: usize,
    /// Share of right replies among those that can be marked, with Wilson's interval.
    pub accuracy: Estimate,
    /// Mean of the target's `-ln p` at temperature 1 over the tokens that were written, in nats, with a bootstrap
    /// interval over replies. Its exponential is the perplexity.
    pub nats_per_token: Estimate,
}

impl Quality {
    /// Marks and scores the replies to a run's prompts.
    ///
    /// # Errors
    /// [`EvalError::Model`], [`EvalError::Template`].
    pub fn of(run: &Run<'_>, replies: &[Reply]) -> Result<Self, EvalError> {
        let right = accuracy(run.prompts, replies);
        let (low, high) = right.wilson95();
        let by_index = |numbered: &Numbered| run.prompts.iter().position(|p| p.index == numbered.index);
        let scored = run.map(|stream| {
            let mut scorer = Scorer::new(stream.pair)?;
            let own = stream.prompts.iter().filter_map(|prompt| Some((prompt, replies.get(by_index(prompt)?)?)));
            own.map(|(prompt, reply)| {
                let nats = scorer.nats(&stream.pair.prompt(&prompt.question.question)?, &reply.tokens)?;
                Ok((nats, reply.tokens.len() as f64))
            })
            .collect::<Result<Vec<_>, EvalError>>()
        })?;
        Ok(Self {
            right: right.successes,
            marked: right.trials,
            accuracy: Estimate { value: right.value(), low, high },
            nats_per_token: bootstrap(&scored.concat(), run.seed),
        })
    }
}

/// Returns the share of right replies among the prompts that have a right answer.
#[must_use]
pub fn accuracy(prompts: &[Numbered], replies: &[Reply]) -> Proportion {
    let marked = prompts.iter().zip(replies).filter(|(prompt, _)| prompt.question.check.is_some());
    let marks: Vec<bool> = marked.map(|(prompt, reply)| prompt.question.is_answered_by(&reply.text)).collect();
    Proportion { successes: marks.iter().filter(|right| **right).count(), trials: marks.len() }
}

/// The target model, as a judge of finished text.
struct Scorer {
    target: Target,
    /// Most tokens that the target takes.
    context: usize,
    chain: SamplingChain,
}

impl Scorer {
    fn new(pair: &Pair) -> Result<Self, EvalError> {
        let chain = SamplingChain::new(SamplingParams::default())?;
        Ok(Self { target: Target::new(pair)?, context: pair.context() as usize, chain })
    }

    /// Returns the sum of `-ln p` over the reply's tokens, in nats.
    fn nats(&mut self, prompt: &[TokenId], reply: &[TokenId]) -> Result<f64, EvalError> {
        if reply.is_empty() {
            return Ok(0.0);
        }
        let all = [prompt, &reply[..reply.len() - 1]].concat();
        if all.len() > self.context {
            return Err(ModelError::ContextFull { needed: all.len(), capacity: self.context }.into());
        }
        self.target.pass(0, &all, reply.len())?;
        let mut nats = 0.0;
        for (i, &id) in reply.iter().enumerate() {
            let p = self.target.row(i, &self.chain, &all[..prompt.len() + i])?;
            // A token without probability under the target would be infinitely surprising; the smallest f32 bounds it.
            nats -= f64::from(p.prob(id)).max(f64::from(f32::MIN_POSITIVE)).ln();
        }
        Ok(nats)
    }
}

//! The methods that this SDK is compared with, from their published rules.
//!
//! None of them looks at the link, so a baseline is generated once ([`run`]) into a [`Trace`] of what it computed and
//! sent, and timed afterwards on any channel and at any price ([`timing`]). The models, the seeds, the sampling chain,
//! the acceptance rule and the residual are those of `uhlm_core`.

pub mod timing;
mod writer;

use serde::{Deserialize, Serialize};
use uhlm_core::sampling::{Distribution, TokenId};

use crate::error::EvalError;
use crate::law::Observation;
use crate::reply::Decisions;
use crate::stream::Stream;
use writer::Writer;

/// A published rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Baseline {
    /// HLM: every token and its whole distribution go up; the target accepts or resamples. Exact. (Hao et al. 2024 as
    /// arXiv 2412.12687v2, section II, has it.)
    Hlm,
    /// As HLM for a random share of the tokens; the rest is committed unseen (arXiv 2412.12687v2, section V).
    RandHlm {
        /// The share that is sent.
        rate: f64,
    },
    /// U-HLM: as HLM where the uncertainty exceeds the threshold; the rest is committed unseen (arXiv 2412.12687v2).
    UHlm {
        /// The threshold `u_th`.
        threshold: f32,
    },
    /// CU-HLM: as U-HLM, with the distribution cut to its `top_k` largest probabilities and a uniform tail, which the
    /// target takes for the real one (arXiv 2505.11788). An entry is an id and 8 bits: 690 bits for 30 of 32,000.
    CuHlm {
        /// The threshold `u_th`.
        threshold: f32,
        /// How many entries are sent, the paper's `k* = 30`.
        top_k: usize,
    },
    /// DSSD: windows of ids and single probabilities go up; the target accepts on its side and sends its distribution
    /// down where it rejects, from which the device resamples; a bonus token follows a window that was accepted.
    /// Exact. (arXiv 2507.12000, algorithm with draft length gamma.)
    Dssd {
        /// The draft length.
        window: usize,
    },
}

/// Something that is sent, so that it can be billed for any vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Token ids.
    pub ids: u64,
    /// Bits of anything else: single probabilities, verdicts.
    pub bits: u64,
    /// Whole distributions over the vocabulary.
    pub distributions: u64,
}

/// A message to the target, its pass and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What goes up.
    pub up: Payload,
    /// Tokens that the target decodes, with the skipped ones that it had not seen.
    pub decoded: usize,
    /// What comes down.
    pub down: Payload,
    /// How many tokens the conversation then holds: which fade it meets.
    pub place: u64,
}

/// Draft passes, then perhaps an exchange; then some tokens stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Passes of the draft model.
    pub drafts: u64,
    /// The exchange, if the target was asked.
    pub exchange: Option<Exchange>,
    /// Tokens that stand at its end.
    pub committed: u64,
}

/// What a baseline did for one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Which prompt.
    pub prompt: u64,
    /// In order.
    pub steps: Vec<Step>,
    /// The reply's tokens.
    pub tokens: Vec<TokenId>,
    /// Its text.
    pub text: String,
    /// How often which decision was taken.
    pub decisions: Decisions,
}

/// Lets a baseline answer the prompts of a stream.
///
/// # Errors
/// [`EvalError::Model`], [`EvalError::Sampling`], [`EvalError::PromptTooLong`].
pub fn run(stream: &Stream<'_>, rule: Baseline) -> Result<Vec<Trace>, EvalError> {
    let mut writer = Writer::new(stream)?;
    stream.prompts.iter().map(|prompt| writer.answer(rule, prompt)).collect()
}

/// Lets HLM answer the prompts, so that every token is judged, and takes down what each estimator says about it.
///
/// # Errors
/// As [`run`].
pub fn observe(stream: &Stream<'_>) -> Result<Vec<Observation>, EvalError> {
    let mut writer = Writer::observing(stream)?;
    stream.prompts.iter().try_for_each(|prompt| writer.answer(Baseline::Hlm, prompt).map(drop))?;
    Ok(writer.observations())
}

/// The `top_k` largest probabilities as they are and what is left spread evenly over the rest of the vocabulary.
#[must_use]
pub fn with_uniform_tail(q: &Distribution, top_k: usize, vocabulary_size: usize) -> Distribution {
    let mut entries: Vec<(TokenId, f32)> = q.iter().collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    entries.truncate(top_k);
    let kept: f64 = entries.iter().map(|e| f64::from(e.1)).sum();
    let tail = (1.0 - kept).max(0.0) / (vocabulary_size - entries.len()).max(1) as f64;
    let mut weights = vec![tail; vocabulary_size];
    for (id, p) in entries {
        if let Some(weight) = weights.get_mut(id as usize) {
            *weight = f64::from(p);
        }
    }
    Distribution::from_weights(weights.into_iter().enumerate().map(|(id, w)| (id as TokenId, w)))
        .unwrap_or_else(|| q.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_tail_keeps_the_top_and_the_sum() {
        let q = Distribution::from_weights([(0, 0.5), (3, 0.3), (4, 0.15), (7, 0.05)]).expect("weights");
        let cut = with_uniform_tail(&q, 2, 10);
        assert!((cut.prob(0) - 0.5).abs() < 1e-6 && (cut.prob(3) - 0.3).abs() < 1e-6);
        assert!((cut.prob(4) - 0.025).abs() < 1e-6 && (cut.prob(9) - 0.025).abs() < 1e-6);
        assert!((cut.iter().map(|e| e.1).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}

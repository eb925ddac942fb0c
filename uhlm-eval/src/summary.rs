//! Sums up a method's replies in figures, with intervals.

use serde::{Deserialize, Serialize};
use uhlm_law::rng::{Rng, Stream};

use crate::reply::{Decisions, Reply};
use crate::statistics::quantile;
use crate::verifier::Ledger;

/// Number of resamples of the bootstrap.
const RESAMPLES: usize = 1000;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimated value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Quantiles of a value over the replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Quantile at 5 %.
    pub p5: f64,
    /// Quantile at 50 %.
    pub median: f64,
    /// Quantile at 95 %.
    pub p95: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let at = |share| quantile(values, share).unwrap_or(0.0);
        Self { p5: at(0.05), median: at(0.5), p95: at(0.95) }
    }
}

/// The figures of a method over all prompts in one setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of replies.
    pub replies: usize,
    /// Number of tokens of all replies.
    pub tokens: u64,
    /// Tokens of all replies over their time, in tokens a second, with a bootstrap interval over replies.
    pub tokens_per_second: Estimate,
    /// Speed of single replies, in tokens a second.
    pub reply_tokens_per_second: Spread,
    /// Time until the first committed token, in seconds.
    pub first_token_s: Spread,
    /// Transmission rate (TR): share of decided draft tokens that were judged, from 0 to 1.
    pub transmission_rate: f64,
    /// True skip rate (TSR): share of skipped tokens that the target would have accepted; `None` where none was
    /// labelled.
    pub true_skip_rate: Option<f64>,
    /// Number of target passes for each token of the reply.
    pub passes_per_token: f64,
    /// Number of tokens that the target decoded for each token of the reply.
    pub processed_per_token: f64,
    /// Number of drafted tokens for each token of the reply.
    pub drafted_per_token: f64,
    /// Share of judged tokens that were accepted, from 0 to 1.
    pub acceptance: f64,
    /// Number of bytes to the verifier for each token of the reply.
    pub up_per_token: f64,
    /// Number of bytes to the device for each token of the reply.
    pub down_per_token: f64,
    /// Number of rollbacks for each token of the reply.
    pub rollbacks_per_token: f64,
    /// Time that the device computed for each token of the reply, in seconds.
    pub device_s_per_token: f64,
}

impl Summary {
    /// Adds up replies. `seed` fixes the bootstrap.
    #[must_use]
    pub fn of(replies: &[Reply], seed: u64) -> Self {
        let tokens: u64 = replies.iter().map(|reply| reply.tokens.len() as u64).sum();
        let (mut ledger, mut decisions) = (Ledger::default(), Decisions::default());
        replies.iter().for_each(|reply| {
            ledger.add(&reply.ledger);
            decisions.add(&reply.decisions);
        });
        let a_token = |value: f64| if tokens == 0 { 0.0 } else { value / tokens as f64 };
        let each = |value: fn(&Reply) -> f64| replies.iter().map(value).collect::<Vec<_>>();
        let device: f64 = replies.iter().map(|reply| reply.device.as_secs_f64()).sum();
        let judged = decisions.judged.max(1) as f64;
        Self {
            replies: replies.len(),
            tokens,
            tokens_per_second: bootstrap(&pairs(replies), seed),
            reply_tokens_per_second: Spread::of(&each(|r| r.tokens.len() as f64 / r.elapsed.as_secs_f64().max(1e-9))),
            first_token_s: Spread::of(&each(|r| r.first_token.as_secs_f64())),
            transmission_rate: decisions.transmission_rate(),
            true_skip_rate: decisions.true_skip_rate(),
            passes_per_token: a_token(ledger.passes as f64),
            processed_per_token: a_token(ledger.processed as f64),
            drafted_per_token: a_token(decisions.drafted as f64),
            acceptance: 1.0 - decisions.rejected as f64 / judged,
            up_per_token: a_token(ledger.up as f64),
            down_per_token: a_token(ledger.down as f64),
            rollbacks_per_token: a_token(decisions.rollbacks as f64),
            device_s_per_token: a_token(device),
        }
    }
}

/// Returns the tokens and the seconds of each reply.
fn pairs(replies: &[Reply]) -> Vec<(f64, f64)> {
    replies.iter().map(|reply| (reply.tokens.len() as f64, reply.elapsed.as_secs_f64())).collect()
}

/// Returns the ratio of two sums with a percentile bootstrap over its terms.
pub(crate) fn bootstrap(pairs: &[(f64, f64)], seed: u64) -> Estimate {
    let terms: Vec<[f64; 2]> = pairs.iter().map(|pair| [pair.0, pair.1]).collect();
    bootstrap_of(&terms, seed, |[a, b]| if *b > 0.0 { a / b } else { 0.0 })
}

/// Returns a function of sums with a percentile bootstrap over their terms.
pub(crate) fn bootstrap_of<const N: usize>(terms: &[[f64; N]], seed: u64, of: impl Fn(&[f64; N]) -> f64) -> Estimate {
    let add = |mut sum: [f64; N], term: &[f64; N]| {
        sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
        sum
    };
    let value = of(&terms.iter().fold([0.0; N], add));
    let mut rng = Rng::new(seed, Stream::Simulation);
    let resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = (0..terms.len()).map(|_| &terms[(rng.uniform() * terms.len() as f64) as usize]);
            of(&draw.fold([0.0; N], add))
        })
        .collect();
    let at = |share| quantile(&resampled, share).unwrap_or(value);
    Estimate { value, low: at(0.025), high: at(0.975) }
}

//! Parameters of the sampling chain, with the meaning and defaults of llama.cpp's flags of the same names.

use serde::{Deserialize, Serialize};

use super::{SamplingError, TokenId};

/// Largest number of last tokens that penalties may look at: they are sorted for each token that is drawn, and a
/// verifier does that for everybody.
pub const MAX_PENALTY_LAST_N: u32 = 4096;

/// Largest number of tokens whose logits are raised or lowered: a verifier looks at them for each token that is drawn.
pub const MAX_LOGIT_BIAS: usize = 64;

/// A token whose logit is raised or lowered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogitBias {
    /// Id of the token; one that the vocabulary does not have changes nothing.
    pub id: TokenId,
    /// Amount that is added to its logit, -100 to 100.
    pub bias: f32,
}

/// Parameters of the canonical chain. The default changes nothing: a draw from the model's own softmax.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingParams {
    /// Divisor of the logits, applied last; 0 takes the most probable token. 0 to 100.
    pub temperature: f32,
    /// Number `k` of most probable tokens that are kept; 0 keeps all.
    pub top_k: u32,
    /// Probability that the kept tokens, as few of the most probable ones as it takes, reach together; 1 keeps all. In
    /// (0, 1].
    pub top_p: f32,
    /// Part of the greatest probability that a token must have at least to be kept; 0 keeps all. In [0, 1].
    pub min_p: f32,
    /// Number of last tokens that the penalties look at, at most [`MAX_PENALTY_LAST_N`]; 0 turns them off.
    pub penalty_last_n: u32,
    /// Divisor of the positive (factor on the negative) logit of a token that occurred; 1 is off. Above 0, at most 100.
    pub penalty_repeat: f32,
    /// Amount that is subtracted from a logit for each occurrence of its token; 0 is off. -100 to 100.
    pub penalty_frequency: f32,
    /// Amount that is subtracted once from the logit of a token that occurred; 0 is off. -100 to 100.
    pub penalty_presence: f32,
    /// Number of standard deviations of all logits below the greatest one within which tokens are kept; 0 keeps all. 0
    /// to 100.
    #[serde(skip_serializing_if = "is_off")]
    pub top_n_sigma: f32,
    /// Tokens whose logits are raised or lowered before everything else, each once, at most [`MAX_LOGIT_BIAS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logit_bias: Vec<LogitBias>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_off(value: &f32) -> bool {
    *value == 0.0
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            penalty_last_n: 64,
            penalty_repeat: 1.0,
            penalty_frequency: 0.0,
            penalty_presence: 0.0,
            top_n_sigma: 0.0,
            logit_bias: Vec::new(),
        }
    }
}

impl SamplingParams {
    /// Makes the parameters of temperature 0: the most probable token, always.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Tells whether the chain always yields a single token.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Tells whether any penalty changes logits.
    #[must_use]
    pub fn has_penalties(&self) -> bool {
        self.penalty_last_n > 0
            && (self.penalty_repeat != 1.0 || self.penalty_frequency != 0.0 || self.penalty_presence != 0.0)
    }

    /// Tells whether the chain has parts that a verifier must say it knows
    /// ([`Capabilities::WIDER_CHAIN`](crate::advance::Capabilities::WIDER_CHAIN)).
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.top_n_sigma != 0.0 || !self.logit_bias.is_empty()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`] names the first parameter outside its range.
    pub fn validate(&self) -> Result<(), SamplingError> {
        let check = |name, value: f32, ok: bool, allowed| {
            if ok { Ok(()) } else { Err(SamplingError::InvalidParameter { name, value, allowed }) }
        };
        check("temperature", self.temperature, (0.0..=100.0).contains(&self.temperature), "0 to 100")?;
        check("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0, at most 1")?;
        check("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        let last_n = self.penalty_last_n;
        check("penalty_last_n", last_n as f32, last_n <= MAX_PENALTY_LAST_N, "at most 4096")?;
        check(
            "penalty_repeat",
            self.penalty_repeat,
            self.penalty_repeat > 0.0 && self.penalty_repeat <= 100.0,
            "above 0, at most 100",
        )?;
        check("penalty_frequency", self.penalty_frequency, self.penalty_frequency.abs() <= 100.0, "-100 to 100")?;
        check("penalty_presence", self.penalty_presence, self.penalty_presence.abs() <= 100.0, "-100 to 100")?;
        check("top_n_sigma", self.top_n_sigma, (0.0..=100.0).contains(&self.top_n_sigma), "0 to 100")?;
        let count = self.logit_bias.len();
        check("logit_bias", count as f32, count <= MAX_LOGIT_BIAS, "at most 64 tokens")?;
        let wrong = self.logit_bias.iter().find(|token| token.bias.is_nan() || token.bias.abs() > 100.0);
        check("logit_bias", wrong.map_or(0.0, |token| token.bias), wrong.is_none(), "-100 to 100")?;
        let mut ids: Vec<TokenId> = self.logit_bias.iter().map(|token| token.id).collect();
        ids.sort_unstable();
        let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
        check("logit_bias", twice.map_or(0.0, |pair| pair[0] as f32), twice.is_none(), "each token once")
    }
}

//! Parameters of the sampling chain, with the meaning and defaults of llama.cpp's flags of the same names.

use serde::{Deserialize, Serialize};

use super::SamplingError;

/// Parameters of the canonical chain. The default changes nothing: a draw from the model's own softmax.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingParams {
    /// Divides the logits last; 0 takes the most probable token. At least 0.
    pub temperature: f32,
    /// Keeps the `k` most probable tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the smallest set of most probable tokens whose probability sums to at least this; 1 keeps all. In (0, 1].
    pub top_p: f32,
    /// Keeps tokens at least this fraction as probable as the most probable one; 0 keeps all. In [0, 1].
    pub min_p: f32,
    /// How many of the last tokens the penalties look at; 0 turns them off.
    pub penalty_last_n: u32,
    /// Divides the positive (multiplies the negative) logit of a token that occurred; 1 is off. Above 0.
    pub penalty_repeat: f32,
    /// Subtracts this times the number of occurrences; 0 is off.
    pub penalty_frequency: f32,
    /// Subtracts this once from a token that occurred; 0 is off.
    pub penalty_presence: f32,
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
        }
    }
}

impl SamplingParams {
    /// Temperature 0: the most probable token, always.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Whether the chain always yields a single token.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Whether any penalty changes logits.
    #[must_use]
    pub fn has_penalties(&self) -> bool {
        self.penalty_last_n > 0
            && (self.penalty_repeat != 1.0 || self.penalty_frequency != 0.0 || self.penalty_presence != 0.0)
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
        check(
            "penalty_repeat",
            self.penalty_repeat,
            self.penalty_repeat > 0.0 && self.penalty_repeat <= 100.0,
            "above 0, at most 100",
        )?;
        check("penalty_frequency", self.penalty_frequency, self.penalty_frequency.abs() <= 100.0, "-100 to 100")?;
        check("penalty_presence", self.penalty_presence, self.penalty_presence.abs() <= 100.0, "-100 to 100")
    }
}

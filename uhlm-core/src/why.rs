//! The reasons that are told with a token, where a generation was asked to explain itself.

use serde::{Deserialize, Serialize};
use uhlm_law::pace::Pace;
use uhlm_law::sampling::TokenId;

/// The decision that led to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The draft model writes alone, by the mode: nobody was to be asked.
    DeviceOnly,
    /// The gate let the drafted token pass: the target was not asked.
    Passed,
    /// The target was asked about the drafted token, and it is the target's own.
    Agreed,
    /// The target was asked about a drafted token, and wrote this one in its place.
    Replaced,
    /// The target wrote the token where nothing was drafted: after a window that it agreed to, or running ahead as its
    /// grants allow.
    RanAhead,
    /// The target should have been asked, and was not: it was out of reach, the budget was spent, or the run was a dry
    /// one.
    Alone,
    /// The session wrote the token, to end a reasoning that had used up its budget.
    Ended,
}

/// The reason why the target was asked about a token, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// Decision that led to the token.
    pub decision: Decision,
    /// The draft model's uncertainty about its own token at this place, in [0, 1]; `None` where it drafted none.
    pub uncertainty: Option<f32>,
    /// Threshold of the gate when the token was drafted, in [0, 1]: on the uncertainty, or on `rejection` with a goal
    /// that is kept by the prediction; `None` where no gate decided.
    pub threshold: Option<f32>,
    /// Margin by which the drafted token won the race of the noise, at least 0.
    pub margin: Option<f32>,
    /// Probability that the target writes another token, as it was expected when the token was drafted, in [0, 1].
    pub rejection: Option<f64>,
    /// Pace of the reply; `None` outside the mode `exact`, and where the device is alone.
    pub pace: Option<Pace>,
    /// Number of the request of this reply that brought the token, from 1, as
    /// [`Statistics::requests`](crate::Statistics::requests) counts them; `None` where none did.
    pub request: Option<u64>,
}

/// A token that could have stood at a place, with the draft model's probability of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogProbability {
    /// Id of the token.
    pub id: TokenId,
    /// Natural logarithm of the probability that the draft model gives it, before the sampling chain changes anything.
    pub log_probability: f32,
}

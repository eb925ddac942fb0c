//! A token on its way through a session: drafted, decided on, standing.

use uhlm_law::calibration::Features;
use uhlm_law::sampling::TokenId;

use crate::origin::Origin;

/// A drafted token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drafted {
    pub(super) id: TokenId,
    /// The draft model's uncertainty about it, in [0, 1].
    pub(super) uncertainty: f32,
    /// Its draft probability.
    pub(super) q: f32,
    /// Entropy of the draft distribution that it was drawn from, in nats.
    pub(super) entropy: f32,
    /// How far it won the race of the noise by.
    pub(super) margin: f32,
    /// Probability that the target writes another token, in [0, 1].
    pub(super) beta: f64,
    /// Whether the target decides on it.
    pub(super) judged: bool,
}

impl Drafted {
    /// Returns what the device saw of it.
    pub(super) fn features(&self) -> Features {
        Features { u: self.uncertainty, q: self.q, entropy: self.entropy, margin: self.margin }
    }
}

/// A token that stands from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) id: TokenId,
    pub(super) origin: Origin,
    /// What the draft model said of it, where it wrote it too.
    pub(super) drafted: Option<Drafted>,
}

/// What became of a drafted token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) drafted: Drafted,
    /// Whether the target wrote the same.
    pub(super) matched: bool,
    /// Its target probability, where it was told.
    pub(super) p: Option<f32>,
}

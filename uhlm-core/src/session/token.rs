//! A token on its way through a session: drafted, decided on, standing.

use uhlm_law::calibration::Features;
use uhlm_law::sampling::TokenId;

use crate::mode::Mode;
use crate::origin::Origin;

/// Margin of a token that no other can win against: the range of the noise.
const CERTAIN: f32 = 40.0;

/// A drafted token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Drafted {
    pub(super) id: TokenId,
    /// The draft model's uncertainty about it, in [0, 1].
    pub(super) uncertainty: f32,
    /// Probability that the draft model gave it, in [0, 1].
    pub(super) q: f32,
    /// Entropy of the draft distribution that it was drawn from, in nats.
    pub(super) entropy: f32,
    /// Margin by which the token won the race of the noise.
    pub(super) margin: f32,
    /// Probability that the target writes another token, in [0, 1].
    pub(super) beta: f64,
    /// Threshold of the gate that decided so; `None` where the mode did.
    pub(super) threshold: Option<f32>,
    /// Whether the target decides on it.
    pub(super) judged: bool,
    /// Whether the grammar leaves no choice about it: no model has drawn it, and it tells nothing about one.
    pub(super) forced: bool,
}

impl Drafted {
    /// Returns a token that the grammar leaves no choice about.
    pub(super) fn forced(id: TokenId, mode: Mode) -> Self {
        Self { id, q: 1.0, margin: CERTAIN, judged: mode == Mode::Exact, forced: true, ..Self::default() }
    }

    /// Returns the features by which the gate judges the token.
    pub(super) fn features(&self) -> Features {
        Features { u: self.uncertainty, q: self.q, entropy: self.entropy, margin: self.margin }
    }
}

/// A token that stands from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) id: TokenId,
    pub(super) origin: Origin,
    /// The drafted token, where the draft model wrote the same one.
    pub(super) drafted: Option<Drafted>,
}

/// The decision about a drafted token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) drafted: Drafted,
    /// Whether the target wrote the same token.
    pub(super) matched: bool,
    /// Probability that the target gave the drafted token, in [0, 1], where it was told.
    pub(super) p: Option<f32>,
}

//! The linear law between uncertainty and rejection, and the labels that it is fitted to.

use serde::{Deserialize, Serialize};

use crate::speculative;

/// The linear law `beta = a u + b` between uncertainty and rejection probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearLaw {
    /// Slope; positive in every usable calibration.
    pub a: f64,
    /// Intercept; usually negative.
    pub b: f64,
}

impl LinearLaw {
    /// The expected rejection probability at uncertainty `u`, clamped to [0, 1]; 1 for a `u` that is not a number.
    #[must_use]
    pub fn rejection_probability(&self, u: f32) -> f64 {
        let beta = self.a * f64::from(u) + self.b;
        if beta.is_nan() { 1.0 } else { beta.clamp(0.0, 1.0) }
    }

    /// The uncertainty at which the law gives `beta`; may lie outside [0, 1].
    #[must_use]
    pub fn uncertainty_at(&self, beta: f64) -> f64 {
        (beta - self.b) / self.a
    }
}

/// One judged token: its uncertainty and what both models gave it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Uncertainty of the draft model at this token, in [0, 1].
    pub u: f32,
    /// Draft probability `q(d)`, in (0, 1].
    pub q: f32,
    /// Target probability `p(d)`, in [0, 1]; it comes with every verdict.
    pub p: f32,
}

impl Label {
    /// The rejection probability `beta = max(0, 1 - p(d)/q(d))`.
    #[must_use]
    pub fn rejection_probability(&self) -> f64 {
        f64::from(speculative::rejection_probability(self.q, self.p))
    }

    /// Whether the token could be rejected at all: `p(d) < q(d)`.
    #[must_use]
    pub fn is_risky(&self) -> bool {
        self.p < self.q
    }

    /// Whether the three values lie in their ranges.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (0.0..=1.0).contains(&self.u) && self.q > 0.0 && self.q <= 1.0 && (0.0..=1.0).contains(&self.p)
    }
}

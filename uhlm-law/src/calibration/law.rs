//! The linear law between uncertainty and rejection, and the labels that it is fitted to.

use serde::{Deserialize, Serialize};

use super::Features;

/// The linear law `beta = a u + b` between the uncertainty `u` and the rejection probability `beta`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearLaw {
    /// Slope; positive in every usable calibration.
    pub a: f64,
    /// Intercept; usually negative.
    pub b: f64,
}

impl LinearLaw {
    /// Returns the expected rejection probability at uncertainty `u`, clamped to [0, 1]; 1 for a `u` that is not a
    /// number.
    #[must_use]
    pub fn rejection_probability(&self, u: f32) -> f64 {
        let beta = self.a * f64::from(u) + self.b;
        if beta.is_nan() { 1.0 } else { beta.clamp(0.0, 1.0) }
    }

    /// Returns the uncertainty at which the law gives `beta`; it may lie outside [0, 1].
    #[must_use]
    pub fn uncertainty_at(&self, beta: f64) -> f64 {
        (beta - self.b) / self.a
    }
}

/// Returns the rejection probability `beta = max(0, 1 - p(d)/q(d))` of a drafted token `d` under the paper's own
/// coupling: the label that calibration learns from. `p(d)` is the target model's probability, `q(d)` the draft
/// model's.
#[must_use]
pub fn rejection_probability(q_d: f32, p_d: f32) -> f32 {
    if q_d <= 0.0 { 0.0 } else { (1.0 - p_d / q_d).clamp(0.0, 1.0) }
}

/// One judged token: the device's observations, and what the target said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// The device's observations of the token.
    pub features: Features,
    /// Target probability `p(d)`, in [0, 1].
    pub p: f32,
    /// Whether the target wrote the same token, under the shared noise.
    pub matched: bool,
}

impl Label {
    /// Returns the uncertainty.
    #[must_use]
    pub fn u(&self) -> f32 {
        self.features.u
    }

    /// Returns the [rejection probability](rejection_probability) `beta` of the token.
    #[must_use]
    pub fn rejection_probability(&self) -> f64 {
        f64::from(rejection_probability(self.features.q, self.p))
    }

    /// Tells whether the paper's coupling could reject the token at all: `p(d) < q(d)`.
    #[must_use]
    pub fn is_risky(&self) -> bool {
        self.p < self.features.q
    }

    /// Tells whether all values lie in their ranges.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.features.is_valid() && (0.0..=1.0).contains(&self.p)
    }
}

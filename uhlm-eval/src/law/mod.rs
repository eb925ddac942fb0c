//! The law between uncertainty and rejection, measured: what each estimator says about a token, and what the target
//! did.

pub mod predictor;
pub mod report;
pub mod scores;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Label;
use uhlm_law::sampling::TokenId;
use uhlm_law::speculative::rejection_probability;
use uhlm_law::uncertainty::{Estimator, PAPER_DRAWS, Uncertainty};

/// The estimators that are compared.
pub const ESTIMATORS: [Estimator; 5] = [
    Estimator::TemperaturePerturbation,
    Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS },
    Estimator::Entropy,
    Estimator::MaxProbability,
    Estimator::Margin,
];

/// One drafted token: what each of [`ESTIMATORS`] says about it, and both models' probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Which prompt it belongs to.
    pub prompt: u64,
    /// Uncertainties, in the order of [`ESTIMATORS`].
    pub u: [f32; ESTIMATORS.len()],
    /// `q(d)`.
    pub q: f32,
    /// `p(d)`.
    pub p: f32,
}

impl Observation {
    /// The rejection probability `beta = max(0, 1 - p(d)/q(d))`.
    #[must_use]
    pub fn beta(&self) -> f64 {
        f64::from(rejection_probability(self.q, self.p))
    }

    /// As the label of one estimator.
    #[must_use]
    pub fn label(&self, estimator: usize) -> Label {
        Label { u: self.u[estimator], q: self.q, p: self.p }
    }
}

/// Takes observations down while a baseline writes.
pub(crate) struct Observer {
    estimators: Vec<Box<dyn Uncertainty>>,
    latest: [f32; ESTIMATORS.len()],
    pub(crate) observations: Vec<Observation>,
}

impl Observer {
    pub(crate) fn new(seed: u64) -> Self {
        let estimators = ESTIMATORS.iter().map(|estimator| estimator.build(seed)).collect();
        Self { estimators, latest: [0.0; ESTIMATORS.len()], observations: Vec::new() }
    }

    /// A token was drafted from these logits.
    pub(crate) fn draft(&mut self, logits: &[f32], id: TokenId) {
        for (u, estimator) in self.latest.iter_mut().zip(&mut self.estimators) {
            *u = estimator.estimate(logits, id);
        }
    }

    /// What the models gave that token.
    pub(crate) fn label(&mut self, prompt: u64, q: f32, p: f32) {
        self.observations.push(Observation { prompt, u: self.latest, q, p });
    }
}

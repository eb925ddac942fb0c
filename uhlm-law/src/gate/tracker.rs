//! The learned law, going on learning: one Newton step a label, with the calibration as its prior.

use crate::calibration::Features;
use crate::calibration::logistic::{INPUTS, Logistic, Matrix, add_outer, inputs, predict, solve};

/// Number of labels that the calibration counts as for ever, as in the tracked line.
const PRIOR_LABELS: f64 = 100.0;
/// Factor on a label's weight with each further one: the weight falls by half in about 350.
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
/// Least information of a label about the weights, so that a prediction of 0 can still be unlearnt.
const LEAST_INFORMATION: f64 = 1e-3;
/// Information added in each direction, so that the step stays bounded where the calibration says nothing.
const RIDGE: f64 = 0.5;

/// Weights with the information that they rest on: a Gaussian belief (Laplace's approximation), updated label by label.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    prior: [f64; INPUTS],
    prior_information: Matrix,
    weights: [f64; INPUTS],
    /// Information of this session's labels, older ones weighing less.
    information: Matrix,
}

impl Tracker {
    pub(super) fn new(law: &Logistic) -> Self {
        let mut prior_information = law.information.map(|row| row.map(|entry| entry * PRIOR_LABELS));
        (0..INPUTS).for_each(|i| prior_information[i][i] += RIDGE);
        Self { prior: law.weights, prior_information, weights: law.weights, information: Matrix::default() }
    }

    /// Returns the probability that the target writes another token; 1 where a feature is not a number.
    pub(super) fn mismatch(&self, features: &Features) -> f64 {
        let expected = predict(&self.weights, &inputs(features));
        if expected.is_nan() { 1.0 } else { expected }
    }

    /// Learns whether the target wrote the same token; the features are valid.
    pub(super) fn observe(&mut self, features: &Features, matched: bool) {
        let x = inputs(features);
        let expected = predict(&self.weights, &x);
        self.information.iter_mut().flatten().for_each(|entry| *entry *= FORGETTING);
        add_outer(&mut self.information, &x, (expected * (1.0 - expected)).max(LEAST_INFORMATION));
        let (mut all, mut gradient) = (self.prior_information, [0.0; INPUTS]);
        for i in 0..INPUTS {
            // What is forgotten draws the weights back to the calibration's.
            let back: f64 = (0..INPUTS).map(|j| self.prior_information[i][j] * (self.prior[j] - self.weights[j])).sum();
            gradient[i] = x[i] * (f64::from(u8::from(!matched)) - expected) + (1.0 - FORGETTING) * back;
            (0..INPUTS).for_each(|j| all[i][j] += self.information[i][j]);
        }
        if let Some(step) = solve(all, gradient).filter(|step| step.iter().all(|value| value.is_finite())) {
            self.weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step);
        }
    }

    /// Returns the law that is believed now, in the calibration's terms.
    pub(super) fn law(&self, before: &Logistic) -> Logistic {
        Logistic { weights: self.weights, ..before.clone() }
    }
}

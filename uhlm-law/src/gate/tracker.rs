//! The learned law, going on learning: one Newton step a label, with the calibration as its prior.

use crate::calibration::Features;
use crate::calibration::logistic::{INPUTS, Logistic, inputs};
use crate::regression::Belief;

/// The calibration counts as this many labels for ever, as in the tracked line.
const PRIOR_LABELS: f64 = 100.0;
/// A label's weight falls by half in about 350 further ones.
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
/// Keeps the step bounded in directions of which the calibration says nothing.
const RIDGE: f64 = 0.5;

/// The calibration's law, updated label by label.
#[derive(Clone, Debug)]
pub(super) struct Tracker(Belief<INPUTS>);

impl Tracker {
    pub(super) fn new(law: &Logistic) -> Self {
        let mut prior_information = law.information.map(|row| row.map(|entry| entry * PRIOR_LABELS));
        (0..INPUTS).for_each(|i| prior_information[i][i] += RIDGE);
        Self(Belief::new(law.weights, prior_information, FORGETTING))
    }

    /// The probability that the target writes another token; 1 where a feature is not a number.
    pub(super) fn mismatch(&self, features: &Features) -> f64 {
        self.0.expect(&inputs(features))
    }

    /// Learns whether the target wrote the same token; the features are valid.
    pub(super) fn observe(&mut self, features: &Features, matched: bool) {
        self.0.observe(&(inputs(features), f64::from(u8::from(!matched))));
    }

    /// What is believed now, in the calibration's terms.
    pub(super) fn law(&self, before: &Logistic) -> Logistic {
        Logistic { weights: *self.0.weights(), ..before.clone() }
    }
}

//! The learned law, going on learning: one Newton step a label, with the calibration as its prior.

use crate::calibration::Features;
use crate::calibration::logistic::{INPUTS, Logistic, inputs};
use crate::regression::Belief;

/// Number of labels that the calibration counts as for ever, as in the tracked line.
const PRIOR_LABELS: f64 = 100.0;
/// Factor on a label's weight with each further one: the weight falls by half in about 350.
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
/// Information added in each direction, so that the step stays bounded where the calibration says nothing.
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

    /// Returns the probability that the target writes another token; 1 where a feature is not a number.
    pub(super) fn mismatch(&self, features: &Features) -> f64 {
        self.0.expect(&inputs(features))
    }

    /// Learns whether the target wrote the same token; the features are valid.
    pub(super) fn observe(&mut self, features: &Features, matched: bool) {
        self.0.observe(&(inputs(features), f64::from(u8::from(!matched))));
    }

    /// Returns the law that is believed now, in the calibration's terms.
    pub(super) fn law(&self, before: &Logistic) -> Logistic {
        Logistic { weights: *self.0.weights(), ..before.clone() }
    }
}

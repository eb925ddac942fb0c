//! Skipping by what is expected of a token under the shared noise, not by its uncertainty alone.
//!
//! The order of the tokens is that of the calibration's law, which stays as it is: a threshold that follows the last
//! few hundred predictions must not chase weights that move meanwhile. How often the target wrote another token where
//! this was predicted is learnt on.

use super::means::Means;
use super::window::Window;
use crate::calibration::{CELLS, Calibration, Features, Logistic, Predictions};

/// The calibration's law, the distribution of its predictions, and their outcomes.
#[derive(Clone, Debug)]
pub(super) struct Foresight {
    law: Logistic,
    /// Predictions of the last tokens.
    pub(super) window: Window,
    /// Share of tokens in whose place the target wrote another, by the prediction.
    means: Means,
}

impl Foresight {
    /// Starts from a calibration; `None` where its learned law did not see the noise, or there is none.
    pub(super) fn new(calibration: &Calibration) -> Option<Self> {
        let law = calibration.learned.clone()?;
        let Predictions { quantiles, mismatch } = law.predictions.as_ref()?;
        let window = Window::new(quantiles, calibration.is_generic());
        Some(Self { window, means: Means::new(calibration, quantiles, mismatch), law })
    }

    /// Returns what is believed now, in the calibration's terms. The predictions are those of the calibration's law.
    pub(super) fn predictions(&self) -> Predictions {
        let middle = |cell: usize| self.window.at_rank((cell as f64 + 0.5) / CELLS as f64);
        let mismatch = (0..CELLS).map(|cell| self.mismatch(middle(cell)) as f32).collect();
        Predictions { quantiles: self.window.quantiles(), mismatch }
    }

    /// Returns the law's prediction; not a number for features outside their ranges.
    pub(super) fn prediction(&self, features: &Features) -> f32 {
        if features.is_valid() { self.law.mismatch_probability(features) as f32 } else { f32::NAN }
    }

    /// Learns the outcome of a prediction.
    pub(super) fn observe_match(&mut self, prediction: f32, matched: bool) {
        self.means.observe(prediction, f64::from(u8::from(!matched)));
    }

    /// Returns the share of tokens in whose place the target writes another where this was predicted.
    pub(super) fn mismatch(&self, prediction: f32) -> f64 {
        self.means.at(prediction)
    }
}

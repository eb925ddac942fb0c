//! The measurements of a pair of models: how the uncertainty `u` of a drafted token predicts the probability `beta` of
//! its rejection.
//!
//! Decides how labels become the linear law `beta = a u + b`, the thresholds and risks that follow from it, the learned
//! law of what the shared noise decides, and how all that is written as JSON. It leaves to [`crate::gate`] what a
//! session does with it and to [`crate::uncertainty`] where `u` comes from.
//!
//! The law, both thresholds and the risk bound are those of "Uncertainty-Aware Hybrid Inference with On-Device Small
//! and Remote Large Language Models", arXiv 2412.12687v2. They hold for one pair of models, one estimator, one
//! sampling chain and one kind of prompt, so all but the last are stored and compared.

mod features;
mod law;
pub(crate) mod logistic;
mod statistics;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::features::Features;
pub use self::law::{Label, LinearLaw, rejection_probability};
pub use self::logistic::{Logistic, Predictions};
use self::statistics::cell_means;
pub(crate) use self::statistics::{Moments, interpolate, quantiles};
use crate::digest::Digest;
use crate::sampling::SamplingParams;
use crate::uncertainty::{Estimator, MAX_DRAWS};

/// Version of the file that is written; older ones are read too, newer ones refused. Version 2 added the learned law,
/// version 3 the noise and the entropy to what it sees.
pub const CALIBRATION_VERSION: u32 = 3;
/// Largest text that is read as a calibration, in bytes: one that is written has less than 20,000.
pub const MAX_CALIBRATION_BYTES: usize = 1 << 20;
/// Smallest number of labels that a law is fitted to. A thousand or more is sensible: the paper used 5,134.
pub const MIN_LABELS: usize = 50;
/// Number of equal shares of the drafted tokens, in order of `u`, that a calibration describes one by one.
pub const CELLS: usize = 100;

/// The models and the settings that labels were taken from.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationSource {
    /// Fingerprint of the draft model's file.
    pub draft: Digest,
    /// Fingerprint of the target model's file.
    pub target: Digest,
    /// The estimator that gave `u`.
    pub estimator: Estimator,
    /// The sampling chain that made the draft distribution `q` and the target distribution `p`.
    pub sampling: SamplingParams,
}

/// The calibration of a pair of models; as JSON, the file beside the pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of the file, [`CALIBRATION_VERSION`].
    pub version: u32,
    /// Fingerprint of the draft model's file.
    pub draft: Digest,
    /// Fingerprint of the target model's file.
    pub target: Digest,
    /// The estimator that gave `u`.
    pub estimator: Estimator,
    /// The sampling chain that made the draft distribution `q` and the target distribution `p`.
    pub sampling: SamplingParams,
    /// The law `beta = a u + b` for the rejection probability `beta`, by least squares over all labels.
    pub law: LinearLaw,
    /// Share of the drafted tokens `d` with `p(d) < q(d)`, in [0, 1]: the paper's Delta.
    pub delta: f64,
    /// Number of labels that this rests on; 0 says that nothing was measured ([`Calibration::generic`]).
    pub labels: u64,
    /// Pearson correlation of `u` and `beta` over single tokens.
    pub correlation: f64,
    /// Quantiles of `u` at 0, 1, ..., 100 %.
    pub uncertainty_quantiles: Vec<f32>,
    /// Mean `beta` of each hundredth of the tokens in order of `u`, between two neighbouring quantiles.
    pub beta_by_uncertainty: Vec<f32>,
    /// Share of tokens with `p(d) < q(d)` in each of those hundredths.
    pub risky_by_uncertainty: Vec<f32>,
    /// The learned law, by which a session expects that the target writes another token, unless it is told to go by the
    /// line. Files of version 1 have none. One of version 2 is read with weights of 0 for what it did not see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Logistic>,
    /// Threshold that a search on questions with known answers settled on, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended_threshold: Option<f32>,
}

/// The reason why no calibration could be made.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few labels to fit a line to: let the run go on for longer.
    #[error("{found} labels are too few for a calibration, it takes {MIN_LABELS}")]
    TooFewLabels {
        /// Number of labels that there were.
        found: usize,
    },
    /// `u` does not predict rejections for this pair: the slope is not positive.
    #[error("rejections do not grow with uncertainty (slope {slope}), so no threshold on it makes sense")]
    NotIncreasing {
        /// The fitted slope.
        slope: f64,
    },
    /// A label holds a value outside its range.
    #[error("label {index} holds a value outside its range")]
    InvalidLabel {
        /// Index of the label.
        index: usize,
    },
}

/// The reason why a text is no calibration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCalibration {
    /// The text is not JSON, lacks a field, or holds a value outside its range.
    #[error("it is damaged: {reason}")]
    Damaged {
        /// Description of the damage.
        reason: String,
    },
    /// The text was written by another version of this library.
    #[error("it has version {found}, this library reads up to {CALIBRATION_VERSION}")]
    WrongVersion {
        /// The version that the text states.
        found: u32,
    },
}

impl Calibration {
    /// Fits the laws and measures the rest: the line, Delta and the thresholds from `p(d)`, the learned law from what
    /// the target wrote. The labels must be those of *every* drafted token of a run (all judged, as in the `exact`
    /// mode): a run that skipped tokens would bias Delta and the distribution of `u`.
    ///
    /// # Errors
    /// [`CalibrationError::TooFewLabels`], [`CalibrationError::InvalidLabel`], [`CalibrationError::NotIncreasing`].
    pub fn fit(labels: &[Label], source: CalibrationSource) -> Result<Self, CalibrationError> {
        if labels.len() < MIN_LABELS {
            return Err(CalibrationError::TooFewLabels { found: labels.len() });
        }
        if let Some(index) = labels.iter().position(|label| !label.is_valid()) {
            return Err(CalibrationError::InvalidLabel { index });
        }
        let mut moments = Moments::default();
        labels.iter().for_each(|l| moments.add(f64::from(l.u()), l.rejection_probability(), 1.0));
        let law = moments.line().filter(|law| law.a > 0.0 && law.a.is_finite());
        let Some(law) = law else {
            return Err(CalibrationError::NotIncreasing { slope: moments.line().map_or(0.0, |law| law.a) });
        };
        let mut sorted = labels.to_vec();
        sorted.sort_by(|x, y| x.u().total_cmp(&y.u()));
        let uncertainties: Vec<f32> = sorted.iter().map(Label::u).collect();
        Ok(Self {
            version: CALIBRATION_VERSION,
            draft: source.draft,
            target: source.target,
            estimator: source.estimator,
            sampling: source.sampling,
            law,
            delta: labels.iter().filter(|l| l.is_risky()).count() as f64 / labels.len() as f64,
            labels: labels.len() as u64,
            correlation: moments.correlation(),
            uncertainty_quantiles: quantiles(&uncertainties),
            beta_by_uncertainty: cell_means(&sorted, Label::rejection_probability),
            risky_by_uncertainty: cell_means(&sorted, |l| f64::from(u8::from(l.is_risky()))),
            learned: Logistic::fit(labels),
            recommended_threshold: None,
        })
    }

    /// Makes the calibration to start from where nothing was measured: the paper's law for TinyLlama-1.1B and
    /// Llama-2-7B on Alpaca (`a = 0.82`, `b = -0.06`, `Delta = 0.301`), with an invented distribution of `u` (its
    /// square root uniform).
    ///
    /// Other pairs measured between 0.34 and 0.82 for `a`, so its risks are guesses until a session has tracked a few
    /// hundred labels; a gate trusts it less than a measured calibration. Its digests are zero and match no model.
    #[must_use]
    pub fn generic() -> Self {
        let law = LinearLaw { a: 0.82, b: -0.06 };
        let delta = 0.301;
        let square = |rank: f32| rank * rank;
        let beta: Vec<f32> = (0..CELLS)
            .map(|cell| law.rejection_probability(square((cell as f32 + 0.5) / CELLS as f32)) as f32)
            .collect();
        let mean = beta.iter().sum::<f32>() / CELLS as f32;
        let risky = beta.iter().map(|b| (b * delta as f32 / mean).min(1.0)).collect();
        Self {
            version: CALIBRATION_VERSION,
            draft: Digest([0; 32]),
            target: Digest([0; 32]),
            estimator: Estimator::default(),
            sampling: SamplingParams::default(),
            law,
            delta,
            labels: 0,
            correlation: 0.5,
            uncertainty_quantiles: (0..=CELLS).map(|i| square(i as f32 / CELLS as f32)).collect(),
            beta_by_uncertainty: beta,
            risky_by_uncertainty: risky,
            learned: None,
            recommended_threshold: None,
        }
    }

    /// Tells whether this is [`Calibration::generic`], not a measurement.
    #[must_use]
    pub fn is_generic(&self) -> bool {
        self.labels == 0
    }

    /// Tells whether this was measured on these two models.
    #[must_use]
    pub fn matches(&self, draft: &Digest, target: &Digest) -> bool {
        !self.is_generic() && self.draft == *draft && self.target == *target
    }

    /// Returns the risk-averse threshold `-b/a` (paper, section on thresholds): by the law, no token below it is ever
    /// rejected.
    #[must_use]
    pub fn risk_averse(&self) -> f32 {
        self.law.uncertainty_at(0.0).clamp(0.0, 1.0) as f32
    }

    /// Returns the risk-prone threshold `(Delta - b)/a`, the one that the paper adopts: it accepts a rejection
    /// probability up to Delta.
    #[must_use]
    pub fn risk_prone(&self) -> f32 {
        self.law.uncertainty_at(self.delta).clamp(0.0, 1.0) as f32
    }

    /// Returns the share of drafted tokens with `u > threshold`, those that are sent.
    #[must_use]
    pub fn share_sent_at(&self, threshold: f32) -> f64 {
        1.0 - self.rank(threshold)
    }

    /// Returns the threshold at which this share of the drafted tokens is sent.
    #[must_use]
    pub fn threshold_for_share(&self, share: f64) -> f32 {
        self.uncertainty_at_rank(1.0 - share.clamp(0.0, 1.0))
    }

    /// Returns the risk at a threshold: the mean of `beta 1{u <= threshold}` over drafted tokens, as measured. It is
    /// the expected number of tokens per drafted token that are committed although the target would have rejected them.
    #[must_use]
    pub fn expected_risk(&self, threshold: f32) -> f64 {
        let cells = self.rank(threshold) * CELLS as f64;
        let whole = cells as usize;
        let sum: f64 = self.beta_by_uncertainty.iter().take(whole).map(|&b| f64::from(b)).sum();
        let part = self.beta_by_uncertainty.get(whole).map_or(0.0, |&b| f64::from(b) * (cells - whole as f64));
        (sum + part) / CELLS as f64
    }

    /// Returns the highest threshold whose [`expected_risk`](Self::expected_risk) is at most `risk`; 1 where the risk
    /// of skipping everything is.
    #[must_use]
    pub fn threshold_for_risk(&self, risk: f64) -> f32 {
        let mut left = risk.max(0.0) * CELLS as f64;
        for (cell, &beta) in self.beta_by_uncertainty.iter().enumerate() {
            let beta = f64::from(beta);
            if beta > left {
                return self.uncertainty_at_rank((cell as f64 + left / beta) / CELLS as f64);
            }
            left -= beta;
        }
        1.0
    }

    /// Returns the paper's bound on the risk that the law puts between the two thresholds, `Delta^(3/2) / sqrt(3a) *
    /// sqrt(integral f(u)^2 du)` over `[-b/a, (Delta - b)/a]`, `f` being the density of `u`. It follows from the
    /// Cauchy-Schwarz inequality. The integral is taken over a histogram of twenty bins there.
    #[must_use]
    pub fn risk_bound(&self) -> f64 {
        const BINS: usize = 20;
        let (low, high) = (self.law.uncertainty_at(0.0), self.law.uncertainty_at(self.delta));
        let width = (high - low) / BINS as f64;
        let square: f64 = (0..BINS)
            .map(|i| {
                let edge = low + i as f64 * width;
                let mass = self.rank((edge + width) as f32) - self.rank(edge as f32);
                mass * mass / width
            })
            .sum();
        self.delta.powf(1.5) / (3.0 * self.law.a).sqrt() * square.sqrt()
    }

    /// Reads the JSON text of a calibration, of this version or an older one.
    ///
    /// # Errors
    /// [`InvalidCalibration`].
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidCalibration> {
        /// The version alone. It is read first, so that a text of another version is named as such and not as damaged.
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let damaged = |reason: String| InvalidCalibration::Damaged { reason };
        if text.len() > MAX_CALIBRATION_BYTES {
            return Err(damaged(format!("it is longer than {MAX_CALIBRATION_BYTES} bytes")));
        }
        let header: Header = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if !(1..=CALIBRATION_VERSION).contains(&header.version) {
            return Err(InvalidCalibration::WrongVersion { found: header.version });
        }
        let mut calibration: Self = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        calibration.version = CALIBRATION_VERSION;
        calibration.check().map_err(|reason| damaged(reason.into()))?;
        Ok(calibration)
    }

    /// Writes the calibration as JSON, for people to read too.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // It fails only for types that cannot be represented; every field can, as the round-trip test shows.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Returns the mean rejection probability of a drafted token.
    #[must_use]
    pub fn mean_beta(&self) -> f64 {
        self.beta_by_uncertainty.iter().map(|&beta| f64::from(beta)).sum::<f64>() / CELLS as f64
    }

    /// Returns the share of drafted tokens with uncertainty at most `u`.
    pub(crate) fn rank(&self, u: f32) -> f64 {
        let q = &self.uncertainty_quantiles;
        let above = q.partition_point(|&x| x <= u);
        if above == 0 {
            return 0.0;
        }
        let Some(&high) = q.get(above) else { return 1.0 };
        let low = q[above - 1];
        ((above - 1) as f64 + f64::from(u - low) / f64::from(high - low)) / CELLS as f64
    }

    /// Returns the uncertainty that this share of the drafted tokens does not exceed.
    pub(crate) fn uncertainty_at_rank(&self, rank: f64) -> f32 {
        interpolate(&self.uncertainty_quantiles, rank)
    }

    /// Checks what a file must fulfil beyond its types.
    fn check(&self) -> Result<(), &'static str> {
        let unit = |values: &[f32]| values.iter().all(|v| (0.0..=1.0).contains(v));
        if !(self.law.a.is_finite() && self.law.b.is_finite() && self.law.a > 0.0) {
            return Err("the law's slope is not positive");
        }
        if !(0.0..=1.0).contains(&self.delta) || !(-1.0..=1.0).contains(&self.correlation) {
            return Err("delta or correlation lies outside its range");
        }
        let quantiles = &self.uncertainty_quantiles;
        if quantiles.len() != CELLS + 1 || !unit(quantiles) || !quantiles.is_sorted() {
            return Err("the quantiles of u are not 101 ascending values in [0, 1]");
        }
        let per_cell = [&self.beta_by_uncertainty, &self.risky_by_uncertainty];
        if per_cell.iter().any(|values| values.len() != CELLS || !unit(values)) {
            return Err("the values by uncertainty are not 100 values in [0, 1]");
        }
        if self.learned.as_ref().is_some_and(|learned| !learned.is_sound()) {
            return Err("the learned law holds a value outside its range");
        }
        if let Estimator::SampledTemperaturePerturbation { draws } = self.estimator
            && !(1..=MAX_DRAWS).contains(&draws)
        {
            return Err("the estimator's number of draws lies outside its range");
        }
        if self.recommended_threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err("the recommended threshold lies outside [0, 1]");
        }
        self.sampling.validate().map_err(|_| "a sampling parameter lies outside its range")
    }
}

//! The uncertainty of the draft model about the token that it drafted.
//!
//! Decides what a row of logits and a drafted token say about the chance that the target rejects it, as one number `u`
//! in [0, 1], 0 for sure. It leaves to [`crate::calibration`] how `u` maps to that chance and to [`crate::gate`] what
//! to do about it.
//!
//! All estimators look at the draft model's raw logits, before the sampling chain: penalties and truncation say nothing
//! about what the model knows.

mod entropy;
mod margin;
mod max_probability;
mod perturbation;
mod sampled;
mod softmax;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sampling::TokenId;

/// Highest temperature of the perturbation, as in the paper (arXiv 2412.12687v2).
pub const THETA_MAX: f32 = 2.0;
/// Number of draws in the sampled form, as in the paper.
pub const PAPER_DRAWS: u32 = 20;
/// Largest number of draws in the sampled form: each takes two passes over the logits, so that a file which asks for
/// more would keep a device at its first token.
pub const MAX_DRAWS: u32 = 1000;

/// An estimator of how unsure the draft model is of one token.
pub trait Uncertainty: Send {
    /// Returns the uncertainty of `drafted` under `logits`, in [0, 1]. Costs about one pass over the logits. A row
    /// without a finite value at `drafted` gives 1.
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32;
}

/// The estimator that makes `u`. It is part of a calibration: thresholds of one mean nothing to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Temperature perturbation without its sampling noise (Rao-Blackwellised): the probability that a draw at a
    /// temperature uniform on [0, 2] differs from the drafted token.
    #[default]
    TemperaturePerturbation,
    /// Temperature perturbation as the paper has it: the share of draws, each at its own random temperature, that
    /// differ from the drafted token. Kept so that the paper's figures can be reproduced.
    SampledTemperaturePerturbation {
        /// The number of draws, the paper's `K`, 1 to [`MAX_DRAWS`]; another number is taken to the nearest of these.
        draws: u32,
    },
    /// Shannon entropy of the softmax over `ln V`; the same for every token.
    Entropy,
    /// One minus the probability of the most probable token.
    MaxProbability,
    /// One minus the lead of the most probable token over the second.
    Margin,
}

impl Estimator {
    /// Makes the estimator, ready to use. `seed` matters to the sampled form only.
    #[must_use]
    pub fn build(&self, seed: u64) -> Box<dyn Uncertainty> {
        match *self {
            Self::TemperaturePerturbation => Box::<perturbation::TemperaturePerturbation>::default(),
            Self::SampledTemperaturePerturbation { draws } => Box::new(sampled::Sampled::new(draws, seed)),
            Self::Entropy => Box::new(entropy::Entropy),
            Self::MaxProbability => Box::new(max_probability::MaxProbability),
            Self::Margin => Box::new(margin::Margin),
        }
    }
}

impl std::fmt::Display for Estimator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TemperaturePerturbation => f.write_str("temperature-perturbation"),
            Self::SampledTemperaturePerturbation { draws } => write!(f, "sampled-temperature-perturbation:{draws}"),
            Self::Entropy => f.write_str("entropy"),
            Self::MaxProbability => f.write_str("max-probability"),
            Self::Margin => f.write_str("margin"),
        }
    }
}

/// The text names no estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an estimator: temperature-perturbation, sampled-temperature-perturbation[:draws], entropy, max-probability \
     or margin"
)]
pub struct UnknownEstimator;

impl FromStr for Estimator {
    type Err = UnknownEstimator;

    fn from_str(text: &str) -> Result<Self, UnknownEstimator> {
        match text.split_once(':').map_or((text, None), |(name, draws)| (name, Some(draws))) {
            ("temperature-perturbation", None) => Ok(Self::TemperaturePerturbation),
            ("sampled-temperature-perturbation", draws) => {
                let draws = draws.map_or(Ok(PAPER_DRAWS), str::parse).map_err(|_| UnknownEstimator)?;
                if (1..=MAX_DRAWS).contains(&draws) {
                    Ok(Self::SampledTemperaturePerturbation { draws })
                } else {
                    Err(UnknownEstimator)
                }
            }
            ("entropy", None) => Ok(Self::Entropy),
            ("max-probability", None) => Ok(Self::MaxProbability),
            ("margin", None) => Ok(Self::Margin),
            _ => Err(UnknownEstimator),
        }
    }
}

/// Returns the logit of `drafted` if it is a finite number.
fn finite_logit(logits: &[f32], drafted: TokenId) -> Option<f32> {
    logits.get(drafted as usize).copied().filter(|z| z.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Estimator; 5] = [
        Estimator::TemperaturePerturbation,
        Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS },
        Estimator::Entropy,
        Estimator::MaxProbability,
        Estimator::Margin,
    ];

    #[test]
    fn every_estimator_is_named_and_found_by_its_name_and_survives_json() {
        for estimator in ALL {
            assert_eq!(estimator.to_string().parse(), Ok(estimator));
            let json = serde_json::to_string(&estimator).expect("plain data");
            assert_eq!(serde_json::from_str::<Estimator>(&json).expect("what was written"), estimator);
        }
        assert_eq!("sampled-temperature-perturbation".parse(), Ok(ALL[1]));
        assert_eq!("entropy:3".parse::<Estimator>(), Err(UnknownEstimator));
        for draws in ["0", "1001", "4000000000"] {
            assert_eq!(format!("sampled-temperature-perturbation:{draws}").parse::<Estimator>(), Err(UnknownEstimator));
        }
    }

    #[test]
    fn a_sure_row_gives_nearly_nothing_and_a_flat_row_nearly_everything() {
        let mut sure = vec![0.0; 1000];
        sure[7] = 60.0;
        let flat = vec![0.5; 1000];
        for estimator in ALL {
            let mut u = estimator.build(1);
            assert!(u.estimate(&sure, 7) < 1e-3, "{estimator}");
            assert!(u.estimate(&flat, 7) > 0.99, "{estimator}");
        }
    }

    #[test]
    fn damaged_rows_never_leave_the_unit_interval() {
        let rows: [&[f32]; 5] =
            [&[f32::NAN, 1.0, 2.0], &[f32::NEG_INFINITY; 3], &[f32::INFINITY, 0.0, 0.0], &[1e30, -1e30, 0.0], &[0.0]];
        for estimator in ALL {
            for row in rows {
                for drafted in 0..4 {
                    let u = estimator.build(1).estimate(row, drafted);
                    assert!((0.0..=1.0).contains(&u), "{estimator} of {row:?}: {u}");
                }
            }
        }
    }
}

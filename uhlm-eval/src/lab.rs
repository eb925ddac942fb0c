//! A prepared comparison: everything is measured once that does not depend on the link, then any method can be run in
//! any setting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uhlm_core::calibration::{Calibration, CalibrationSource};
use uhlm_core::chat::DraftModel as _;

use crate::baseline::{self, Trace, timing};
use crate::billing::Billing;
use crate::channel::Channel;
use crate::error::EvalError;
use crate::law::{ESTIMATORS, Observation};
use crate::method::{Method, Runner, Thresholds};
use crate::product;
use crate::reply::{Decisions, Reply};
use crate::stream::{Run, Stream};

/// Place of the paper's sampled estimator in [`ESTIMATORS`].
pub const SAMPLED: usize = 1;

/// A link and what is billed on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name in tables.
    pub name: String,
    /// The link.
    pub channel: Channel,
    /// What is billed.
    pub billing: Billing,
}

/// A prepared comparison.
#[derive(Debug)]
pub struct Lab<'a> {
    run: Run<'a>,
    calibration: Calibration,
    paper_calibration: Calibration,
    thresholds: Thresholds,
    calibrated_on: Vec<Observation>,
    /// Each baseline's traces, a vector a stream.
    traces: BTreeMap<Method, Vec<Vec<Trace>>>,
}

impl<'a> Lab<'a> {
    /// Calibrates on one set of prompts, and lets the baselines answer the other.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn prepare(run: Run<'a>, calibration_run: &Run<'a>) -> Result<Self, EvalError> {
        let calibration = product::calibrate(calibration_run)?;
        let calibrated_on = observe(calibration_run)?;
        let labels: Vec<_> = calibrated_on.iter().map(|observation| observation.label(SAMPLED)).collect();
        let paper_calibration = Calibration::fit(
            &labels,
            CalibrationSource {
                draft: run.pair.draft.fingerprint(),
                target: run.pair.target.fingerprint(),
                estimator: ESTIMATORS[SAMPLED],
                sampling: run.sampling.clone(),
            },
        )?;
        let mut thresholds = Thresholds {
            risk_averse: paper_calibration.risk_averse(),
            risk_prone: paper_calibration.risk_prone(),
            rate: 0.0,
        };
        let mut traces = BTreeMap::new();
        let mut write = |method: Method, thresholds: &Thresholds| {
            let Runner::Baseline(rule) = method.runner(thresholds) else { return Ok(0.0) };
            let written = run.map(|stream| baseline::run(stream, rule))?;
            let mut decisions = Decisions::default();
            written.iter().flatten().for_each(|trace| decisions.add(&trace.decisions));
            traces.insert(method, written);
            Ok::<f64, EvalError>(decisions.transmission_rate())
        };
        thresholds.rate = write(Method::UHlmRiskProne, &thresholds)?;
        for method in Method::ALL {
            if method != Method::UHlmRiskProne {
                write(method, &thresholds)?;
            }
        }
        Ok(Self { run, calibration, paper_calibration, thresholds, calibrated_on, traces })
    }

    /// The prompts and what is common to all methods.
    #[must_use]
    pub fn run(&self) -> &Run<'a> {
        &self.run
    }

    /// This SDK's calibration, as `uhlm calibrate` makes it.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The paper's law for its own estimator.
    #[must_use]
    pub fn paper_calibration(&self) -> &Calibration {
        &self.paper_calibration
    }

    /// What the baselines go by.
    #[must_use]
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The tokens that the laws were fitted to.
    #[must_use]
    pub fn calibrated_on(&self) -> &[Observation] {
        &self.calibrated_on
    }

    /// A method's replies in a setting, in the order of the prompts.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn replies(&self, method: Method, setting: &Setting) -> Result<Vec<Reply>, EvalError> {
        let Setting { channel, billing, .. } = setting;
        let replies = match (method.runner(&self.thresholds), self.traces.get(&method)) {
            (Runner::Product(product), _) => {
                self.run.map(|stream| product.run(stream, channel, *billing, &self.calibration))?
            }
            (Runner::Baseline(_), Some(traces)) => self
                .run
                .streams()
                .iter()
                .zip(traces)
                .map(|(stream, traces)| timing::replies(stream, traces, channel, *billing))
                .collect(),
            (Runner::Baseline(_), None) => Vec::new(),
        };
        Ok(replies.into_iter().flatten().collect())
    }
}

/// Every token of HLM's replies, judged.
///
/// # Errors
/// [`EvalError`].
pub fn observe(run: &Run<'_>) -> Result<Vec<Observation>, EvalError> {
    Ok(run.map(|stream: &Stream<'_>| baseline::observe(stream))?.into_iter().flatten().collect())
}

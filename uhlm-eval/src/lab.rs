//! Prepares a comparison: everything that does not depend on the link is measured once, then any method can be run in
//! any setting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;

use crate::baseline::trace::Trace;
use crate::baseline::{self, timing};
use crate::billing::Billing;
use crate::channel::Channel;
use crate::divergence::{Divergence, Gauge};
use crate::error::EvalError;
use crate::law::{self, Observation};
use crate::method::{Method, Runner, Thresholds};
use crate::product;
use crate::reply::{Decisions, Reply};
use crate::stream::{Run, Stream};

/// Index of the paper's sampled estimator in [`ESTIMATORS`](law::ESTIMATORS).
pub const SAMPLED: usize = 1;

/// A link and the rule by which its bytes are billed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Name of the setting in tables.
    pub name: String,
    /// The modelled link.
    pub channel: Channel,
    /// Rule by which messages are billed.
    pub billing: Billing,
}

/// A prepared comparison of all methods on one set of prompts.
#[derive(Debug)]
pub struct Lab<'a> {
    run: Run<'a>,
    calibration: Calibration,
    paper_calibration: Calibration,
    thresholds: Thresholds,
    calibrated_on: Vec<Observation>,
    /// Each baseline's traces, one vector for each stream.
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
        let paper_calibration = law::calibration(&run, &calibrated_on, SAMPLED)?;
        let thresholds = Thresholds {
            risk_averse: paper_calibration.risk_averse(),
            risk_prone: paper_calibration.risk_prone(),
            rate: 0.0,
        };
        let traces = BTreeMap::new();
        Self { run, calibration, paper_calibration, thresholds, calibrated_on, traces }.written()
    }

    /// Prepares a comparison on other prompts, with another lab's calibration.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn with_calibration_of(other: &Self, run: Run<'a>) -> Result<Self, EvalError> {
        Self {
            run,
            calibration: other.calibration.clone(),
            paper_calibration: other.paper_calibration.clone(),
            thresholds: other.thresholds,
            calibrated_on: other.calibrated_on.clone(),
            traces: BTreeMap::new(),
        }
        .written()
    }

    /// Lets the baselines answer; U-HLM comes first, because Rand-HLM takes over its rate.
    fn written(mut self) -> Result<Self, EvalError> {
        self.thresholds.rate = self.write(Method::UHlmRiskProne)?;
        for method in Method::ALL {
            if method != Method::UHlmRiskProne {
                self.write(method)?;
            }
        }
        Ok(self)
    }

    /// Lets one baseline answer; returns its transmission rate (TR), or 0 for a method that is no baseline.
    fn write(&mut self, method: Method) -> Result<f64, EvalError> {
        let Runner::Baseline(rule) = method.runner(&self.thresholds) else { return Ok(0.0) };
        let written = self.run.map(|stream| baseline::run(stream, rule))?;
        let mut decisions = Decisions::default();
        written.iter().flatten().for_each(|trace| decisions.add(&trace.decisions));
        self.traces.insert(method, written);
        Ok(decisions.transmission_rate())
    }

    /// Returns the prompts and what is common to all methods.
    #[must_use]
    pub fn run(&self) -> &Run<'a> {
        &self.run
    }

    /// Returns this SDK's calibration, as `uhlm calibrate` makes it.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Returns the paper's law for its own estimator.
    #[must_use]
    pub fn paper_calibration(&self) -> &Calibration {
        &self.paper_calibration
    }

    /// Returns the thresholds and the rate that the baselines decide by.
    #[must_use]
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Returns the tokens that the laws were fitted to.
    #[must_use]
    pub fn calibrated_on(&self) -> &[Observation] {
        &self.calibrated_on
    }

    /// Returns HLM's traces, one vector for each stream: the verdicts that an oracle knows beforehand.
    #[must_use]
    pub fn judged(&self) -> &[Vec<Trace>] {
        self.traces.get(&Method::Hlm).map_or(&[], Vec::as_slice)
    }

    /// Returns the mean total variation between each lossy method's next token and the target's, over the positions of
    /// HLM's replies.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn divergences(&self) -> Result<Vec<Divergence>, EvalError> {
        let Calibration { estimator, .. } = self.calibration;
        let threshold = self.calibration.risk_prone();
        let parts = self
            .run
            .map(|stream| baseline::gauge(stream, Gauge::new(self.thresholds, estimator, threshold, stream.seed)))?;
        let mut sums: Vec<Divergence> = Vec::new();
        for part in parts {
            if sums.is_empty() {
                sums = part;
            } else {
                sums.iter_mut().zip(part).for_each(|(sum, part)| {
                    sum.total += part.total;
                    sum.positions += part.positions;
                });
            }
        }
        Ok(sums)
    }

    /// Returns a method's replies in a setting, in the order of the prompts.
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

/// Returns every token of HLM's replies, judged.
///
/// # Errors
/// [`EvalError`].
pub fn observe(run: &Run<'_>) -> Result<Vec<Observation>, EvalError> {
    Ok(run.map(|stream: &Stream<'_>| baseline::observe(stream))?.into_iter().flatten().collect())
}

//! The methods that this SDK is compared with, from their published rules.
//!
//! None of them looks at the link, so a baseline is generated once ([`run`]) into a [`Trace`] of what it computed and
//! sent, and timed afterwards on any channel and at any price ([`timing`]). The models, the seeds, the sampling chain
//! and the residual are the product's; the acceptance rule is the published one (`published_rule.rs`).

mod published_rule;
pub mod rule;
pub mod timing;
pub mod trace;
mod writer;

use self::rule::Baseline;
use self::trace::Trace;
use self::writer::Writer;
use crate::divergence::{Divergence, Gauge};
use crate::error::EvalError;
use crate::law::Observation;
use crate::stream::Stream;

/// Lets a baseline answer the prompts of a stream.
///
/// # Errors
/// [`EvalError::Model`], [`EvalError::Sampling`], [`EvalError::PromptTooLong`].
pub fn run(stream: &Stream<'_>, rule: Baseline) -> Result<Vec<Trace>, EvalError> {
    let mut writer = Writer::new(stream)?;
    stream.prompts.iter().map(|prompt| writer.answer(rule, prompt)).collect()
}

/// Lets HLM answer the prompts, so that every token is judged, and records what each estimator says about it.
///
/// # Errors
/// As [`run`].
pub fn observe(stream: &Stream<'_>) -> Result<Vec<Observation>, EvalError> {
    let mut writer = Writer::observing(stream)?;
    stream.prompts.iter().try_for_each(|prompt| writer.answer(Baseline::Hlm, prompt).map(drop))?;
    Ok(writer.observations())
}

/// Lets HLM answer the prompts and measures, at every position, how far each method's law is from the target's.
///
/// # Errors
/// As [`run`].
pub(crate) fn gauge(stream: &Stream<'_>, gauge: Gauge) -> Result<Vec<Divergence>, EvalError> {
    let mut writer = Writer::gauging(stream, gauge)?;
    stream.prompts.iter().try_for_each(|prompt| writer.answer(Baseline::Hlm, prompt).map(drop))?;
    Ok(writer.divergences())
}

//! Runs sessions in which every drafted token is judged, and fits the law to them.

use std::time::Duration;

use uhlm_core::{Consent, DraftAhead, Mode, OfflinePolicy, SessionOptions, Statistics};
use uhlm_law::calibration::{Calibration, CalibrationSource};
use uhlm_law::digest::Digest;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::uncertainty::Estimator;
use uhlm_law::window::CloseRule;

use crate::evaluate::Evaluator;
use crate::failure::Failure;
use crate::terminal::progress;

/// Length of a window in the run, in tokens. Labels come for a window up to its first rejection, so it is short.
const WINDOW: usize = 6;

/// Time for which a verifier that is away is waited for: a run of an hour is not to be lost because a computer slept.
const PATIENCE: Duration = Duration::from_secs(600);

/// Returns the options for runs that measure, in which no token may go unjudged when the server is away.
pub(crate) fn base_options(sampling: SamplingParams, estimator: Estimator, seed: Option<u64>) -> SessionOptions {
    SessionOptions {
        sampling,
        estimator,
        seed: Some(seed.unwrap_or(1)),
        offline: OfflinePolicy::Wait(PATIENCE),
        // The questions come from files that were named for this purpose.
        consent: Consent::Conversation,
        ..SessionOptions::default()
    }
}

/// Judges every token of the replies to the questions and fits the law to the labels.
pub(crate) fn fit(evaluator: &Evaluator<'_>, base: &SessionOptions, target: Digest) -> Result<Calibration, Failure> {
    let statistics = judge_all(evaluator, base, true)?;
    let source = CalibrationSource {
        draft: evaluator.engine.fingerprint(),
        target,
        estimator: base.estimator,
        sampling: base.sampling.clone(),
    };
    Ok(Calibration::fit(statistics.labels.as_deref().unwrap_or_default(), source)?)
}

/// Judges every token of the replies to the questions; `labels` asks for the target's probabilities of them.
pub(super) fn judge_all(evaluator: &Evaluator<'_>, base: &SessionOptions, labels: bool) -> Result<Statistics, Failure> {
    let bar = progress::bar(evaluator.questions.len(), "calibrating: every token judged");
    let options = SessionOptions {
        mode: Mode::Exact,
        close: CloseRule::Fixed(WINDOW),
        draft_ahead: DraftAhead::Off,
        ..base.clone()
    };
    let session = evaluator.warm_session(options)?;
    let evaluation = evaluator.run(&session, labels, &bar)?;
    bar.finish_and_clear();
    Ok(evaluation.statistics)
}

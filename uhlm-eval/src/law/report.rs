//! Reports the law in figures: every estimator with the paper's line, and what a learned predictor adds.

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;
use uhlm_law::gate::{Gate, Goal};
use uhlm_law::rng::{Rng, Stream};

use super::predictor::{Isotonic, Line, Logistic, all_estimators, uncertainty_alone, uncertainty_and_q};
use super::{ESTIMATORS, Observation, scores};
use crate::statistics::quantile;
use crate::summary::Estimate;

/// Number of bins of means and of the density of the uncertainty `u`.
const BINS: usize = 20;
/// Number of points in a scatter plot, at most.
const SCATTER: usize = 800;
/// Number of resamples of a bootstrap, and below of steps of the share in a risk curve.
const RESAMPLES: usize = 200;
const SHARES: usize = 40;

/// The scores of one predictor of rejections or mismatches, fitted on the calibration prompts and judged on the
/// held-out ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorReport {
    /// Name of the predictor.
    pub name: String,
    /// Pearson's correlation of the predictor's score with the outcome.
    pub pearson: f64,
    /// Spearman's correlation of the predictor's score with the outcome.
    pub spearman: f64,
    /// Area under the curve of the true over the false positive rate (ROC), from 0 to 1.
    pub auc: f64,
    /// Brier score of the predictions, with a bootstrap interval over prompts.
    pub brier: Estimate,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// Points of the share of tokens that are sent and the risk: the sum of outcomes over the tokens that are not sent,
    /// divided by the number of all tokens.
    pub risk_curve: Vec<(f64, f64)>,
}

/// The scores of one estimator with the paper's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatorReport {
    /// Scores of the estimator as a predictor, through the line.
    pub line: PredictorReport,
    /// Slope of the line on the held-out tokens, with a bootstrap interval over prompts.
    pub a: Estimate,
    /// Intercept of the line on the held-out tokens, with a bootstrap interval over prompts.
    pub b: Estimate,
    /// Mean u, mean of the rejection probability beta, and number of tokens, by equal ranges of u.
    pub binned: Vec<(f64, f64, usize)>,
    /// Values of u and beta of some single tokens.
    pub scatter: Vec<(f64, f64)>,
}

/// The risk of skipping by the paper's account, for its own estimator, beside the measured one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// Risk-averse threshold of u: `-b/a`.
    pub risk_averse: f32,
    /// Risk-prone threshold of u: `(Delta - b)/a`.
    pub risk_prone: f32,
    /// Delta, the share of tokens of the calibration prompts with `p(d) < q(d)`.
    pub delta: f64,
    /// The paper's bound on the risk between the two thresholds.
    pub bound: f64,
    /// Integral that it bounds, with the line and the held-out density of u: between the two thresholds.
    pub by_the_line: f64,
    /// Measured risk: the sum of beta over tokens between the two thresholds, divided by the number of all tokens.
    pub measured: f64,
    /// Measured risk below the risk-averse threshold, where the line says that nothing is rejected.
    pub measured_below: f64,
}

/// The whole report of the law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LawReport {
    /// Number of tokens that the predictors were fitted to.
    pub calibrated_on: usize,
    /// Number of tokens that the predictors were judged on.
    pub held_out: usize,
    /// Share of drafted tokens that are rejected: the mean of beta.
    pub mean_beta: f64,
    /// Scores of each estimator with the paper's line.
    pub estimators: Vec<EstimatorReport>,
    /// Scores of the learned predictors of beta.
    pub learned: Vec<PredictorReport>,
    /// Share of drafted tokens in whose place the target wrote another token with the same noise.
    pub mean_mismatch: f64,
    /// Scores of the predictors of such a mismatch: by u alone, by what the draft model says, by the noise too.
    pub shared_noise: Vec<PredictorReport>,
    /// Density of u, as the right edge of each bin with the share of tokens for the paper's estimator and for this
    /// SDK's.
    pub density: Vec<(f64, f64, f64)>,
    /// Risk of skipping for the paper's estimator.
    pub risk: RiskReport,
}

impl LawReport {
    /// Fits on one set of tokens and judges on the other. `paper` is the calibration of the paper's estimator, which
    /// has index `sampled`; `own` is that of the first estimator.
    #[must_use]
    pub fn new(
        fitted: &[Observation],
        held_out: &[Observation],
        paper: &Calibration,
        own: &Calibration,
        sampled: usize,
        seed: u64,
    ) -> Self {
        let dice = |n: u64| Rng::at(seed, Stream::Simulation, n);
        let estimators = (0..ESTIMATORS.len()).map(|i| estimator(fitted, held_out, i, &mut dice(i as u64))).collect();
        let (logistic, isotonic) = (Logistic::fit(fitted, all_estimators, Observation::beta), Isotonic::fit(fitted, 0));
        let beta = |o: &Observation, predicted: f64| Judged::of(o, predicted, o.beta());
        let learned = vec![
            report(
                "isotonic on temperature perturbation",
                &held_out.iter().map(|o| beta(o, isotonic.at(o.u[0]))).collect::<Vec<_>>(),
                &mut dice(100),
            ),
            report(
                "logistic on all and q(d)",
                &held_out.iter().map(|o| beta(o, logistic.at(o))).collect::<Vec<_>>(),
                &mut dice(101),
            ),
        ];
        let n = held_out.len().max(1) as f64;
        let share = |i: usize, low: f64, high: f64| {
            held_out.iter().filter(|o| f64::from(o.u[i]) > low && f64::from(o.u[i]) <= high).count() as f64 / n
        };
        let density = (0..BINS)
            .map(|bin| {
                let edge = |bin: usize| bin as f64 / BINS as f64;
                let low = if bin == 0 { -1.0 } else { edge(bin) };
                (edge(bin + 1), share(sampled, low, edge(bin + 1)), share(0, low, edge(bin + 1)))
            })
            .collect();
        Self {
            calibrated_on: fitted.len(),
            held_out: held_out.len(),
            mean_beta: held_out.iter().map(Observation::beta).sum::<f64>() / n,
            estimators,
            learned,
            mean_mismatch: held_out.iter().map(Observation::mismatch).sum::<f64>() / n,
            shared_noise: shared_noise(fitted, held_out, own, &mut dice(102)),
            density,
            risk: risk(held_out, paper, sampled),
        }
    }
}

fn risk(held_out: &[Observation], paper: &Calibration, sampled: usize) -> RiskReport {
    let n = held_out.len().max(1) as f64;
    let (low, high) = (paper.risk_averse(), paper.risk_prone());
    let between = held_out.iter().filter(|o| o.u[sampled] > low && o.u[sampled] <= high);
    let below = held_out.iter().filter(|o| o.u[sampled] <= low);
    RiskReport {
        risk_averse: low,
        risk_prone: high,
        delta: paper.delta,
        bound: paper.risk_bound(),
        by_the_line: between.clone().map(|o| paper.law.rejection_probability(o.u[sampled])).sum::<f64>() / n,
        measured: between.map(Observation::beta).sum::<f64>() / n,
        measured_below: below.map(Observation::beta).sum::<f64>() / n,
    }
}

fn estimator(fitted: &[Observation], held_out: &[Observation], i: usize, dice: &mut Rng) -> EstimatorReport {
    let line = Line::fit(fitted, i);
    let here = Line::fit(held_out, i);
    let resampled: Vec<Line> =
        resamples(held_out, |o| o.prompt, dice).iter().map(|sample| Line::fit(sample, i)).collect();
    let interval = |value: f64, part: fn(&Line) -> f64| {
        let parts: Vec<f64> = resampled.iter().map(part).collect();
        let at = |share| quantile(&parts, share).unwrap_or(value);
        Estimate { value, low: at(0.025), high: at(0.975) }
    };
    let mut bins = [(0.0, 0.0, 0usize); BINS];
    for o in held_out {
        let bin = &mut bins[((f64::from(o.u[i]) * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += f64::from(o.u[i]);
        bin.1 += o.beta();
        bin.2 += 1;
    }
    let step = held_out.len().div_ceil(SCATTER).max(1);
    let by_line: Vec<Judged> = held_out
        .iter()
        .map(|o| Judged { score: f64::from(o.u[i]), ..Judged::of(o, line.at(o.u[i]), o.beta()) })
        .collect();
    EstimatorReport {
        // The raw u ranks tokens and the line makes a probability of it; where the line is cut off at 0 it ranks
        // nothing.
        line: report(&ESTIMATORS[i].to_string(), &by_line, dice),
        a: interval(here.a, |line| line.a),
        b: interval(here.b, |line| line.b),
        binned: bins.iter().filter(|bin| bin.2 > 0).map(|b| (b.0 / b.2 as f64, b.1 / b.2 as f64, b.2)).collect(),
        scatter: held_out.iter().step_by(step).map(|o| (f64::from(o.u[i]), o.beta())).collect(),
    }
}

/// Fits predictors of what the target writes with the same noise, and scores them on the held-out tokens.
fn shared_noise(
    fitted: &[Observation],
    held_out: &[Observation],
    own: &Calibration,
    dice: &mut Rng,
) -> Vec<PredictorReport> {
    let mismatch = |o: &Observation, predicted: f64| Judged::of(o, predicted, o.mismatch());
    let alone = Logistic::fit(fitted, uncertainty_alone, Observation::mismatch);
    let and_q = Logistic::fit(fitted, uncertainty_and_q, Observation::mismatch);
    let mut gate = Gate::new(own, Goal::RiskProne);
    let as_calibrated = gate.clone();
    let judged = |predict: &mut dyn FnMut(&Observation) -> f64| -> Vec<Judged> {
        held_out.iter().map(|o| mismatch(o, predict(o))).collect()
    };
    // A line that is cut off at 0 ranks nothing there, but the raw u does.
    let line = judged(&mut |o| as_calibrated.rejection_probability(o.features.u));
    let line: Vec<_> =
        line.into_iter().zip(held_out).map(|(j, o)| Judged { score: f64::from(o.features.u), ..j }).collect();
    vec![
        report("u by the paper's line", &line, dice),
        report("u alone", &judged(&mut |o| alone.at(o)), dice),
        report("u and q(d)", &judged(&mut |o| and_q.at(o)), dice),
        report("u, q(d), entropy and margin", &judged(&mut |o| as_calibrated.expected_rejection(&o.features)), dice),
        report(
            "the same, tracked token by token",
            &judged(&mut |o| {
                let expected = gate.expected_rejection(&o.features);
                gate.observe_verdict(&o.features, o.matched, None);
                expected
            }),
            dice,
        ),
    ]
}

/// A prediction beside its outcome.
#[derive(Clone, Copy, Debug)]
struct Judged {
    prompt: u64,
    /// Value by which tokens are ranked.
    score: f64,
    predicted: f64,
    /// Outcome: a probability or a fact, from 0 to 1.
    outcome: f64,
}

impl Judged {
    /// Makes a prediction that tokens are ranked by, too.
    fn of(o: &Observation, predicted: f64, outcome: f64) -> Self {
        Self { prompt: o.prompt, score: predicted, predicted, outcome }
    }
}

fn report(name: &str, judged: &[Judged], dice: &mut Rng) -> PredictorReport {
    let scored: Vec<_> = judged.iter().map(|j| (j.score, j.outcome)).collect();
    let predicted =
        |judged: &[Judged]| -> Vec<(f64, f64)> { judged.iter().map(|j| (j.predicted, j.outcome)).collect() };
    let resampled: Vec<f64> =
        resamples(judged, |j| j.prompt, dice).iter().map(|sample| scores::brier(&predicted(sample))).collect();
    let value = scores::brier(&predicted(judged));
    let at = |share| quantile(&resampled, share).unwrap_or(value);
    let shares: Vec<f64> = (0..=SHARES).map(|i| i as f64 / SHARES as f64).collect();
    PredictorReport {
        name: name.to_owned(),
        pearson: scores::pearson(&scored),
        spearman: scores::spearman(&scored),
        auc: scores::auc(&scored),
        brier: Estimate { value, low: at(0.025), high: at(0.975) },
        calibration_error: scores::calibration_error(&predicted(judged)),
        risk_curve: scores::risk_curve(&scored, &shares),
    }
}

/// Returns bootstrap samples of whole prompts, because the tokens of one reply are not independent.
fn resamples<T: Copy>(tokens: &[T], prompt: impl Fn(&T) -> u64, dice: &mut Rng) -> Vec<Vec<T>> {
    let prompts: Vec<&[T]> = tokens.chunk_by(|a, b| prompt(a) == prompt(b)).collect();
    let draw = |dice: &mut Rng| {
        let each = (0..prompts.len()).map(|_| prompts[(dice.uniform() * prompts.len() as f64) as usize]);
        each.flatten().copied().collect()
    };
    (0..RESAMPLES).map(|_| draw(dice)).collect()
}

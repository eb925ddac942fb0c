//! The law in figures: every estimator with the paper's line, and what a learned predictor adds.

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;
use uhlm_law::rng::{Rng, Stream};

use super::predictor::{Isotonic, Line, Logistic};
use super::{ESTIMATORS, Observation, scores};
use crate::statistics::quantile;
use crate::summary::Estimate;

/// Bins of means and of the density of u.
const BINS: usize = 20;
/// Points that a scatter plot shows.
const SCATTER: usize = 800;
/// Resamples of a bootstrap, and shares of a risk curve.
const RESAMPLES: usize = 200;
const SHARES: usize = 40;

/// One predictor of rejections, fitted on the calibration prompts and judged on the held-out ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorReport {
    /// Its name.
    pub name: String,
    /// Pearson's correlation of its score with beta.
    pub pearson: f64,
    /// Spearman's.
    pub spearman: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Brier score.
    pub brier: Estimate,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// Risk against the share sent.
    pub risk_curve: Vec<(f64, f64)>,
}

/// One estimator with the paper's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatorReport {
    /// Its scores as a predictor, through the line.
    pub line: PredictorReport,
    /// The slope on the held-out tokens, with a bootstrap interval over prompts.
    pub a: Estimate,
    /// The intercept.
    pub b: Estimate,
    /// Mean u, mean beta and number of tokens, by equal ranges of u.
    pub binned: Vec<(f64, f64, usize)>,
    /// Some single tokens: u and beta.
    pub scatter: Vec<(f64, f64)>,
}

/// The paper's account of the risk of skipping, for its own estimator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// `-b/a`.
    pub risk_averse: f32,
    /// `(Delta - b)/a`.
    pub risk_prone: f32,
    /// `P(p(d) < q(d))` on the calibration prompts.
    pub delta: f64,
    /// The paper's bound.
    pub bound: f64,
    /// The integral that it bounds, with the line and the held-out density of u: between the two thresholds.
    pub by_the_line: f64,
    /// What was measured there: the mean of beta over tokens between the two thresholds, all tokens counted.
    pub measured: f64,
    /// The same below the risk-averse threshold, where the line says that nothing is rejected.
    pub measured_below: f64,
}

/// Everything about the law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LawReport {
    /// Tokens that were fitted to.
    pub calibrated_on: usize,
    /// Tokens that were judged on.
    pub held_out: usize,
    /// The share of drafted tokens that are rejected: the mean of beta.
    pub mean_beta: f64,
    /// Each estimator with the paper's line.
    pub estimators: Vec<EstimatorReport>,
    /// Predictors that were learned.
    pub learned: Vec<PredictorReport>,
    /// Density of u for the paper's estimator and for this SDK's: right edges of bins and share of tokens.
    pub density: Vec<(f64, f64, f64)>,
    /// The paper's risk.
    pub risk: RiskReport,
}

impl LawReport {
    /// Fits on one set of tokens and judges on the other. `paper` is the calibration of the paper's estimator, the
    /// `sampled`-th.
    #[must_use]
    pub fn new(
        fitted: &[Observation],
        held_out: &[Observation],
        paper: &Calibration,
        sampled: usize,
        seed: u64,
    ) -> Self {
        let dice = |n: u64| Rng::at(seed, Stream::Simulation, n);
        let estimators = (0..ESTIMATORS.len()).map(|i| estimator(fitted, held_out, i, &mut dice(i as u64))).collect();
        let (logistic, isotonic) = (Logistic::fit(fitted), Isotonic::fit(fitted, 0));
        let learned = vec![
            predictor("isotonic on temperature perturbation", held_out, |o| isotonic.at(o.u[0]), &mut dice(100)),
            predictor("logistic on all and q(d)", held_out, |o| logistic.at(o), &mut dice(101)),
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
    let resampled: Vec<Line> = resamples(held_out, dice).iter().map(|sample| Line::fit(sample, i)).collect();
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
    EstimatorReport {
        // The raw u ranks tokens, the line makes a probability of it; where the line is cut off at 0 it ranks nothing.
        line: predictor_with(&ESTIMATORS[i].to_string(), held_out, |o| f64::from(o.u[i]), |o| line.at(o.u[i]), dice),
        a: interval(here.a, |line| line.a),
        b: interval(here.b, |line| line.b),
        binned: bins.iter().filter(|bin| bin.2 > 0).map(|b| (b.0 / b.2 as f64, b.1 / b.2 as f64, b.2)).collect(),
        scatter: held_out.iter().step_by(step).map(|o| (f64::from(o.u[i]), o.beta())).collect(),
    }
}

fn predictor(
    name: &str,
    held_out: &[Observation],
    at: impl Fn(&Observation) -> f64,
    dice: &mut Rng,
) -> PredictorReport {
    predictor_with(name, held_out, &at, &at, dice)
}

/// Ranks by `score`, predicts with `probability`.
fn predictor_with(
    name: &str,
    held_out: &[Observation],
    score: impl Fn(&Observation) -> f64,
    probability: impl Fn(&Observation) -> f64,
    dice: &mut Rng,
) -> PredictorReport {
    let scored: Vec<_> = held_out.iter().map(|o| (score(o), o.beta())).collect();
    let predicted = |observations: &[Observation]| -> Vec<(f64, f64)> {
        observations.iter().map(|o| (probability(o), o.beta())).collect()
    };
    let resampled: Vec<f64> = resamples(held_out, dice).iter().map(|s| scores::brier(&predicted(s))).collect();
    let value = scores::brier(&predicted(held_out));
    let at = |share| quantile(&resampled, share).unwrap_or(value);
    let shares: Vec<f64> = (0..=SHARES).map(|i| i as f64 / SHARES as f64).collect();
    PredictorReport {
        name: name.to_owned(),
        pearson: scores::pearson(&scored),
        spearman: scores::spearman(&scored),
        auc: scores::auc(&scored),
        brier: Estimate { value, low: at(0.025), high: at(0.975) },
        calibration_error: scores::calibration_error(&predicted(held_out)),
        risk_curve: scores::risk_curve(&scored, &shares),
    }
}

/// Bootstrap samples of whole prompts: the tokens of one reply are not independent.
fn resamples(observations: &[Observation], dice: &mut Rng) -> Vec<Vec<Observation>> {
    let prompts: Vec<&[Observation]> = observations.chunk_by(|a, b| a.prompt == b.prompt).collect();
    let draw = |dice: &mut Rng| {
        let each = (0..prompts.len()).map(|_| prompts[(dice.uniform() * prompts.len() as f64) as usize]);
        each.flatten().copied().collect()
    };
    (0..RESAMPLES).map(|_| draw(dice)).collect()
}

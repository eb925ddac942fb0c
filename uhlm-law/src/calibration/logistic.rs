//! A learned law between what the draft model shows of a token and its rejection: logistic regression.
//!
//! The paper's line cannot bend, and the mean of `beta` bends: it stays near 0 for most of the range of `u` and then
//! rises steeply. On held-out text a logistic regression on `u` and `q(d)`, both of which the sampler and the estimator
//! have at hand already, predicts rejections better by every measure; `docs/gate.md` has the figures.

use serde::{Deserialize, Serialize};

use super::Label;

/// Inputs of the regression, with the constant.
pub(crate) const INPUTS: usize = 6;
/// A square matrix over the inputs.
pub(crate) type Matrix = [[f64; INPUTS]; INPUTS];

/// Labels' worth of a prior at 0 in each direction: keeps inputs that (nearly) say the same, as `q(d)` at temperature 0
/// and the constant do, from growing apart.
const RIDGE: f64 = 0.5;
const NEWTON_STEPS: usize = 30;

/// `beta = sigmoid(w . x)` with `x = (1, u, l, l^2, ln q(d), (ln q(d))^2)` and `l = ln(u / (1 - u))`, all but the first
/// scaled to be of the order of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// The weights `w`.
    pub weights: [f64; INPUTS],
    /// The mean of `beta (1 - beta) x x^T` over the labels that it was fitted to: what one label says about the
    /// weights.
    pub information: Matrix,
}

impl Logistic {
    /// The expected rejection probability of a token with uncertainty `u` and draft probability `q`, both in [0, 1]; 1
    /// where one is not a number.
    #[must_use]
    pub fn rejection_probability(&self, u: f32, q: f32) -> f64 {
        let beta = predict(&self.weights, &inputs(u, q));
        if beta.is_nan() { 1.0 } else { beta }
    }

    /// Fits by Newton's method; `beta` itself, between 0 and 1, is what is regressed, so that the noise of the
    /// acceptance does not enter. `None` where the labels do not determine it.
    pub(super) fn fit(labels: &[Label]) -> Option<Self> {
        let points: Vec<_> = labels.iter().map(|l| (inputs(l.u, l.q), l.rejection_probability())).collect();
        let mut weights = [0.0; INPUTS];
        for _ in 0..NEWTON_STEPS {
            let mut gradient = weights.map(|w| -RIDGE * w);
            let mut hessian = information(&weights, &points);
            (0..INPUTS).for_each(|i| hessian[i][i] += RIDGE);
            for (x, beta) in &points {
                let error = beta - predict(&weights, x);
                gradient.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
            }
            let step = solve(hessian, gradient)?;
            weights.iter_mut().zip(step).for_each(|(w, step)| *w += step);
        }
        let n = points.len().max(1) as f64;
        let information = information(&weights, &points).map(|row| row.map(|entry| entry / n));
        let fit = Self { weights, information };
        fit.is_finite().then_some(fit)
    }

    /// Whether every number is one.
    pub(super) fn is_finite(&self) -> bool {
        self.weights.iter().chain(self.information.iter().flatten()).all(|value| value.is_finite())
    }
}

/// The inputs of a token.
pub(crate) fn inputs(u: f32, q: f32) -> [f64; INPUTS] {
    let u = f64::from(u);
    let bounded = u.clamp(1e-4, 1.0 - 1e-4);
    let (odds, surprise) = ((bounded / (1.0 - bounded)).ln() / 4.0, f64::from(q).clamp(1e-6, 1.0).ln() / 2.0);
    [1.0, u, odds, odds * odds, surprise, surprise * surprise]
}

/// `sigmoid(w . x)`.
pub(crate) fn predict(weights: &[f64; INPUTS], x: &[f64; INPUTS]) -> f64 {
    let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
    1.0 / (1.0 + (-sum).exp())
}

/// The sum of `beta (1 - beta) x x^T`, with the expected `beta`.
fn information(weights: &[f64; INPUTS], points: &[([f64; INPUTS], f64)]) -> Matrix {
    let mut sum = Matrix::default();
    for (x, _) in points {
        let beta = predict(weights, x);
        add_outer(&mut sum, x, beta * (1.0 - beta));
    }
    sum
}

/// Adds `weight x x^T`.
pub(crate) fn add_outer(matrix: &mut Matrix, x: &[f64; INPUTS], weight: f64) {
    for (row, a) in matrix.iter_mut().zip(x) {
        row.iter_mut().zip(x).for_each(|(entry, b)| *entry += weight * a * b);
    }
}

/// The solution of `m y = b` for a positive definite matrix, by Cholesky's decomposition; `None` for any other.
pub(crate) fn solve(m: Matrix, b: [f64; INPUTS]) -> Option<[f64; INPUTS]> {
    let (mut lower, mut y) = (Matrix::default(), [0.0; INPUTS]);
    for i in 0..INPUTS {
        for j in 0..=i {
            let rest = m[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            lower[i][j] = if i > j { rest / lower[j][j] } else { rest.sqrt() };
        }
        // The root of a negative number is no number.
        if lower[i][i].is_nan() || lower[i][i] <= 0.0 {
            return None;
        }
        y[i] = (b[i] - (0..i).map(|k| lower[i][k] * y[k]).sum::<f64>()) / lower[i][i];
    }
    for i in (0..INPUTS).rev() {
        y[i] = (y[i] - (i + 1..INPUTS).map(|k| lower[k][i] * y[k]).sum::<f64>()) / lower[i][i];
    }
    Some(y)
}

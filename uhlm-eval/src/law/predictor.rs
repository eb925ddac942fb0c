//! Predictors that turn an observation into a probability, of rejection or of a mismatch: the paper's line, isotonic
//! regression, logistic regression. All are fitted on one set of tokens and judged on another.

use super::Observation;

/// The line of least squares for the rejection probability `beta` over the uncertainty `u`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Slope of the line.
    pub a: f64,
    /// Intercept of the line.
    pub b: f64,
}

impl Line {
    /// Fits `beta = a u + b` to the estimator's values; the line is flat where those do not vary.
    #[must_use]
    pub fn fit(observations: &[Observation], estimator: usize) -> Self {
        let points: Vec<(f64, f64)> = observations.iter().map(|o| (f64::from(o.u[estimator]), o.beta())).collect();
        let mean = points.iter().map(|p| p.1).sum::<f64>() / points.len().max(1) as f64;
        crate::statistics::line(&points).map_or(Self { a: 0.0, b: mean }, |(b, a)| Self { a, b })
    }

    /// Returns the line's value at `u`, within [0, 1].
    #[must_use]
    pub fn at(&self, u: f32) -> f64 {
        (self.a * f64::from(u) + self.b).clamp(0.0, 1.0)
    }
}

/// Isotonic regression: the non-decreasing function of the uncertainty `u` that is closest to the rejection probability
/// `beta` (pool adjacent violators; Ayer et al. 1955).
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic {
    /// Middle and level of each block of points, ascending.
    blocks: Vec<(f64, f64)>,
}

impl Isotonic {
    /// Fits the function to the estimator's values.
    #[must_use]
    pub fn fit(observations: &[Observation], estimator: usize) -> Self {
        let mut points: Vec<(f64, f64)> = observations.iter().map(|o| (f64::from(o.u[estimator]), o.beta())).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Each entry holds the sums of u and beta, and the number of points.
        let mut pooled: Vec<(f64, f64, f64)> = Vec::new();
        for (u, beta) in points {
            pooled.push((u, beta, 1.0));
            while let [.., before, last] = pooled[..]
                && before.1 / before.2 >= last.1 / last.2
            {
                pooled.truncate(pooled.len() - 2);
                pooled.push((before.0 + last.0, before.1 + last.1, before.2 + last.2));
            }
        }
        Self { blocks: pooled.into_iter().map(|(u, beta, n)| (u / n, beta / n)).collect() }
    }

    /// Returns the level at `u`, linear between the middles of blocks.
    #[must_use]
    pub fn at(&self, u: f32) -> f64 {
        let u = f64::from(u);
        let above = self.blocks.partition_point(|block| block.0 < u);
        match (above.checked_sub(1).and_then(|i| self.blocks.get(i)), self.blocks.get(above)) {
            (Some(low), Some(high)) => low.1 + (high.1 - low.1) * (u - low.0) / (high.0 - low.0).max(1e-12),
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => 0.0,
        }
    }
}

/// Logistic regression of anything in [0, 1] on `N` inputs, the constant not counted.
#[derive(Clone, Debug)]
pub struct Logistic<const N: usize> {
    inputs: fn(&Observation) -> [f64; N],
    constant: f64,
    weights: [f64; N],
    mean: [f64; N],
    scale: [f64; N],
}

impl<const N: usize> Logistic<N> {
    /// Returns the inputs, scaled to mean 0 and variance 1 over the observations that were fitted.
    fn standard(&self, o: &Observation) -> [f64; N] {
        let raw = (self.inputs)(o);
        std::array::from_fn(|i| (raw[i] - self.mean[i]) / self.scale[i])
    }

    fn sum(&self, x: &[f64; N]) -> f64 {
        self.constant + self.weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
    }

    /// Fits `outcome` by Newton's method with a small ridge, which keeps inputs that are nearly alike from growing
    /// apart.
    #[must_use]
    pub fn fit(
        observations: &[Observation],
        inputs: fn(&Observation) -> [f64; N],
        outcome: fn(&Observation) -> f64,
    ) -> Self {
        const RIDGE: f64 = 1.0;
        const STEPS: usize = 25;
        let n = observations.len().max(1) as f64;
        let raw: Vec<_> = observations.iter().map(inputs).collect();
        let mut model = Self { inputs, constant: 0.0, weights: [0.0; N], mean: [0.0; N], scale: [1.0; N] };
        for i in 0..N {
            model.mean[i] = raw.iter().map(|x| x[i]).sum::<f64>() / n;
            let variance = raw.iter().map(|x| (x[i] - model.mean[i]).powi(2)).sum::<f64>() / n;
            model.scale[i] = variance.sqrt().max(1e-9);
        }
        let points: Vec<_> = observations.iter().map(|o| (model.standard(o), outcome(o))).collect();
        for _ in 0..STEPS {
            // The constant comes last.
            let mut gradient: Vec<f64> = model.weights.iter().chain([&model.constant]).map(|w| -RIDGE * w).collect();
            let mut hessian = vec![vec![0.0; N + 1]; N + 1];
            for (x, y) in &points {
                let p = sigmoid(model.sum(x));
                let x = |i: usize| x.get(i).copied().unwrap_or(1.0);
                for i in 0..=N {
                    gradient[i] += (y - p) * x(i);
                    (0..=N).for_each(|j| hessian[i][j] += p * (1.0 - p) * x(i) * x(j));
                }
            }
            (0..=N).for_each(|i| hessian[i][i] += RIDGE);
            let step = solve(hessian, gradient);
            model.weights.iter_mut().chain([&mut model.constant]).zip(step).for_each(|(w, step)| *w += step);
        }
        model
    }

    /// Returns the expected outcome, from 0 to 1.
    #[must_use]
    pub fn at(&self, o: &Observation) -> f64 {
        sigmoid(self.sum(&self.standard(o)))
    }
}

/// Returns temperature perturbation, its logarithm of the odds and the square of that.
#[must_use]
pub fn uncertainty_alone(o: &Observation) -> [f64; 3] {
    let u = f64::from(o.features.u);
    let bounded = u.clamp(1e-4, 1.0 - 1e-4);
    let odds = (bounded / (1.0 - bounded)).ln();
    [u, odds, odds * odds]
}

/// Returns the inputs of [`uncertainty_alone`] with `ln q(d)` and its square: those of the learned law of a calibration
/// of version 2.
#[must_use]
pub fn uncertainty_and_q(o: &Observation) -> [f64; 5] {
    let ([u, odds, square], surprise) = (uncertainty_alone(o), f64::from(o.features.q).max(1e-6).ln());
    [u, odds, square, surprise, surprise * surprise]
}

/// Returns temperature perturbation, `ln q(d)`, entropy, maximum probability and the lead of the most probable token:
/// everything that the draft model says without the noise.
#[must_use]
pub fn all_estimators(o: &Observation) -> [f64; 5] {
    let [u, _, entropy, max, margin] = o.u.map(f64::from);
    [u, f64::from(o.features.q).max(1e-6).ln(), entropy, max, margin]
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Solves `m x = y` by Gaussian elimination with pivoting; the matrix is positive definite.
fn solve(mut m: Vec<Vec<f64>>, mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| m[a][column].abs().total_cmp(&m[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        m.swap(column, pivot);
        y.swap(column, pivot);
        let top = m[column].clone();
        for row in column + 1..n {
            let factor = m[row][column] / top[column];
            (column..n).for_each(|i| m[row][i] -= factor * top[i]);
            y[row] -= factor * y[column];
        }
    }
    for column in (0..n).rev() {
        let known: f64 = (column + 1..n).map(|i| m[column][i] * y[i]).sum();
        y[column] = (y[column] - known) / m[column][column];
    }
    y
}

#[cfg(test)]
mod tests {
    use uhlm_law::calibration::Features;
    use uhlm_law::rng::{Rng, Stream};

    use super::*;
    use crate::law::ESTIMATORS;

    fn observation(u: f64, beta: f64) -> Observation {
        let features = Features { u: u as f32, q: 0.5, entropy: 1.0, margin: 1.0 };
        let p = (0.5 * (1.0 - beta)) as f32;
        Observation { prompt: 0, u: [u as f32; ESTIMATORS.len()], features, p, matched: true }
    }

    #[test]
    fn isotonic_regression_pools_what_falls() {
        let fit =
            Isotonic::fit(&[(0.1, 0.0), (0.2, 0.4), (0.3, 0.2), (0.4, 0.6)].map(|(u, beta)| observation(u, beta)), 0);
        assert_eq!(fit.blocks.len(), 3);
        assert!(
            (fit.at(0.25) - 0.3).abs() < 1e-6 && (fit.at(0.0) - 0.0).abs() < 1e-6 && (fit.at(1.0) - 0.6).abs() < 1e-6
        );
    }

    #[test]
    fn logistic_regression_finds_its_own_law_again() {
        // 4,000 points without noise in beta: the ridge alone keeps the fit from being perfect.
        let mut rng = Rng::new(1, Stream::Simulation);
        let law = |u: f64| sigmoid(6.0 * u - 3.0);
        let observations: Vec<_> = (0..4000).map(|_| rng.uniform()).map(|u| observation(u, law(u))).collect();
        let fit = Logistic::fit(&observations, all_estimators, Observation::beta);
        for o in observations.iter().take(100) {
            assert!((fit.at(o) - law(f64::from(o.u[0]))).abs() < 0.02);
        }
    }
}

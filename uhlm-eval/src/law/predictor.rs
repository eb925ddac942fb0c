//! What turns an observation into an expected rejection probability: the paper's line, isotonic regression, logistic
//! regression. All are fitted on one set of tokens and judged on another.

use super::{ESTIMATORS, Observation};

/// Least squares with a positive slope or a flat line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Slope.
    pub a: f64,
    /// Intercept.
    pub b: f64,
}

impl Line {
    /// Fits `beta = a u + b` to the estimator's values.
    #[must_use]
    pub fn fit(observations: &[Observation], estimator: usize) -> Self {
        let points: Vec<(f64, f64)> = observations.iter().map(|o| (f64::from(o.u[estimator]), o.beta())).collect();
        let mean = points.iter().map(|p| p.1).sum::<f64>() / points.len().max(1) as f64;
        crate::statistics::line(&points).map_or(Self { a: 0.0, b: mean }, |(b, a)| Self { a, b })
    }

    /// The line, within [0, 1].
    #[must_use]
    pub fn at(&self, u: f32) -> f64 {
        (self.a * f64::from(u) + self.b).clamp(0.0, 1.0)
    }
}

/// Isotonic regression: the non-decreasing function of `u` that is closest to beta (pool adjacent violators; Ayer et
/// al. 1955).
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic {
    /// Middle and level of each block, ascending.
    blocks: Vec<(f64, f64)>,
}

impl Isotonic {
    /// Fits to the estimator's values.
    #[must_use]
    pub fn fit(observations: &[Observation], estimator: usize) -> Self {
        let mut points: Vec<(f64, f64)> = observations.iter().map(|o| (f64::from(o.u[estimator]), o.beta())).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Sums of u and beta, and the number of points.
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

    /// The level at `u`, linear between the middles of blocks.
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

/// Inputs of the logistic regression, with the constant.
const FEATURES: usize = ESTIMATORS.len() + 1;

/// Logistic regression of beta on temperature perturbation, `ln q(d)`, entropy, maximum probability and margin.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    weights: [f64; FEATURES],
    mean: [f64; FEATURES],
    scale: [f64; FEATURES],
}

impl Logistic {
    fn raw(o: &Observation) -> [f64; FEATURES] {
        let [u, _, entropy, max, margin] = o.u.map(f64::from);
        [1.0, u, f64::from(o.q).max(1e-6).ln(), entropy, max, margin]
    }

    fn input(&self, o: &Observation) -> [f64; FEATURES] {
        let raw = Self::raw(o);
        std::array::from_fn(|i| (raw[i] - self.mean[i]) / self.scale[i])
    }

    /// Fits by Newton's method with a small ridge, which keeps inputs that say the same from growing apart.
    #[must_use]
    pub fn fit(observations: &[Observation]) -> Self {
        const RIDGE: f64 = 1.0;
        const STEPS: usize = 25;
        let n = observations.len().max(1) as f64;
        let raw: Vec<_> = observations.iter().map(Self::raw).collect();
        let mut model = Self { weights: [0.0; FEATURES], mean: [0.0; FEATURES], scale: [1.0; FEATURES] };
        for i in 1..FEATURES {
            model.mean[i] = raw.iter().map(|x| x[i]).sum::<f64>() / n;
            let variance = raw.iter().map(|x| (x[i] - model.mean[i]).powi(2)).sum::<f64>() / n;
            model.scale[i] = variance.sqrt().max(1e-9);
        }
        let inputs: Vec<_> = observations.iter().map(|o| (model.input(o), o.beta())).collect();
        for _ in 0..STEPS {
            let mut gradient: [f64; FEATURES] = model.weights.map(|w| -RIDGE * w);
            let mut hessian = [[0.0; FEATURES]; FEATURES];
            for (x, beta) in &inputs {
                let p = sigmoid(dot(&model.weights, x));
                for i in 0..FEATURES {
                    gradient[i] += (beta - p) * x[i];
                    for j in 0..FEATURES {
                        hessian[i][j] += p * (1.0 - p) * x[i] * x[j];
                    }
                }
            }
            (0..FEATURES).for_each(|i| hessian[i][i] += RIDGE);
            let step = solve(hessian, gradient);
            model.weights.iter_mut().zip(step).for_each(|(w, step)| *w += step);
        }
        model
    }

    /// The expected rejection probability.
    #[must_use]
    pub fn at(&self, o: &Observation) -> f64 {
        sigmoid(dot(&self.weights, &self.input(o)))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn dot(a: &[f64; FEATURES], b: &[f64; FEATURES]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gaussian elimination with pivoting; the matrix is positive definite.
fn solve(mut m: [[f64; FEATURES]; FEATURES], mut y: [f64; FEATURES]) -> [f64; FEATURES] {
    for column in 0..FEATURES {
        let pivot = (column..FEATURES).max_by(|&a, &b| m[a][column].abs().total_cmp(&m[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        m.swap(column, pivot);
        y.swap(column, pivot);
        let top = m[column];
        for row in column + 1..FEATURES {
            let factor = m[row][column] / top[column];
            (column..FEATURES).for_each(|i| m[row][i] -= factor * top[i]);
            y[row] -= factor * y[column];
        }
    }
    for column in (0..FEATURES).rev() {
        let known: f64 = (column + 1..FEATURES).map(|i| m[column][i] * y[i]).sum();
        y[column] = (y[column] - known) / m[column][column];
    }
    y
}

#[cfg(test)]
mod tests {
    use uhlm_law::rng::{Rng, Stream};

    use super::*;

    fn observation(u: f64, beta: f64) -> Observation {
        Observation { prompt: 0, u: [u as f32; ESTIMATORS.len()], q: 0.5, p: (0.5 * (1.0 - beta)) as f32 }
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
        let fit = Logistic::fit(&observations);
        for o in observations.iter().take(100) {
            assert!((fit.at(o) - law(f64::from(o.u[0]))).abs() < 0.02);
        }
    }
}

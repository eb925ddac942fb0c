//! Expects rejections by a logistic regression on the uncertainty and `q(d)`, the draft model's probability of the
//! drafted token. It is fitted beforehand and goes on learning, one Newton step for each label. It is a copy of that
//! version's code, so that the baseline stays what it was.

/// Number of inputs of the regression, with the constant.
const INPUTS: usize = 6;
type Inputs = [f64; INPUTS];
type Matrix = [Inputs; INPUTS];

/// Weight of the prior at 0 in each direction of the fit, as a number of labels.
const RIDGE: f64 = 0.5;
const NEWTON_STEPS: usize = 30;
/// Number of labels that the fit counts as, for ever.
const PRIOR_LABELS: f64 = 100.0;
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;
const LEAST_INFORMATION: f64 = 1e-3;

/// A drafted token with its outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) u: f32,
    pub(super) q: f32,
    /// Probability of the token's rejection, or 0 or 1 where only the outcome is known.
    pub(super) beta: f64,
}

/// The learned law of rejections.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    prior: Inputs,
    prior_information: Matrix,
    weights: Inputs,
    information: Matrix,
}

impl Predictor {
    /// Fits the law to labels. If they do not determine it, the law expects a third of all tokens to be rejected until
    /// it has learnt.
    pub(super) fn fit(labels: &[Label]) -> Self {
        let points: Vec<(Inputs, f64)> = labels.iter().map(|label| (inputs(label.u, label.q), label.beta)).collect();
        let weights = fitted(&points).unwrap_or([-0.7, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let scale = PRIOR_LABELS / points.len().max(1) as f64;
        let mut prior_information = information(&weights, &points).map(|row| row.map(|entry| entry * scale));
        (0..INPUTS).for_each(|i| prior_information[i][i] += RIDGE);
        Self { prior: weights, prior_information, weights, information: Matrix::default() }
    }

    /// Returns the expected probability of a rejection.
    pub(super) fn beta(&self, u: f32, q: f32) -> f64 {
        let beta = predict(&self.weights, &inputs(u, q));
        if beta.is_nan() { 1.0 } else { beta }
    }

    /// Learns from a label.
    pub(super) fn observe(&mut self, label: &Label) {
        let x = inputs(label.u, label.q);
        let expected = predict(&self.weights, &x);
        self.information.iter_mut().flatten().for_each(|entry| *entry *= FORGETTING);
        add_outer(&mut self.information, &x, (expected * (1.0 - expected)).max(LEAST_INFORMATION));
        let (mut all, mut gradient) = (self.prior_information, Inputs::default());
        for i in 0..INPUTS {
            // Forgotten labels are replaced by a pull of the weights back to those of the fit.
            let back: f64 = (0..INPUTS).map(|j| self.prior_information[i][j] * (self.prior[j] - self.weights[j])).sum();
            gradient[i] = x[i] * (label.beta - expected) + (1.0 - FORGETTING) * back;
            (0..INPUTS).for_each(|j| all[i][j] += self.information[i][j]);
        }
        if let Some(step) = solve(all, gradient).filter(|step| step.iter().all(|value| value.is_finite())) {
            self.weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step);
        }
    }
}

fn fitted(points: &[(Inputs, f64)]) -> Option<Inputs> {
    let mut weights = Inputs::default();
    for _ in 0..NEWTON_STEPS {
        let mut gradient = weights.map(|w| -RIDGE * w);
        let mut hessian = information(&weights, points);
        (0..INPUTS).for_each(|i| hessian[i][i] += RIDGE);
        for (x, beta) in points {
            let error = beta - predict(&weights, x);
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
        }
        let step = solve(hessian, gradient)?;
        weights.iter_mut().zip(step).for_each(|(w, step)| *w += step);
    }
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}

/// Returns `(1, u, l, l^2, ln q, (ln q)^2)` with `l = ln(u / (1 - u))`, scaled to be of the order of 1.
fn inputs(u: f32, q: f32) -> Inputs {
    let u = f64::from(u);
    let bounded = u.clamp(1e-4, 1.0 - 1e-4);
    let (odds, surprise) = ((bounded / (1.0 - bounded)).ln() / 4.0, f64::from(q).clamp(1e-6, 1.0).ln() / 2.0);
    [1.0, u, odds, odds * odds, surprise, surprise * surprise]
}

fn predict(weights: &Inputs, x: &Inputs) -> f64 {
    let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
    1.0 / (1.0 + (-sum).exp())
}

fn information(weights: &Inputs, points: &[(Inputs, f64)]) -> Matrix {
    let mut sum = Matrix::default();
    for (x, _) in points {
        let beta = predict(weights, x);
        add_outer(&mut sum, x, beta * (1.0 - beta));
    }
    sum
}

fn add_outer(matrix: &mut Matrix, x: &Inputs, weight: f64) {
    for (row, a) in matrix.iter_mut().zip(x) {
        row.iter_mut().zip(x).for_each(|(entry, b)| *entry += weight * a * b);
    }
}

/// Returns the solution of `m y = b` for a positive definite matrix, by Cholesky's decomposition; `None` for any other.
fn solve(m: Matrix, b: Inputs) -> Option<Inputs> {
    let (mut lower, mut y) = (Matrix::default(), Inputs::default());
    for i in 0..INPUTS {
        for j in 0..=i {
            let rest = m[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            lower[i][j] = if i > j { rest / lower[j][j] } else { rest.sqrt() };
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns labels whose rejection probability is a function of their uncertainty.
    fn labels(rejected: impl Fn(f64) -> f64) -> Vec<Label> {
        (0..400)
            .map(|i| {
                let u = (f64::from(i) + 0.5) / 400.0;
                Label { u: u as f32, q: (1.0 - u) as f32, beta: rejected(u) }
            })
            .collect()
    }

    #[test]
    fn the_fit_follows_its_labels_and_later_ones_move_it() {
        let mut predictor = Predictor::fit(&labels(|u| u * u));
        let error = |predictor: &Predictor, truth: fn(f64) -> f64| {
            let at = |u: f64| (predictor.beta(u as f32, (1.0 - u) as f32) - truth(u)).abs();
            [0.1, 0.5, 0.9].map(at).into_iter().fold(0.0, f64::max)
        };
        assert!(error(&predictor, |u| u * u) < 0.06);
        let later = labels(|u| u);
        let before = error(&predictor, |u| u);
        (0..400).for_each(|i| predictor.observe(&later[i * 37 % 400]));
        assert!(error(&predictor, |u| u) < 0.6 * before, "{before} before");
    }

    #[test]
    fn labels_that_say_nothing_leave_a_prediction() {
        let beta = Predictor::fit(&[]).beta(0.5, 0.5);
        assert!(beta > 0.0 && beta < 1.0);
    }
}

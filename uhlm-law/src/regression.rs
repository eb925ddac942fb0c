//! Logistic regression on a handful of inputs: fitted to labels, and going on learning from further ones.
//!
//! Decides the arithmetic only. What the inputs are, and what a label is, is decided by whoever predicts
//! ([`crate::calibration`], [`crate::gate`]).

/// A square matrix over the inputs.
pub type Matrix<const N: usize> = [[f64; N]; N];

/// A label: the inputs, and the outcome or its probability, 0 to 1.
pub type Point<const N: usize> = ([f64; N], f64);

const NEWTON_STEPS: usize = 30;
/// The least that a label says about the weights, so that a prediction of 0 can still be unlearnt.
const LEAST_INFORMATION: f64 = 1e-3;

/// Returns `sigmoid(w . x)`.
#[must_use]
pub fn predict<const N: usize>(weights: &[f64; N], x: &[f64; N]) -> f64 {
    let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
    1.0 / (1.0 + (-sum).exp())
}

/// Fits weights to labels by Newton's method, with a prior at 0 that counts as `ridge` labels in each direction. `None`
/// where the labels do not determine them.
#[must_use]
pub fn fit<const N: usize>(points: &[Point<N>], ridge: f64) -> Option<[f64; N]> {
    let mut weights = [0.0; N];
    for _ in 0..NEWTON_STEPS {
        let mut gradient = weights.map(|w| -ridge * w);
        let mut hessian = information(&weights, points);
        (0..N).for_each(|i| hessian[i][i] += ridge);
        for (x, outcome) in points {
            let error = outcome - predict(&weights, x);
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
        }
        let step = solve(hessian, gradient)?;
        weights.iter_mut().zip(step).for_each(|(w, step)| *w += step);
    }
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}

/// Returns what labels say about the weights: the sum of `P (1 - P) x x^T`.
#[must_use]
pub fn information<const N: usize>(weights: &[f64; N], points: &[Point<N>]) -> Matrix<N> {
    let mut sum = [[0.0; N]; N];
    for (x, _) in points {
        let expected = predict(weights, x);
        add_outer(&mut sum, x, expected * (1.0 - expected));
    }
    sum
}

/// Weights with the information that they rest on: a Gaussian belief (Laplace's approximation), updated label by label,
/// one Newton step each.
#[derive(Clone, Debug)]
pub struct Belief<const N: usize> {
    prior: [f64; N],
    prior_information: Matrix<N>,
    weights: [f64; N],
    /// Of the labels that were observed, older ones weighing less.
    information: Matrix<N>,
    forgetting: f64,
}

impl<const N: usize> Belief<N> {
    /// Makes a belief in `prior`, which rests on `prior_information` for ever. Of what an observed label says, each
    /// further one leaves the share `forgetting`, 0 to 1.
    #[must_use]
    pub fn new(prior: [f64; N], prior_information: Matrix<N>, forgetting: f64) -> Self {
        Self { prior, prior_information, weights: prior, information: [[0.0; N]; N], forgetting }
    }

    /// Returns the weights that are believed now.
    #[must_use]
    pub fn weights(&self) -> &[f64; N] {
        &self.weights
    }

    /// Predicts the outcome's probability; 1 where an input is not a number.
    #[must_use]
    pub fn expect(&self, x: &[f64; N]) -> f64 {
        let expected = predict(&self.weights, x);
        if expected.is_nan() { 1.0 } else { expected }
    }

    /// Learns from a label whose inputs are numbers.
    pub fn observe(&mut self, (x, outcome): &Point<N>) {
        let expected = predict(&self.weights, x);
        self.information.iter_mut().flatten().for_each(|entry| *entry *= self.forgetting);
        add_outer(&mut self.information, x, (expected * (1.0 - expected)).max(LEAST_INFORMATION));
        let (mut all, mut gradient) = (self.prior_information, [0.0; N]);
        for i in 0..N {
            // What is forgotten draws the weights back to the prior.
            let back: f64 = (0..N).map(|j| self.prior_information[i][j] * (self.prior[j] - self.weights[j])).sum();
            gradient[i] = x[i] * (outcome - expected) + (1.0 - self.forgetting) * back;
            (0..N).for_each(|j| all[i][j] += self.information[i][j]);
        }
        if let Some(step) = solve(all, gradient).filter(|step| step.iter().all(|value| value.is_finite())) {
            self.weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step);
        }
    }
}

/// Adds `weight x x^T`.
fn add_outer<const N: usize>(matrix: &mut Matrix<N>, x: &[f64; N], weight: f64) {
    for (row, a) in matrix.iter_mut().zip(x) {
        row.iter_mut().zip(x).for_each(|(entry, b)| *entry += weight * a * b);
    }
}

/// Solves `m y = b` for a positive definite matrix by Cholesky's decomposition; `None` for any other.
fn solve<const N: usize>(m: Matrix<N>, b: [f64; N]) -> Option<[f64; N]> {
    let (mut lower, mut y) = ([[0.0; N]; N], [0.0; N]);
    for i in 0..N {
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
    for i in (0..N).rev() {
        y[i] = (y[i] - (i + 1..N).map(|k| lower[k][i] * y[k]).sum::<f64>()) / lower[i][i];
    }
    Some(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_positive_definite_system_is_solved_and_no_other() {
        let y = solve([[4.0, 2.0], [2.0, 3.0]], [10.0, 9.0]).expect("positive definite");
        assert!((y[0] - 1.5).abs() < 1e-12 && (y[1] - 2.0).abs() < 1e-12, "{y:?}");
        assert_eq!(solve([[1.0, 2.0], [2.0, 1.0]], [1.0, 1.0]), None);
        assert_eq!(solve([[0.0]], [1.0]), None);
    }

    #[test]
    fn a_fit_finds_the_weights_that_made_the_labels() {
        let truth = [0.5, -2.0];
        let points: Vec<Point<2>> = (-50..=50)
            .map(|i| {
                let x = [1.0, f64::from(i) / 20.0];
                (x, predict(&truth, &x))
            })
            .collect();
        let fitted = fit(&points, 1e-6).expect("determined");
        assert!(fitted.iter().zip(truth).all(|(w, t)| (w - t).abs() < 1e-4), "{fitted:?}");
        assert_eq!(fit(&[([1.0, f64::NAN], 1.0)], 0.5), None);
    }

    #[test]
    fn labels_move_a_belief_towards_them() {
        let mut belief = Belief::new([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 0.999);
        let x = [1.0, 0.0];
        assert_eq!(belief.expect(&x), 0.5);
        (0..100).for_each(|_| belief.observe(&(x, 1.0)));
        assert!(belief.expect(&x) > 0.9 && belief.expect(&[0.0, 1.0]) == 0.5, "{:?}", belief.weights());
    }
}

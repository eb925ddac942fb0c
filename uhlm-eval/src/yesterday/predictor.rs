//! The predictor of a rejection: a logistic regression on the uncertainty and `q(d)`, fitted beforehand and going on
//! learning, one Newton step a label. Its inputs and numbers are a copy of that version's, so that the baseline stays
//! what it was.

use uhlm_law::regression::{self, Belief, Point};

/// Number of inputs of the regression, with the constant.
const INPUTS: usize = 6;

/// Weight of the prior at 0 in each direction of the fit, as a number of labels.
const RIDGE: f64 = 0.5;
/// Number of labels that the fit counts as, for ever.
const PRIOR_LABELS: f64 = 100.0;
const FORGETTING: f64 = 1.0 - 1.0 / 512.0;

/// A drafted token with its outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) u: f32,
    pub(super) q: f32,
    /// Probability of the token's rejection, or 0 or 1 where only the outcome is known.
    pub(super) beta: f64,
}

impl Label {
    fn point(&self) -> Point<INPUTS> {
        (inputs(self.u, self.q), self.beta)
    }
}

/// The learned law of rejections.
#[derive(Clone, Debug)]
pub(super) struct Predictor(Belief<INPUTS>);

impl Predictor {
    /// Fits the law to labels. If they do not determine it, the law expects a third of all tokens to be rejected until
    /// it has learnt.
    pub(super) fn fit(labels: &[Label]) -> Self {
        let points: Vec<_> = labels.iter().map(Label::point).collect();
        let weights = regression::fit(&points, RIDGE).unwrap_or([-0.7, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let scale = PRIOR_LABELS / points.len().max(1) as f64;
        let mut prior = regression::information(&weights, &points).map(|row| row.map(|entry| entry * scale));
        (0..INPUTS).for_each(|i| prior[i][i] += RIDGE);
        Self(Belief::new(weights, prior, FORGETTING))
    }

    /// Returns the expected probability of a rejection.
    pub(super) fn beta(&self, u: f32, q: f32) -> f64 {
        self.0.expect(&inputs(u, q))
    }

    /// Learns from a label.
    pub(super) fn observe(&mut self, label: &Label) {
        self.0.observe(&label.point());
    }
}

/// Returns `(1, u, l, l^2, ln q, (ln q)^2)` with `l = ln(u / (1 - u))`, scaled to be of the order of 1.
fn inputs(u: f32, q: f32) -> [f64; INPUTS] {
    let u = f64::from(u);
    let bounded = u.clamp(1e-4, 1.0 - 1e-4);
    let (odds, surprise) = ((bounded / (1.0 - bounded)).ln() / 4.0, f64::from(q).clamp(1e-6, 1.0).ln() / 2.0);
    [1.0, u, odds, odds * odds, surprise, surprise * surprise]
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

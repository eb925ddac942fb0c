//! Measures how far a method's law is from the target's, token by token and without sampling noise.
//!
//! At a position with draft distribution `q`, target distribution `p` and skip probabilities `s(v)`, the next token is
//! distributed as `m(v) = q(v) s(v) + q(v) (1 - s(v)) a(v) + R r(v)`. There `a(v) = min(1, p(v)/x(v))` is the
//! probability with which the target accepts, `x` the distribution that it was sent, `r = norm(max(p - x, 0))` and `R`
//! the probability of a rejection. The total variation between `m` and `p` is then a sum over the vocabulary. For the
//! exact methods it is 0 by their rule; that they keep to it is tested on sampled tokens by `tests/tests/exactness.rs`.

use serde::{Deserialize, Serialize};
use uhlm_law::sampling::{Distribution, TokenId};
use uhlm_law::uncertainty::{Estimator, PAPER_DRAWS, Uncertainty};

use crate::baseline::rule::with_uniform_tail;
use crate::method::{CU_HLM_TOP_K, Method, Thresholds};

/// Least draft probability of a token in the skipped part; the tokens left out are together below 1 %.
const LEAST: f32 = 1e-5;

/// Total variation between a method's next token and the target's, summed over positions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The method that was measured.
    pub method: Method,
    /// Sum of the total variation over positions.
    pub total: f64,
    /// Number of positions.
    pub positions: u64,
}

impl Divergence {
    /// Returns the mean total variation, from 0 to 1; 0 without positions.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.positions == 0 { 0.0 } else { self.total / self.positions as f64 }
    }
}

/// Adds up divergences while a baseline writes.
pub(crate) struct Gauge {
    thresholds: Thresholds,
    /// This SDK's threshold and, below, its estimator.
    own_threshold: f32,
    own: Box<dyn Uncertainty>,
    /// Estimator whose value is the mean of the paper's estimator.
    mean: Box<dyn Uncertainty>,
    pub(crate) divergences: Vec<Divergence>,
}

impl Gauge {
    pub(crate) fn new(thresholds: Thresholds, own: Estimator, own_threshold: f32, seed: u64) -> Self {
        let methods = [
            Method::SlmOnly,
            Method::RandHlm,
            Method::UHlmRiskAverse,
            Method::UHlmRiskProne,
            Method::CuHlm,
            Method::OursOpportunistic,
        ];
        Self {
            thresholds,
            own_threshold,
            own: own.build(seed),
            mean: Estimator::TemperaturePerturbation.build(seed),
            divergences: methods.map(|method| Divergence { method, total: 0.0, positions: 0 }).to_vec(),
        }
    }

    /// Adds a position, given the draft model's logits and both distributions.
    pub(crate) fn add(&mut self, logits: &[f32], q: &Distribution, p: &Distribution) {
        let mut values: Vec<(TokenId, f64, f64, f64)> = Vec::new();
        for (id, _) in q.iter().filter(|entry| entry.1 >= LEAST) {
            let mean = f64::from(self.mean.estimate(logits, id));
            let own = self.own.estimate(logits, id) <= self.own_threshold;
            values.push((
                id,
                skipped(mean, self.thresholds.risk_averse),
                skipped(mean, self.thresholds.risk_prone),
                if own { 1.0 } else { 0.0 },
            ));
        }
        let cut = with_uniform_tail(q, CU_HLM_TOP_K, logits.len());
        for divergence in &mut self.divergences {
            let skip: Box<dyn Fn(usize) -> f64> = match divergence.method {
                Method::SlmOnly => Box::new(|_| 1.0),
                Method::RandHlm => Box::new(|_| 1.0 - self.thresholds.rate),
                Method::UHlmRiskAverse => Box::new(|i| values[i].1),
                Method::UHlmRiskProne | Method::CuHlm => Box::new(|i| values[i].2),
                _ => Box::new(|i| values[i].3),
            };
            let sent = if divergence.method == Method::CuHlm { &cut } else { q };
            let skips: Vec<(TokenId, f64)> = values.iter().enumerate().map(|(i, value)| (value.0, skip(i))).collect();
            divergence.total += total_variation(q, p, sent, &skips);
            divergence.positions += 1;
        }
    }
}

/// Returns the probability that the paper's estimator does not exceed a threshold. Each of its draws has a temperature
/// of its own, so the number of those that differ is binomial, with the mean of the estimator as its probability.
fn skipped(mean: f64, threshold: f32) -> f64 {
    let most = (f64::from(threshold) * f64::from(PAPER_DRAWS) + 1e-6).floor() as u32;
    let mean = mean.clamp(1e-9, 1.0 - 1e-9);
    let mut term = (1.0 - mean).powi(PAPER_DRAWS as i32);
    let mut sum = 0.0;
    for differing in 0..=most.min(PAPER_DRAWS) {
        sum += term;
        term *= f64::from(PAPER_DRAWS - differing.min(PAPER_DRAWS)) / f64::from(differing + 1) * mean / (1.0 - mean);
    }
    sum.min(1.0)
}

/// Returns the total variation between the law of the next token and `p`; `skips` is ascending by id and 0 elsewhere.
fn total_variation(q: &Distribution, p: &Distribution, sent: &Distribution, skips: &[(TokenId, f64)]) -> f64 {
    let skip = |id: TokenId| skips.binary_search_by_key(&id, |s| s.0).map_or(0.0, |i| skips[i].1);
    let accept = |id: TokenId| (f64::from(p.prob(id)) / f64::from(sent.prob(id)).max(1e-30)).min(1.0);
    let rejected: f64 = q.iter().map(|(id, mass)| f64::from(mass) * (1.0 - skip(id)) * (1.0 - accept(id))).sum();
    let residual = p.residual(sent);
    let drafted = |id: TokenId| {
        let s = skip(id);
        f64::from(q.prob(id)) * (s + (1.0 - s) * accept(id))
    };
    let law = |id: TokenId| drafted(id) + rejected * residual.as_ref().map_or(0.0, |r| f64::from(r.prob(id)));
    // Half the sum of |m - p| is the sum of max(p - m, 0), and p is positive only on its support.
    p.iter().map(|(id, mass)| (f64::from(mass) - law(id)).max(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Distribution, Distribution) {
        let q = Distribution::from_weights([(0, 0.7), (1, 0.2), (2, 0.1)]).expect("weights");
        let p = Distribution::from_weights([(0, 0.4), (1, 0.2), (3, 0.4)]).expect("weights");
        (q, p)
    }

    #[test]
    fn judging_everything_is_exact_and_skipping_everything_is_the_draft_model() {
        let (q, p) = pair();
        assert!(total_variation(&q, &p, &q, &[]) < 1e-6);
        let all = [(0, 1.0), (1, 1.0), (2, 1.0)];
        assert!((total_variation(&q, &p, &q, &all) - q.total_variation(&p)).abs() < 1e-6);
    }

    #[test]
    fn the_papers_estimator_stays_below_a_threshold_as_often_as_it_is_drawn_to() {
        let (logits, id, threshold) = ([2.0, 1.0, 0.5, -1.0], 1, 0.8);
        let mean = Estimator::TemperaturePerturbation.build(1).estimate(&logits, id);
        let mut sampled = Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS }.build(1);
        // 20,000 draws: standard error at most 0.0036; the quadrature of the mean adds less; alarm at 5 sigma, 6e-7.
        let below = (0..20_000).filter(|_| sampled.estimate(&logits, id) <= threshold).count() as f64 / 20_000.0;
        let expected = skipped(f64::from(mean), threshold);
        assert!((0.05..0.95).contains(&expected), "a threshold that decides nothing: {expected}");
        assert!((below - expected).abs() < 0.025, "{below} {expected}");
    }

    #[test]
    fn skipping_a_share_at_random_leaves_that_share_of_the_distance() {
        let (q, p) = pair();
        let some = [(0, 0.25), (1, 0.25), (2, 0.25)];
        assert!((total_variation(&q, &p, &q, &some) - 0.25 * q.total_variation(&p)).abs() < 1e-6);
    }

    #[test]
    fn a_distribution_that_was_cut_before_it_was_sent_bends_the_law() {
        let (q, p) = pair();
        let cut = with_uniform_tail(&q, 1, 4);
        assert!(total_variation(&q, &p, &cut, &[]) > 0.01);
    }
}

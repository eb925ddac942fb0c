//! Pearson's chi-square for sequences whose next-token law depends on the context.
//!
//! For each context the observed next tokens are compared with the law that they should follow. Given its context, each
//! token is an independent draw from that law if the sampler is right, so the statistics of all contexts add up.

use std::collections::HashMap;

use statrs::distribution::{ChiSquared, ContinuousCDF as _};
use uhlm_law::sampling::{Distribution, TokenId};

/// Least expected count of a cell; smaller cells are merged with others of their context.
const LEAST_EXPECTED: f64 = 5.0;

/// The observed and expected counts of next tokens by context.
#[derive(Clone, Debug, Default)]
pub struct Goodness {
    cells: HashMap<(u64, TokenId), (f64, f64)>,
    observations: u64,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Pearson's statistic.
    pub chi_square: f64,
    /// Number of degrees of freedom.
    pub freedom: f64,
    /// Probability of a statistic at least as large if the law holds, in [0, 1].
    pub p_value: f64,
    /// Number of tokens observed.
    pub observations: u64,
}

impl Goodness {
    /// Counts one token, with the context it came in (any hash) and the law it should follow there.
    pub fn observe(&mut self, context: u64, token: TokenId, law: &Distribution) {
        self.observations += 1;
        self.cells.entry((context, token)).or_default().0 += 1.0;
        for (id, p) in law.iter() {
            self.cells.entry((context, id)).or_default().1 += f64::from(p);
        }
    }

    /// Returns the outcome of the test over everything observed.
    #[must_use]
    pub fn fit(&self) -> Fit {
        let mut contexts: HashMap<u64, Vec<(f64, f64)>> = HashMap::new();
        for (&(context, _), &cell) in &self.cells {
            contexts.entry(context).or_default().push(cell);
        }
        let (mut chi_square, mut freedom) = (0.0, 0.0);
        for mut cells in contexts.into_values() {
            cells.sort_by(|a, b| b.1.total_cmp(&a.1));
            let merged = merge_small(&cells);
            if merged.len() > 1 {
                chi_square += merged.iter().map(|&(seen, due)| (seen - due).powi(2) / due).sum::<f64>();
                freedom += merged.len() as f64 - 1.0;
            }
        }
        let p_value = ChiSquared::new(freedom.max(1.0)).map_or(0.0, |law| law.sf(chi_square));
        Fit { chi_square, freedom, p_value, observations: self.observations }
    }
}

/// Merges cells, largest expectation first, until each has enough; the rest joins the last. A token that was seen where
/// the law gives it no chance makes a cell of expectation 0, which stays visible in the cell it is merged with.
fn merge_small(cells: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut merged: Vec<(f64, f64)> = Vec::new();
    let mut open = (0.0, 0.0);
    for &(seen, due) in cells {
        open = (open.0 + seen, open.1 + due);
        if open.1 >= LEAST_EXPECTED {
            merged.push(std::mem::take(&mut open));
        }
    }
    if let Some(last) = merged.last_mut() {
        *last = (last.0 + open.0, last.1 + open.1);
    }
    merged
}

#[cfg(test)]
mod tests {
    use uhlm_law::rng::{Rng, Stream};

    use super::*;

    fn law(weights: &[f64]) -> Distribution {
        let weights = weights.iter().enumerate().map(|(id, &w)| (id as TokenId, w));
        Distribution::from_weights(weights).expect("positive weights")
    }

    #[test]
    fn the_right_law_passes_and_one_that_is_two_percent_off_fails() {
        let (p, off) = (law(&[0.5, 0.3, 0.2]), law(&[0.52, 0.28, 0.2]));
        let (mut right, mut wrong) = (Goodness::default(), Goodness::default());
        let mut rng = Rng::new(1, Stream::Simulation);
        for _ in 0..50_000 {
            let u = rng.uniform();
            right.observe(0, p.quantile(u), &p);
            wrong.observe(0, off.quantile(u), &p);
        }
        assert!(right.fit().p_value > 1e-3);
        assert!(wrong.fit().p_value < 1e-6);
    }
}

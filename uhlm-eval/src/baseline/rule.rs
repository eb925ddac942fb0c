//! Names the published rules, and makes the shortened distribution that one of them sends.

use serde::{Deserialize, Serialize};
use uhlm_law::sampling::{Distribution, TokenId};

/// A published rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Baseline {
    /// HLM: every token and its whole distribution go up; the target accepts or resamples. Exact. (From Hao et al.
    /// 2024, as arXiv 2412.12687v2, section II, gives it.)
    Hlm,
    /// As HLM for a random share of the tokens; the rest is committed unseen (arXiv 2412.12687v2, section V).
    RandHlm {
        /// Share of tokens that are sent, from 0 to 1.
        rate: f64,
    },
    /// U-HLM: as HLM where the uncertainty exceeds the threshold; the rest is committed unseen (arXiv 2412.12687v2).
    UHlm {
        /// Threshold `u_th` of the uncertainty, above which a token is sent.
        threshold: f32,
    },
    /// CU-HLM: as U-HLM, with the distribution cut to its `top_k` largest probabilities and a uniform tail, which the
    /// target takes for the real one (arXiv 2505.11788). An entry is an id and 8 bits: 690 bits for 30 of 32,000.
    CuHlm {
        /// Threshold `u_th` of the uncertainty, above which a token is sent.
        threshold: f32,
        /// Number of entries that are sent, the paper's `k* = 30`.
        top_k: usize,
    },
    /// DSSD: windows of ids and single probabilities go up; the target accepts on its side and sends its distribution
    /// down where it rejects, from which the device resamples; a bonus token follows a window that was accepted.
    /// Exact. (arXiv 2507.12000, algorithm with draft length gamma.)
    Dssd {
        /// Length of a draft, in tokens.
        window: usize,
    },
}

/// Returns the `top_k` largest probabilities as they are, with the rest of the mass spread evenly over the rest of the
/// vocabulary.
#[must_use]
pub fn with_uniform_tail(q: &Distribution, top_k: usize, vocabulary_size: usize) -> Distribution {
    let mut entries: Vec<(TokenId, f32)> = q.iter().collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    entries.truncate(top_k);
    let kept: f64 = entries.iter().map(|e| f64::from(e.1)).sum();
    let tail = (1.0 - kept).max(0.0) / (vocabulary_size - entries.len()).max(1) as f64;
    let mut weights = vec![tail; vocabulary_size];
    for (id, p) in entries {
        if let Some(weight) = weights.get_mut(id as usize) {
            *weight = f64::from(p);
        }
    }
    Distribution::from_weights(weights.into_iter().enumerate().map(|(id, w)| (id as TokenId, w)))
        .unwrap_or_else(|| q.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_tail_keeps_the_top_and_the_sum() {
        let q = Distribution::from_weights([(0, 0.5), (3, 0.3), (4, 0.15), (7, 0.05)]).expect("weights");
        let cut = with_uniform_tail(&q, 2, 10);
        assert!((cut.prob(0) - 0.5).abs() < 1e-6 && (cut.prob(3) - 0.3).abs() < 1e-6);
        assert!((cut.prob(4) - 0.025).abs() < 1e-6 && (cut.prob(9) - 0.025).abs() < 1e-6);
        assert!((cut.iter().map(|e| e.1).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}

//! Truncation without sorting.
//!
//! Decides how far down the order of logits top-k and top-p reach; it leaves the order itself to [`super::order`] and
//! the passes over a row to [`super::row`].

use super::order::{Candidate, Cut, in_order};
use super::row;

/// Number of candidates below which sorting is the fastest.
const SORT: usize = 64;
/// Distance below the greatest logit within which top-p looks for its tokens first: most rows of a language model have
/// 95 % of their mass there, on a handful of tokens.
const DEPTH: f32 = 4.0;
/// Number of tokens there from which on a row counts as flat.
const FEW: usize = 1024;

impl Cut {
    /// Keeps the `k` greatest logits, `k` of at least 1, and leaves them in `candidates`.
    pub(super) fn top_k(logits: &[f32], k: usize, candidates: &mut Vec<Candidate>) -> Self {
        row::top_k(logits, k, candidates);
        if candidates.len() < k {
            return Self::NONE;
        }
        let (_, &mut (id, z), _) = candidates.select_nth_unstable_by(k - 1, in_order);
        Self { z, id }
    }

    /// Keeps the fewest of `candidates`, greatest first, whose softmax among themselves reaches `top_p`.
    pub(super) fn top_p_of(candidates: &mut [Candidate], max: f32, top_p: f64) -> Self {
        let sum: f64 = mass(candidates, max);
        Self::reaching(candidates, max, top_p * sum)
    }

    /// Keeps the fewest tokens, greatest first, whose softmax reaches `top_p`.
    pub(super) fn top_p(logits: &[f32], max: f32, top_p: f64, candidates: &mut Vec<Candidate>) -> Self {
        let target = top_p * row::exp_sum(logits, max);
        row::above(logits, max - DEPTH, FEW, candidates);
        if candidates.len() < FEW && mass(candidates, max) >= target {
            return Self::reaching(candidates, max, target);
        }
        // A flat row: find out between which two logits the cut lies, then look at the tokens in between only.
        let target = row::bucket_reaching(logits, max, top_p, candidates);
        Self::reaching(candidates, max, target)
    }

    /// Returns the last candidate in order that it takes to reach `target`, the sum of `exp(z - max)`: a binary search
    /// by partial selection, linear in the number of candidates.
    fn reaching(mut candidates: &mut [Candidate], max: f32, mut target: f64) -> Self {
        while candidates.len() > SORT {
            let middle = candidates.len() / 2;
            candidates.select_nth_unstable_by(middle, in_order);
            let (upper, lower) = candidates.split_at_mut(middle);
            let upper_mass = mass(upper, max);
            if upper_mass >= target {
                candidates = upper;
            } else {
                target -= upper_mass;
                candidates = lower;
            }
        }
        candidates.sort_unstable_by(in_order);
        let mut sum = 0.0;
        let last = candidates.iter().find(|(_, z)| {
            sum += weight(*z, max);
            sum >= target
        });
        last.or(candidates.last()).map_or(Self::NONE, |&(id, z)| Self { z, id })
    }
}

/// Returns `exp(z - max)` with the same bits on every processor.
pub(super) fn weight(z: f32, max: f32) -> f64 {
    f64::from(row::power::<false>((z - max) * std::f32::consts::LOG2_E))
}

fn mass(candidates: &[Candidate], max: f32) -> f64 {
    candidates.iter().map(|c| weight(c.1, max)).sum()
}

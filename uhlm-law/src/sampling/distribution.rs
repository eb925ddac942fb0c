//! A probability distribution over the vocabulary, as the sampling chain leaves it.

use super::TokenId;
use crate::vector::{self, Kernel, LANES, log2};

/// Probabilities over the vocabulary, either for every id or for a support sorted by id.
///
/// Probabilities are on the `f32` grid: what is sent over the wire, compared in the acceptance rule and subtracted in
/// the residual is the same number everywhere. They sum to 1 within rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The support, ascending; `None` where every id has its place in `probs`.
    ids: Option<Vec<TokenId>>,
    /// Probabilities, none negative; zeros are not part of the support.
    probs: Vec<f32>,
    /// The sum of each [`BLOCK`] of `probs`, so that a draw adds up one block only.
    sums: Vec<f64>,
}

/// Number of probabilities that share one sum.
const BLOCK: usize = 1024;

impl Distribution {
    /// Makes the distribution with all mass on one token.
    #[must_use]
    pub fn point(id: TokenId) -> Self {
        Self { ids: Some(vec![id]), probs: vec![1.0], sums: vec![1.0] }
    }

    /// Makes a distribution over a support: `(id, weight)` in any order, weights normalised here; zero weights are
    /// dropped. Returns `None` when no weight is positive or one is not finite or negative.
    #[must_use]
    pub fn from_weights(weights: impl IntoIterator<Item = (TokenId, f64)>) -> Option<Self> {
        let mut entries: Vec<(TokenId, f64)> = Vec::new();
        let mut sum = 0.0;
        for (id, weight) in weights {
            if !weight.is_finite() || weight < 0.0 {
                return None;
            }
            if weight > 0.0 {
                entries.push((id, weight));
                sum += weight;
            }
        }
        if entries.is_empty() || !sum.is_finite() {
            return None;
        }
        entries.sort_unstable_by_key(|&(id, _)| id);
        let probs: Vec<f32> = entries.iter().map(|e| (e.1 / sum) as f32).collect();
        Some(Self { ids: Some(entries.iter().map(|e| e.0).collect()), sums: block_sums(&probs), probs })
    }

    /// Makes a distribution of one weight an id, not negative and not all zero; normalised here, in place.
    pub(super) fn dense(weights: Vec<f32>) -> Self {
        Self::normalised(None, weights)
    }

    /// Makes a distribution of a support, ascending by id, and its weights, not negative and not all zero.
    pub(super) fn sparse(ids: Vec<TokenId>, weights: Vec<f32>) -> Self {
        Self::normalised(Some(ids), weights)
    }

    fn normalised(ids: Option<Vec<TokenId>>, mut probs: Vec<f32>) -> Self {
        let sum: f64 = block_sums(&probs).iter().sum();
        let sums = vector::dispatch(Scale { values: &mut probs, factor: (1.0 / sum) as f32 });
        Self { ids, probs, sums }
    }

    /// Returns the probability of `id`; 0 outside the support.
    #[must_use]
    pub fn prob(&self, id: TokenId) -> f32 {
        let place = match &self.ids {
            Some(ids) => ids.binary_search(&id).ok(),
            None => Some(id as usize),
        };
        place.and_then(|place| self.probs.get(place)).copied().unwrap_or(0.0)
    }

    /// Returns the tokens with positive probability, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, f32)> + '_ {
        self.probs.iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(place, &p)| (self.id(place), p))
    }

    /// Returns the token at quantile `u` in `[0, 1)` of the cumulative distribution in id order. Costs about a
    /// microsecond, whatever the vocabulary.
    #[must_use]
    pub fn quantile(&self, u: f64) -> TokenId {
        let mut left = u * self.sums.iter().sum::<f64>();
        let mut last = 0;
        for (probs, (block, &sum)) in self.probs.chunks(BLOCK).zip(self.sums.iter().enumerate()) {
            if sum <= 0.0 {
                continue;
            }
            // Rounding may leave more than the last block holds: then its last token is meant.
            if left < sum || block + 1 == self.sums.len() {
                for (i, &p) in probs.iter().enumerate() {
                    if p > 0.0 {
                        last = block * BLOCK + i;
                        left -= f64::from(p);
                        if left < 0.0 {
                            break;
                        }
                    }
                }
                return self.id(last);
            }
            left -= sum;
            last = block * BLOCK + probs.iter().rposition(|&p| p > 0.0).unwrap_or(0);
        }
        self.id(last)
    }

    /// Returns the most probable token and its probability; the lowest id among equals.
    #[must_use]
    pub fn mode(&self) -> (TokenId, f32) {
        self.iter().fold((0, 0.0), |best, entry| if entry.1 > best.1 { entry } else { best })
    }

    /// Returns the Shannon entropy in nats, to about 1e-5. One pass over the probabilities, without a call of a
    /// logarithm.
    #[must_use]
    pub fn entropy(&self) -> f32 {
        (vector::dispatch(Information(&self.probs)) * std::f64::consts::LN_2).max(0.0) as f32
    }

    /// Returns the residual distribution `norm(max(p - q, 0))` with `self` as `p` (Leviathan et al. 2023, Chen et al.
    /// 2023); `None` where no mass is left, that is, where `p <= q` everywhere within rounding.
    #[must_use]
    pub fn residual(&self, q: &Distribution) -> Option<Distribution> {
        Self::from_weights(self.excess(q))
    }

    /// Returns the total variation distance to `other`, in [0, 1]: the probability that a draft from one is rejected by
    /// the other.
    #[must_use]
    pub fn total_variation(&self, other: &Distribution) -> f64 {
        self.excess(other).map(|(_, excess)| excess).sum()
    }

    /// Returns `max(p - q, 0)` over the support of `p`, with one walk over both supports.
    fn excess<'a>(&'a self, q: &'a Distribution) -> impl Iterator<Item = (TokenId, f64)> + 'a {
        let mut place = 0;
        self.iter().map(move |(id, p)| {
            let q_id = match &q.ids {
                None => q.probs.get(id as usize).copied().unwrap_or(0.0),
                Some(ids) => {
                    while ids.get(place).is_some_and(|&other| other < id) {
                        place += 1;
                    }
                    if ids.get(place) == Some(&id) { q.probs[place] } else { 0.0 }
                }
            };
            (id, f64::from((p - q_id).max(0.0)))
        })
    }

    fn id(&self, place: usize) -> TokenId {
        match &self.ids {
            Some(ids) => ids.get(place).copied().unwrap_or(0),
            None => place as TokenId,
        }
    }
}

fn block_sums(values: &[f32]) -> Vec<f64> {
    vector::dispatch(Sums(values))
}

/// Sums in double precision, on eight accumulators.
#[inline(always)]
fn sum(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for lanes in chunks {
        for (sum, &v) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(v);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v)).sum::<f64>()
}

struct Sums<'a>(&'a [f32]);

impl Kernel for Sums<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Vec<f64> {
        let mut sums = Vec::with_capacity(self.0.len().div_ceil(BLOCK));
        for block in self.0.chunks(BLOCK) {
            sums.push(sum(block));
        }
        sums
    }
}

/// The computation of the sum of `-p log2 p`, the entropy in bits.
struct Information<'a>(&'a [f32]);

impl Kernel for Information<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let mut total = 0.0;
        for block in self.0.chunks(BLOCK) {
            let (chunks, rest) = block.as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for lanes in chunks {
                for (sum, &p) in sums.iter_mut().zip(lanes) {
                    *sum += p * log2::<FUSED>(p);
                }
            }
            total -= sums.iter().map(|&s| f64::from(s)).sum::<f64>();
            total -= rest.iter().map(|&p| f64::from(p * log2::<FUSED>(p))).sum::<f64>();
        }
        total
    }
}

struct Scale<'a> {
    values: &'a mut [f32],
    factor: f32,
}

impl Kernel for Scale<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Vec<f64> {
        let mut sums = Vec::with_capacity(self.values.len().div_ceil(BLOCK));
        for block in self.values.chunks_mut(BLOCK) {
            for value in block.iter_mut() {
                *value *= self.factor;
            }
            sums.push(sum(block));
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_is_that_of_double_precision() {
        // 5,003 weights over 26 nats, and few.
        let weights = |n: u32| (0..n).map(move |i| (i, (f64::from(i * 7919 % n) * 26.0 / f64::from(n)).exp()));
        for n in [1, 2, 3, 40, 5003, 152_000] {
            let p = Distribution::from_weights(weights(n)).expect("weights");
            let exact: f64 = p.iter().map(|(_, p)| -f64::from(p) * f64::from(p).ln()).sum();
            assert!((f64::from(p.entropy()) - exact).abs() < 2e-5, "{n}: {} for {exact}", p.entropy());
        }
        assert_eq!(Distribution::point(7).entropy(), 0.0);
    }
}

//! A probability distribution over the vocabulary, as the sampling chain leaves it.

use super::TokenId;

/// Probabilities over the vocabulary, either for every id or for a support sorted by id.
///
/// Probabilities are on the `f32` grid: what is sent over the wire, compared in the acceptance rule and subtracted in
/// the residual is the same number everywhere. They sum to 1 within rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution(Repr);

#[derive(Clone, Debug, PartialEq)]
enum Repr {
    /// `ids` ascending, `probs` positive and of the same length.
    Sparse { ids: Vec<TokenId>, probs: Vec<f32> },
    /// One probability an id, zeros allowed.
    Dense { probs: Vec<f32> },
}

impl Distribution {
    /// All mass on one token.
    #[must_use]
    pub fn point(id: TokenId) -> Self {
        Self(Repr::Sparse { ids: vec![id], probs: vec![1.0] })
    }

    /// A distribution over a support: `(id, weight)` in any order, weights normalised here; zero weights are dropped.
    /// Returns `None` when no weight is positive or one is not finite or negative.
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
        Some(Self(Repr::Sparse {
            ids: entries.iter().map(|e| e.0).collect(),
            probs: entries.iter().map(|e| (e.1 / sum) as f32).collect(),
        }))
    }

    /// One probability an id; the caller has normalised them.
    pub(crate) fn dense(probs: Vec<f32>) -> Self {
        Self(Repr::Dense { probs })
    }

    /// The probability of `id`; 0 outside the support.
    #[must_use]
    pub fn prob(&self, id: TokenId) -> f32 {
        match &self.0 {
            Repr::Sparse { ids, probs } => ids.binary_search(&id).map_or(0.0, |i| probs[i]),
            Repr::Dense { probs } => probs.get(id as usize).copied().unwrap_or(0.0),
        }
    }

    /// The tokens with positive probability, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, f32)> + '_ {
        let (ids, probs) = match &self.0 {
            Repr::Sparse { ids, probs } => (Some(ids), probs),
            Repr::Dense { probs } => (None, probs),
        };
        probs
            .iter()
            .enumerate()
            .filter(|(_, p)| **p > 0.0)
            .map(move |(i, &p)| (ids.map_or(i as TokenId, |ids| ids[i]), p))
    }

    /// How many tokens have positive probability, counted up to `limit`; cost is proportional to what is looked at.
    #[must_use]
    pub fn support_up_to(&self, limit: usize) -> usize {
        self.iter().take(limit).count()
    }

    /// The token at quantile `u` in `[0, 1)` of the cumulative distribution in id order.
    #[must_use]
    pub fn quantile(&self, u: f64) -> TokenId {
        let total: f64 = self.iter().map(|(_, p)| f64::from(p)).sum();
        let target = u * total;
        let mut cumulative = 0.0;
        let mut last = 0;
        for (id, p) in self.iter() {
            cumulative += f64::from(p);
            last = id;
            if cumulative > target {
                break;
            }
        }
        last
    }

    /// The most probable token and its probability; the lowest id among equals.
    #[must_use]
    pub fn mode(&self) -> (TokenId, f32) {
        self.iter().fold((0, 0.0), |best, entry| if entry.1 > best.1 { entry } else { best })
    }

    /// The residual distribution `norm(max(p - q, 0))` with `self` as `p` (Leviathan et al. 2023, Chen et al. 2023).
    /// `None` where no mass is left, that is, where `p <= q` everywhere within rounding.
    #[must_use]
    pub fn residual(&self, q: &Distribution) -> Option<Distribution> {
        Self::from_weights(self.iter().map(|(id, p)| (id, f64::from((p - q.prob(id)).max(0.0)))))
    }

    /// Total variation distance to `other`, in [0, 1]: the probability that a draft from one is rejected by the other.
    #[must_use]
    pub fn total_variation(&self, other: &Distribution) -> f64 {
        self.iter().map(|(id, p)| f64::from((p - other.prob(id)).max(0.0))).sum()
    }
}

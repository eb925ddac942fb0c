//! The order of tokens by logit, and a place in it.
//!
//! Decides who comes first: the greater logit, the lower id among equals. It leaves to [`super::cut`] where the chain
//! cuts, and to [`super::row`] how a row is searched.

use std::cmp::Ordering;

use super::TokenId;

/// A token and its logit.
pub(super) type Candidate = (TokenId, f32);

/// A place in the order of tokens by descending logit, the lower id first among equals. Tokens up to it are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) z: f32,
    /// Highest id that is kept among tokens whose logit is `z`.
    pub(super) id: TokenId,
}

impl Cut {
    /// The cut that keeps every token.
    pub(super) const NONE: Self = Self { z: f32::NEG_INFINITY, id: TokenId::MAX };

    /// Makes the cut that keeps logits of at least `z`.
    pub(super) fn at_least(z: f32) -> Self {
        Self { z, id: TokenId::MAX }
    }

    /// Tells whether a token is kept.
    #[inline(always)]
    pub(super) fn keeps(self, id: TokenId, z: f32) -> bool {
        z > self.z || (z == self.z && id <= self.id)
    }

    /// Returns the one of two cuts that keeps less.
    pub(super) fn or_higher(self, other: Self) -> Self {
        if in_order(&(self.id, self.z), &(other.id, other.z)) == Ordering::Less { self } else { other }
    }
}

/// Orders candidates descending by logit, then ascending by id. There are no NaNs here.
pub(super) fn in_order(a: &Candidate, b: &Candidate) -> Ordering {
    b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0))
}

/// Orders candidates so that the `k` first in order come first, and drops the rest. Returns the least logit that is
/// left.
pub(super) fn keep_first(candidates: &mut Vec<Candidate>, k: usize) -> f32 {
    let (_, &mut (_, z), _) = candidates.select_nth_unstable_by(k - 1, in_order);
    candidates.truncate(k);
    z
}

//! From logits to a distribution: penalties, top-k, top-p, min-p, temperature.

use super::{Distribution, SamplingError, SamplingParams, TokenId};

/// Which tokens a grammar allows, one bit an id; both models must be given the same mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u64>,
}

impl TokenMask {
    /// Allows exactly `ids`.
    #[must_use]
    pub fn allowing(vocabulary: usize, ids: impl IntoIterator<Item = TokenId>) -> Self {
        let mut words = vec![0u64; vocabulary.div_ceil(64)];
        for id in ids {
            if let Some(word) = words.get_mut(id as usize / 64) {
                *word |= 1 << (id % 64);
            }
        }
        Self { words }
    }

    /// Whether `id` is allowed.
    #[must_use]
    pub fn allows(&self, id: TokenId) -> bool {
        self.words.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

/// What a distribution depends on besides the parameters.
#[derive(Clone, Copy, Debug)]
pub struct ChainInput<'a> {
    /// Raw logits of the model, one an id of the vocabulary.
    pub logits: &'a [f32],
    /// The tokens before this position, prompt included; the penalties look at the last of them.
    pub history: &'a [TokenId],
    /// The grammar's mask, when there is one.
    pub mask: Option<&'a TokenMask>,
}

/// Buffers that live from one position to the next, so that the hot path does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    candidates: Vec<(TokenId, f32)>,
}

/// The chain with its checked parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingChain {
    params: SamplingParams,
}

impl SamplingChain {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn new(params: SamplingParams) -> Result<Self, SamplingError> {
        params.validate()?;
        Ok(Self { params })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// The distribution that the next token is drawn from.
    ///
    /// # Errors
    /// [`SamplingError::NonFiniteLogits`] for NaN or infinite logits, [`SamplingError::EmptyMask`].
    pub fn distribution(&self, input: ChainInput<'_>, scratch: &mut Scratch) -> Result<Distribution, SamplingError> {
        let candidates = &mut scratch.candidates;
        candidates.clear();
        candidates.extend(
            input
                .logits
                .iter()
                .enumerate()
                .map(|(id, &z)| (id as TokenId, z))
                .filter(|&(id, _)| input.mask.is_none_or(|m| m.allows(id))),
        );
        if candidates.is_empty() {
            return Err(SamplingError::EmptyMask);
        }
        if candidates.iter().any(|c| c.1.is_nan() || c.1 == f32::INFINITY) {
            return Err(SamplingError::NonFiniteLogits);
        }
        let p = &self.params;
        if p.has_penalties() {
            let start = input.history.len().saturating_sub(p.penalty_last_n as usize);
            let mut counts = std::collections::HashMap::new();
            for &id in &input.history[start..] {
                *counts.entry(id).or_insert(0u32) += 1;
            }
            for (id, z) in candidates.iter_mut() {
                if let Some(&n) = counts.get(id) {
                    *z = if *z <= 0.0 { *z * p.penalty_repeat } else { *z / p.penalty_repeat };
                    *z -= n as f32 * p.penalty_frequency + p.penalty_presence;
                }
            }
        }
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let max = candidates[0].1;
        if max == f32::NEG_INFINITY {
            return Err(SamplingError::NonFiniteLogits);
        }
        if p.is_greedy() {
            return Ok(Distribution::point(candidates[0].0));
        }
        if p.top_k > 0 {
            candidates.truncate(p.top_k as usize);
        }
        if p.top_p < 1.0 {
            let sum: f64 = candidates.iter().map(|c| f64::from(c.1 - max).exp()).sum();
            let mut cumulative = 0.0;
            let keep = candidates.iter().position(|c| {
                cumulative += f64::from(c.1 - max).exp() / sum;
                cumulative >= f64::from(p.top_p)
            });
            candidates.truncate(keep.map_or(candidates.len(), |i| i + 1));
        }
        if p.min_p > 0.0 {
            candidates.retain(|c| (c.1 - max).exp() >= p.min_p);
        }
        Distribution::from_weights(candidates.iter().map(|&(id, z)| (id, f64::from((z - max) / p.temperature).exp())))
            .ok_or(SamplingError::NonFiniteLogits)
    }
}

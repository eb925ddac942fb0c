//! From logits to a distribution or a draw: bias, penalties, top-n-sigma, top-k, top-p, min-p, temperature.
//!
//! Decides which tokens are kept, once for both; it leaves the search for a cut to [`super::cut`], the softmax to
//! [`super::row`] and the race of the noise to [`super::draw`].
//!
//! What top-n-sigma, top-k, top-p and min-p keep is always a prefix of the tokens ordered by logit, the lower id first
//! among equals. So each of them only moves one [`Cut`] through that order, found by partial selection; nothing is
//! sorted but the few tokens around the cut. A last pass in id order collects what lies above it.

use super::draw::{self, Winner};
use super::order::{Candidate, Cut};
use super::{Distribution, SamplingError, SamplingParams, TokenId};
use super::{deviation, mass, row};
use crate::noise::{PositionKey, TokenKeys};

/// The tokens that a grammar allows, one bit an id; both models must be given the same mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u64>,
}

impl TokenMask {
    /// Makes the mask that allows exactly `ids`.
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

    /// Makes a mask of its words, in which bit `id % 64` of word `id / 64` allows `id`.
    #[must_use]
    pub fn of_words(words: Vec<u64>) -> Self {
        Self { words }
    }

    /// Makes the mask that allows nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { words: Vec::new() }
    }

    /// Returns the number of tokens that are allowed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns the tokens that are allowed, ascending.
    pub fn ids(&self) -> impl Iterator<Item = TokenId> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        (0..).step_by(64).zip(&self.words).flat_map(move |(first, &word)| bits(word).map(move |bit| first + bit))
    }

    /// Allows or forbids a token that the mask has a bit for.
    pub fn set(&mut self, id: TokenId, allowed: bool) {
        if let Some(word) = self.words.get_mut(id as usize / 64) {
            let bit = 1 << (id % 64);
            *word = if allowed { *word | bit } else { *word & !bit };
        }
    }

    /// Puts every logit that is not allowed to `-inf`; returns whether any is allowed. Most words allow all of their
    /// tokens or none.
    fn apply(&self, logits: &mut [f32]) -> bool {
        let mut any = false;
        let mut rest = self.words.iter();
        for logits in logits.chunks_mut(64) {
            match rest.next().copied().unwrap_or(0) {
                0 => logits.fill(f32::NEG_INFINITY),
                u64::MAX => any = true,
                word => {
                    for (bit, z) in logits.iter_mut().enumerate() {
                        if word >> bit & 1 == 0 {
                            *z = f32::NEG_INFINITY;
                        } else {
                            any = true;
                        }
                    }
                }
            }
        }
        any
    }

    /// Tells whether `id` is allowed.
    #[must_use]
    pub fn allows(&self, id: TokenId) -> bool {
        self.words.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

/// The input of a distribution besides the parameters.
#[derive(Clone, Copy, Debug)]
pub struct ChainInput<'a> {
    /// Raw logits of the model, one an id of the vocabulary.
    pub logits: &'a [f32],
    /// The tokens before this position, prompt included; the penalties look at the last of them.
    pub history: &'a [TokenId],
    /// The grammar's mask, when there is one.
    pub mask: Option<&'a TokenMask>,
}

/// Buffers that live from one position to the next, so that the hot path allocates nothing but its result.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Logits after mask, bias and penalties.
    logits: Vec<f32>,
    /// The tokens that the penalties look at.
    recent: Vec<TokenId>,
    candidates: Vec<Candidate>,
}

/// The logits and the cut that the chain leaves for a distribution or a draw.
#[derive(Clone, Copy)]
struct Kept<'a> {
    /// Logits after mask and penalties, one an id.
    logits: &'a [f32],
    /// The greatest of them; finite.
    max: f32,
    /// The cut that says which of them are kept.
    cut: Cut,
}

/// The token that a draw picks, with the probability of another one where that was wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The token that the draw picks.
    pub winner: Winner,
    /// Probability of the scored token; `None` where none was named.
    pub p: Option<f32>,
}

/// The chain with its checked parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingChain {
    params: SamplingParams,
}

impl SamplingChain {
    /// Makes the chain of these parameters, which it checks.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn new(params: SamplingParams) -> Result<Self, SamplingError> {
        params.validate()?;
        Ok(Self { params })
    }

    /// Returns the parameters.
    #[must_use]
    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// Returns the distribution that the next token is drawn from. Costs a few passes over the logits, whatever the
    /// parameters.
    ///
    /// # Errors
    /// [`SamplingError::NonFiniteLogits`] for NaN or infinite logits, [`SamplingError::EmptyLogits`],
    /// [`SamplingError::EmptyMask`].
    pub fn distribution(&self, input: ChainInput<'_>, scratch: &mut Scratch) -> Result<Distribution, SamplingError> {
        let Kept { logits, max, cut } = self.kept(input, scratch)?;
        if self.params.is_greedy() {
            return row::first_of(logits, max).map(Distribution::point).ok_or(SamplingError::NonFiniteLogits);
        }
        Ok(match cut {
            Cut::NONE => row::softmax(logits, max, self.params.temperature),
            cut => row::softmax_above(logits, max, self.params.temperature, cut),
        })
    }

    /// Draws the next token with shared noise: the one with the greatest `z / T + G` among those that the chain keeps,
    /// the lowest id among equals. `keys` are those of the model's vocabulary, `position` is where the token will
    /// stand.
    ///
    /// The draw has the law of [`Self::distribution`], from the same kept tokens, and it is the same on every processor
    /// for equal logits. (What the distribution leaves out as too improbable, weights below `2^-126` of the greatest,
    /// is 87 below it in score and cannot win, as the noise has a range of 40.4.) At temperature 0 the most probable
    /// token wins, the lowest id among equals, and the noise plays no part.
    ///
    /// # Errors
    /// As [`Self::distribution`]; [`SamplingError::VocabularyMismatch`] where `keys` has another length than the
    /// logits.
    pub fn winner(
        &self,
        input: ChainInput<'_>,
        scratch: &mut Scratch,
        keys: &TokenKeys,
        position: PositionKey,
    ) -> Result<Winner, SamplingError> {
        self.score(input, scratch, keys, position, None).map(|scored| scored.winner)
    }

    /// Draws as [`Self::winner`] does, and returns with it the probability of the token `scored` in
    /// [`Self::distribution`], which is summed up and not built. (The two agree within rounding, not to the bit.)
    ///
    /// # Errors
    /// As [`Self::winner`].
    pub fn score(
        &self,
        input: ChainInput<'_>,
        scratch: &mut Scratch,
        keys: &TokenKeys,
        position: PositionKey,
        scored: Option<TokenId>,
    ) -> Result<Scored, SamplingError> {
        if keys.len() != input.logits.len() && !input.logits.is_empty() {
            return Err(SamplingError::VocabularyMismatch { logits: input.logits.len(), keys: keys.len() });
        }
        let kept = self.kept(input, scratch)?;
        let Kept { logits, max, cut } = kept;
        let winner = if self.params.is_greedy() {
            draw::greedy(logits, max)
        } else {
            draw::noisy(logits, cut, self.params.temperature, keys, position)
        };
        let winner = winner.ok_or(SamplingError::NonFiniteLogits)?;
        Ok(Scored { winner, p: scored.map(|id| self.probability(&kept, winner, id)) })
    }

    /// Returns the probability of a token in the distribution that is left of `kept`.
    fn probability(&self, kept: &Kept<'_>, winner: Winner, id: TokenId) -> f32 {
        let Kept { logits, max, cut } = *kept;
        let Some(&z) = logits.get(id as usize) else { return 0.0 };
        if self.params.is_greedy() {
            return if id == winner.id { 1.0 } else { 0.0 };
        }
        if !cut.keeps(id, z) {
            return 0.0;
        }
        let temperature = self.params.temperature;
        (mass::weight(z, max, temperature) / mass::mass(logits, max, temperature, cut)) as f32
    }

    /// Returns the logits after mask and penalties, and which of them the chain keeps.
    fn kept<'a>(&self, input: ChainInput<'a>, scratch: &'a mut Scratch) -> Result<Kept<'a>, SamplingError> {
        if input.logits.is_empty() {
            return Err(SamplingError::EmptyLogits);
        }
        let Scratch { logits: changed, recent, candidates } = scratch;
        let has_bias = !self.params.logit_bias.is_empty();
        let logits = if input.mask.is_some() || has_bias || self.params.has_penalties() {
            changed.clear();
            changed.extend_from_slice(input.logits);
            if input.mask.is_some_and(|mask| !mask.apply(changed)) {
                return Err(SamplingError::EmptyMask);
            }
            for token in &self.params.logit_bias {
                if let Some(z) = changed.get_mut(token.id as usize) {
                    *z += token.bias;
                }
            }
            self.penalise(changed, input.history, recent);
            changed.as_slice()
        } else {
            input.logits
        };
        let max = row::greatest(logits).ok_or(SamplingError::NonFiniteLogits)?;
        // The greatest is always kept, so nothing needs to be cut to find it.
        let cut = if self.params.is_greedy() { Cut::NONE } else { self.cut(logits, max, candidates) };
        Ok(Kept { logits, max, cut })
    }

    /// Applies the penalties of llama.cpp: the logit is divided (below 0: multiplied) by the repeat penalty, then
    /// lowered by the frequency penalty times the occurrences and by the presence penalty.
    fn penalise(&self, logits: &mut [f32], history: &[TokenId], recent: &mut Vec<TokenId>) {
        let p = &self.params;
        if !p.has_penalties() {
            return;
        }
        recent.clear();
        recent.extend_from_slice(&history[history.len().saturating_sub(p.penalty_last_n as usize)..]);
        recent.sort_unstable();
        for same in recent.chunk_by(|a, b| a == b) {
            if let Some(z) = logits.get_mut(same[0] as usize) {
                *z = if *z <= 0.0 { *z * p.penalty_repeat } else { *z / p.penalty_repeat };
                *z -= same.len() as f32 * p.penalty_frequency + p.penalty_presence;
            }
        }
    }

    /// Returns the place at which top-n-sigma, top-k, top-p and min-p, in this order, cut the tokens off. The
    /// arithmetic has the same bits on every processor: a token at the border must not be kept on one side of the wire
    /// only.
    fn cut(&self, logits: &[f32], max: f32, candidates: &mut Vec<Candidate>) -> Cut {
        let p = &self.params;
        let (k, top_p) = (p.top_k as usize, f64::from(p.top_p));
        let mut cut = Cut::NONE;
        let near = (p.top_n_sigma > 0.0).then(|| Cut::at_least(deviation::bound(logits, max, p.top_n_sigma)));
        if let Some(near) = near {
            cut = near;
            if k > 0 && k < logits.len() {
                cut = cut.or_higher(Cut::top_k(logits, k, candidates));
                candidates.retain(|&(id, z)| near.keeps(id, z));
            } else if p.top_p < 1.0 {
                row::above(logits, near.z.next_down(), usize::MAX, candidates);
            }
            if p.top_p < 1.0 {
                cut = Cut::top_p_of(candidates, max, top_p);
            }
        } else if k > 0 && k < logits.len() {
            cut = Cut::top_k(logits, k, candidates);
            if p.top_p < 1.0 {
                cut = Cut::top_p_of(candidates, max, top_p);
            }
        } else if p.top_p < 1.0 {
            cut = Cut::top_p(logits, max, top_p, candidates);
        }
        if p.min_p > 0.0 { cut.or_higher(Cut::at_least(max + depth(p.min_p))) } else { cut }
    }
}

/// Returns the distance below the greatest logit within which min-p keeps tokens, as a number of at most 0: the
/// logarithm of `min_p`, with the same bits on every processor.
pub(super) fn depth(min_p: f32) -> f32 {
    libm::log(f64::from(min_p)) as f32
}

#[cfg(test)]
mod tests;

//! The draw from a part of a row: what an engine behind HTTP tells of its distribution.
//!
//! Decides whether that part is enough to know the token that the whole row would have given, and which token that is.
//! It never guesses: where the part leaves a doubt, there is no token. What is asked for next is the gateway's.
//!
//! # Why a part is enough
//! The noise of every token is known, and an engine that lists its `N` most probable tokens bounds the probability of
//! all others by that of the `N`-th. Scores need no normalisation: a logarithm of a probability is a logit but for a
//! constant that all tokens share. So a listed token that the chain keeps for sure wins if no listed token that the
//! chain might keep as well has a greater score, and if none of the others can reach it, even if the one with the
//! greatest noise were as probable as the `N`-th (or if the chain keeps none of the others). Nothing here looks at a
//! drafted token.

use super::cut::weight;
use super::order::{Candidate, in_order};
use super::{SamplingChain, TokenId, TokenMask};
use crate::noise::{PositionKey, TokenKeys};

/// Amount by which the probabilities of an engine may add up to more than 1, and by which what it leaves out may weigh
/// more than is missing from 1: it adds in single precision.
const ROUNDING: f64 = 1e-4;
/// Part of a score by which a bound is raised against rounding: `2^-40`.
const SLACK: f64 = 1.0 / 1_099_511_627_776.0;

/// The part of a row that an engine has told.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRow {
    /// Tokens and the natural logarithms of their probabilities, ascending by id.
    listed: Vec<(TokenId, f32)>,
    /// Greatest logarithm that a token has which is not listed; `-inf` where all are.
    bound: f32,
    /// Probability of all tokens together that are not listed, at most.
    rest: f64,
    /// Tokens that may be drawn; `None` where all may.
    allowed: Option<TokenMask>,
}

/// The reason why a list is no part of a row.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PartialRowError {
    /// Nothing is listed, or nothing but rows that stand for no token.
    #[error("no token is listed")]
    Empty,
    /// A token is listed twice.
    #[error("token {id} is listed twice")]
    Twice {
        /// Id of the token.
        id: TokenId,
    },
    /// A number is no logarithm of a probability.
    #[error("{value} for token {id} is no logarithm of a probability")]
    NoLogarithm {
        /// Id of the token.
        id: TokenId,
        /// The number.
        value: f32,
    },
    /// The probabilities add up to more than 1.
    #[error("the probabilities add up to {sum}")]
    AboveOne {
        /// Sum of the listed probabilities.
        sum: f64,
    },
}

/// The reason why a part of a row gives no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncertain {
    /// Another token than the listed ones might win, or whether the chain keeps the winner depends on what is not
    /// listed. A longer list settles it.
    #[error("the listed tokens leave a doubt about the winner")]
    Unlisted,
    /// The chain has a repeat penalty, which goes by the sign of logits: a constant that all logits share, and that
    /// probabilities do not tell, would change it.
    #[error("a repeat penalty needs logits, and probabilities are known")]
    RepeatPenalty,
    /// The chain raises or lowers logits, or goes by how far all of them are spread: what is not listed counts.
    #[error("a logit bias and top-n-sigma need the whole row, and a part of it is known")]
    WholeRow,
}

impl PartialRow {
    /// Makes a row of the tokens that an engine has listed, in any order, with the natural logarithms of their
    /// probabilities. `bound` is the greatest logarithm that a token has which is not listed, `-inf` where all are.
    /// Listed ids for which `is_token` is false stand for no token and are never drawn.
    ///
    /// # Errors
    /// [`PartialRowError`].
    pub fn new(
        listed: impl IntoIterator<Item = (TokenId, f32)>,
        bound: f32,
        is_token: impl Fn(TokenId) -> bool,
    ) -> Result<Self, PartialRowError> {
        let mut listed: Vec<_> = listed.into_iter().collect();
        listed.sort_unstable_by_key(|entry| entry.0);
        if let Some(pair) = listed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(PartialRowError::Twice { id: pair[0].0 });
        }
        let is_logarithm = |value: f32| f64::from(value) <= ROUNDING;
        if let Some(&(id, value)) = listed.iter().find(|entry| !is_logarithm(entry.1)) {
            return Err(PartialRowError::NoLogarithm { id, value });
        }
        let sum: f64 = listed.iter().map(|entry| f64::from(entry.1).exp()).sum();
        if sum > 1.0 + ROUNDING {
            return Err(PartialRowError::AboveOne { sum });
        }
        listed.retain(|entry| is_token(entry.0) && entry.1 > f32::NEG_INFINITY);
        if listed.is_empty() || bound.is_nan() {
            return Err(PartialRowError::Empty);
        }
        let rest = if bound == f32::NEG_INFINITY { 0.0 } else { (1.0 - sum).max(0.0) + ROUNDING };
        Ok(Self { listed, bound, rest, allowed: None })
    }

    /// Returns the part of the row that a mask leaves; `None` where no listed token is allowed and others may be. What
    /// is not listed stays as probable as it may be, unless all allowed tokens are listed.
    #[must_use]
    pub fn masked(&self, mask: &TokenMask) -> Option<Self> {
        let listed: Vec<_> = self.listed.iter().copied().filter(|entry| mask.allows(entry.0)).collect();
        let is_whole = self.is_whole() || listed.len() == mask.count();
        let (bound, rest) = if is_whole { (f32::NEG_INFINITY, 0.0) } else { (self.bound, self.rest) };
        (!listed.is_empty()).then(|| Self { listed, bound, rest, allowed: Some(mask.clone()) })
    }

    /// Returns the listed tokens with the logarithms of their probabilities, ascending by id.
    #[must_use]
    pub fn listed(&self) -> &[(TokenId, f32)] {
        &self.listed
    }

    /// Returns the greatest noise of a token that may be drawn and is not listed; `None` where there is none.
    fn greatest_unlisted(&self, keys: &TokenKeys, position: PositionKey) -> Option<f64> {
        let mut passed_over: Vec<TokenId> = self.listed.iter().map(|entry| entry.0).collect();
        match &self.allowed {
            // The few that may be drawn are looked at one by one, which costs more a token than a pass over all.
            Some(mask) if mask.count() < keys.len() / 2 => {
                let is_listed = |id: &TokenId| passed_over.binary_search(id).is_ok();
                let keys = mask.ids().filter(|id| !is_listed(id)).filter_map(|id| keys.get(id));
                return keys.map(|key| position.noise(key)).max_by(f64::total_cmp);
            }
            Some(mask) => passed_over.extend((0..keys.len() as TokenId).filter(|&id| !mask.allows(id))),
            None => {}
        }
        keys.greatest_outside(position, &passed_over).map(|(_, noise)| noise)
    }

    /// Tells whether every token that can be drawn is listed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bound == f32::NEG_INFINITY
    }
}

/// The listed tokens that the chain may keep, and what is known of the others.
struct Field {
    /// Tokens in order, the most probable first, with what the penalties leave of their logarithms.
    tokens: Vec<Candidate>,
    /// Number of tokens at the front that no token which is not listed comes before, and that the chain keeps for sure.
    sure: usize,
    /// Greatest logarithm of a token that is not listed and may be kept; `None` where none may.
    others: Option<f32>,
}

impl SamplingChain {
    /// Returns the token that [`Self::winner`] gives for the whole row of which `row` is a part, whose logits are the
    /// logarithms of its probabilities. `history` are the tokens before this position, `keys` those of the model's
    /// vocabulary, `position` is where the token will stand.
    ///
    /// # Errors
    /// [`Uncertain`], where the part does not tell.
    pub fn certain_winner(
        &self,
        row: &PartialRow,
        history: &[TokenId],
        keys: &TokenKeys,
        position: PositionKey,
    ) -> Result<TokenId, Uncertain> {
        let field = self.penalised(row, history)?;
        if self.params().is_greedy() {
            let first = field.tokens.first().filter(|_| field.sure > 0);
            return first.map(|token| token.0).ok_or(Uncertain::Unlisted);
        }
        let Field { tokens, sure, others } = self.narrowed(field, row, keys.len());
        let scale = 1.0 / f64::from(self.params().temperature);
        let score = |&(id, z): &Candidate| {
            keys.get(id).map_or(f64::NEG_INFINITY, |key| f64::from(z) * scale + position.noise(key))
        };
        let mut best: Option<(TokenId, f64)> = None;
        for token in &tokens[..sure] {
            let score = score(token);
            let leads = |(id, greatest): (TokenId, f64)| score > greatest || (score == greatest && token.0 < id);
            if best.is_none_or(leads) {
                best = Some((token.0, score));
            }
        }
        let Some((winner, greatest)) = best else { return Err(Uncertain::Unlisted) };
        if tokens[sure..].iter().any(|token| score(token) >= greatest) {
            return Err(Uncertain::Unlisted);
        }
        if let Some(bound) = others {
            let scaled = f64::from(bound) * scale;
            let reach = row.greatest_unlisted(keys, position).map(|noise| scaled + noise);
            if reach.is_some_and(|reach| reach + SLACK * (scaled.abs() + greatest.abs()) >= greatest) {
                return Err(Uncertain::Unlisted);
            }
        }
        Ok(winner)
    }

    /// Applies the penalties and puts the tokens in order.
    fn penalised(&self, row: &PartialRow, history: &[TokenId]) -> Result<Field, Uncertain> {
        let p = self.params();
        let (mut tokens, mut bound) = (row.listed.clone(), row.bound);
        if p.is_wide() {
            return Err(Uncertain::WholeRow);
        }
        if p.has_penalties() {
            if p.penalty_repeat != 1.0 {
                return Err(Uncertain::RepeatPenalty);
            }
            let mut recent = history[history.len().saturating_sub(p.penalty_last_n as usize)..].to_vec();
            recent.sort_unstable();
            let mut raised = 0.0_f32;
            for same in recent.chunk_by(|a, b| a == b) {
                let penalty = same.len() as f32 * p.penalty_frequency + p.penalty_presence;
                match tokens.binary_search_by_key(&same[0], |token| token.0) {
                    Ok(at) => tokens[at].1 -= penalty,
                    Err(_) => raised = raised.max(-penalty),
                }
            }
            if raised > 0.0 {
                bound = (bound + raised).next_up();
            }
        }
        tokens.sort_unstable_by(in_order);
        let sure = tokens.iter().take_while(|token| row.is_whole() || token.1 > bound).count();
        Ok(Field { tokens, sure, others: (!row.is_whole()).then_some(bound) })
    }

    /// Applies the cuts: removes what the chain keeps in no case, and takes from the sure ones what it may cut.
    fn narrowed(&self, field: Field, row: &PartialRow, vocabulary: usize) -> Field {
        let p = self.params();
        let Field { mut tokens, mut sure, mut others } = field;
        let k = p.top_k as usize;
        if k > 0 && k < vocabulary {
            // Of the listed ones no more than `k` are kept, whatever comes between them.
            tokens.truncate(k);
            if sure >= k {
                (sure, others) = (k, None);
            }
        }
        let Some(max) = tokens.first().map(|token| token.1).filter(|_| sure > 0) else {
            return Field { tokens, sure: 0, others };
        };
        if p.top_p < 1.0 {
            let weights: Vec<f64> = tokens.iter().map(|token| weight(token.1, max)).collect();
            let known: f64 = weights.iter().sum();
            // The sum that the part is taken of lies between these two.
            let (least, most) = match others {
                None => (known, known),
                Some(bound) => {
                    let raised = f64::from(bound) - f64::from(row.bound);
                    (weights[..sure].iter().sum(), known + row.rest * (raised - f64::from(max)).exp())
                }
            };
            let (least, most) = (f64::from(p.top_p) * least, f64::from(p.top_p) * most);
            // Whatever is not listed comes after the sure ones.
            let before_others: f64 = weights[..sure].iter().sum();
            others = others.filter(|_| before_others < most);
            // A token is kept as long as those before it do not reach the part.
            let (mut before, mut kept, mut possible) = (0.0, 0, 0);
            for (i, weight) in weights.iter().enumerate() {
                if before >= most {
                    break;
                }
                possible = i + 1;
                if i < sure && before < least {
                    kept = i + 1;
                }
                before += weight;
            }
            tokens.truncate(possible);
            sure = kept;
        }
        if p.min_p > 0.0 {
            let least = max + super::chain::depth(p.min_p);
            tokens.retain(|token| token.1 >= least);
            sure = sure.min(tokens.len());
            others = others.filter(|bound| *bound >= least);
        }
        Field { tokens, sure, others }
    }
}

#[cfg(test)]
mod tests;

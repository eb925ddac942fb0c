//! A question for rows, and the rows that an answer gives.
//!
//! Decides what an answer must hold to be one: as many tokens as were asked for, ids that are tokens, and numbers that
//! are probabilities.

use std::ops::Range;
use std::sync::Arc;

use uhlm_law::sampling::PartialRow;
pub use uhlm_law::sampling::TokenId;

use crate::error::InvalidAnswer;

/// A token that an engine has listed, with the natural logarithm of its probability.
pub type Token = (TokenId, f32);

/// Probability above which a listed id has to be a token: a model gives none to rows that stand for nothing.
const WEIGHTY: f32 = -4.6;
/// Amount by which a token that was asked for by name may seem more probable than the least of the listed ones.
const ROUNDING: f32 = 1e-3;

/// The ids that are tokens.
#[derive(Clone, Debug)]
pub struct TokenSet {
    is_token: Arc<[bool]>,
    count: usize,
}

impl TokenSet {
    /// Makes the set of a vocabulary of `size` ids, of which those are tokens for which `is_token` is true.
    pub fn new(size: usize, is_token: impl Fn(TokenId) -> bool) -> Self {
        let is_token: Arc<[bool]> = (0..size as TokenId).map(is_token).collect();
        let count = is_token.iter().filter(|is_token| **is_token).count();
        Self { is_token, count }
    }

    /// Tells whether an id is a token.
    #[must_use]
    pub fn contains(&self, id: TokenId) -> bool {
        self.is_token.get(id as usize).copied().unwrap_or(false)
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Tells whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A question for rows. Asking twice gives the same rows, but for rounding.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The text, as far as the last row needs it.
    pub tokens: Arc<[TokenId]>,
    /// Places of the rows: the row of place `i` is the distribution of the token that follows the first `i` tokens.
    /// From 1 up to the number of tokens.
    pub rows: Range<usize>,
    /// Number of most probable tokens that each row is to list.
    pub top: usize,
    /// Tokens that each row is to list as well, where the engine can be asked for tokens by name.
    pub named: Vec<TokenId>,
    /// Number by which the session finds the same engine again.
    pub session: u64,
    /// Secret of the session's owner, by which an engine keeps prefix caches of owners apart, where it can.
    pub salt: String,
    /// Whether the engine has seen the text before, but for a few tokens: its time is then that of a row.
    pub is_warm: bool,
}

impl Ask {
    /// Returns the tokens before the row of place `at`.
    pub(crate) fn before(&self, at: usize) -> &[TokenId] {
        &self.tokens[..at.min(self.tokens.len())]
    }

    /// Makes a row of the tokens that an engine has listed, and of those that it was asked for by name.
    pub(crate) fn row(
        &self,
        mut listed: Vec<Token>,
        named: impl IntoIterator<Item = Token>,
        tokens: &TokenSet,
    ) -> Result<PartialRow, InvalidAnswer> {
        if let Some(&(id, _)) = listed.iter().find(|(id, value)| *value > WEIGHTY && !tokens.contains(*id)) {
            return Err(InvalidAnswer::NoToken { id });
        }
        let known = listed.iter().filter(|(id, _)| tokens.contains(*id)).count();
        let is_whole = known == tokens.len();
        if listed.len() < self.top && !is_whole {
            return Err(InvalidAnswer::TooFew { listed: listed.len(), asked: self.top });
        }
        let bound = if is_whole || self.top == 0 {
            f32::NEG_INFINITY
        } else {
            // An engine may list the token that it has drawn beside the most probable ones.
            let mut values: Vec<f32> = listed.iter().map(|(_, value)| *value).collect();
            let (_, bound, _) = values.select_nth_unstable_by(self.top - 1, |a, b| b.total_cmp(a));
            *bound
        };
        let mut ids: Vec<TokenId> = listed.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        for (id, value) in named {
            if ids.binary_search(&id).is_err() {
                if !is_whole && value > bound + ROUNDING {
                    return Err(InvalidAnswer::Contradiction { id });
                }
                listed.push((id, value));
            }
        }
        // Numbers that stand for a probability of 0.
        listed.iter_mut().filter(|(_, value)| *value < -1e4).for_each(|(_, value)| *value = f32::NEG_INFINITY);
        Ok(PartialRow::new(listed, bound.max(if is_whole { f32::NEG_INFINITY } else { -1e4 }), |id| {
            tokens.contains(id)
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(top: usize) -> Ask {
        let tokens: Arc<[TokenId]> = [1, 2].into();
        Ask { tokens, rows: 2..3, top, named: Vec::new(), session: 0, salt: String::new(), is_warm: false }
    }

    fn tokens() -> TokenSet {
        TokenSet::new(6, |id| id != 4)
    }

    #[test]
    fn the_bound_is_the_least_of_as_many_as_were_asked_for_whatever_is_listed_beside_them() {
        let listed = vec![(3, -9.0), (0, -1.0), (1, -2.0)];
        let row = ask(2).row(listed, [(5, -4.0), (0, -1.0)], &tokens()).expect("a row");
        assert_eq!(row.listed(), [(0, -1.0), (1, -2.0), (3, -9.0), (5, -4.0)]);
        let bound = PartialRow::new([(0, -1.0), (1, -2.0), (3, -9.0), (5, -4.0)], -2.0, |_| true);
        assert_eq!(Ok(row), bound);
    }

    #[test]
    fn a_list_of_all_tokens_is_whole_and_shorter_than_was_asked_for() {
        let all = vec![(0, -1.0), (1, -2.0), (2, -3.0), (3, -3.0), (5, f32::MIN)];
        assert!(ask(100).row(all, [], &tokens()).expect("a row").is_whole());
        let short = ask(3).row(vec![(0, -1.0), (1, -2.0)], [], &tokens());
        assert_eq!(short, Err(InvalidAnswer::TooFew { listed: 2, asked: 3 }));
    }

    #[test]
    fn what_cannot_be_a_row_of_the_target_is_refused() {
        let of = |listed: Vec<Token>, named: Vec<Token>| ask(2).row(listed, named, &tokens()).err();
        assert_eq!(of(vec![(4, -0.5), (0, -1.0)], vec![]), Some(InvalidAnswer::NoToken { id: 4 }));
        assert_eq!(of(vec![(99, -0.5), (0, -1.0)], vec![]), Some(InvalidAnswer::NoToken { id: 99 }));
        assert_eq!(of(vec![(99, -12.0), (0, -1.0), (1, -2.0)], vec![]), None, "a row of the model without a token");
        assert_eq!(of(vec![(0, -1.0), (1, -3.0)], vec![(2, -2.0)]), Some(InvalidAnswer::Contradiction { id: 2 }));
        assert!(matches!(of(vec![(0, -0.1), (1, -0.1)], vec![]), Some(InvalidAnswer::Row(_))));
    }
}

//! What the draft model has drawn, in the tokens of the target.
//!
//! The target's tokens of a text can change with what follows: " the" and "ory" may be one token. So tokens that were
//! proposed and not sent yet are looked at once more, as far as the word that they belong to, and replaced where the
//! tokenizer now has others. The last token is proposed like the rest: holding it back would cost a step of lead, and
//! whoever sends it early loses nothing but the tokens after it.

use super::units::{self, Run};
use super::{Bridge, spelling};
use crate::token::TokenId;

/// Largest number of tokens that are looked at once more.
const MAX_REVISED: usize = 8;

/// Tokens that are proposed from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal<S> {
    /// Number of tokens proposed before, at the end of the conversation, whose place these take.
    pub replaces: usize,
    /// Tokens of the target, in order.
    pub tokens: Vec<Proposed<S>>,
}

/// A token of the target that is proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed<S> {
    /// The token.
    pub id: TokenId,
    /// Facts about the draws of the draft model's tokens that begin in it, in order; where none does, about the one
    /// that it continues.
    pub draws: Vec<S>,
    /// Whether it only continues the text of a token whose beginning is in the one before.
    pub continues: bool,
}

impl<S: Copy> Bridge<S> {
    /// Returns the tokens to propose after the conversation that was [followed](Self::follow) last, given that its last
    /// `unsent` tokens were proposed and nobody has heard of them. A character that is not whole yet waits for its
    /// rest.
    pub fn propose(&mut self, unsent: usize) -> Proposal<S> {
        let ids = self.written.ids();
        let revised = self.revised(unsent);
        let kept = ids.len() - revised;
        let mut end = self.written.start(kept);
        let mut spelled: Vec<(TokenId, usize)> = Vec::new();
        let pending = self.mirrored.get(end..).unwrap_or_default();
        let runs = units::runs(pending);
        let last = runs.len().saturating_sub(1);
        for (place, run) in runs.into_iter().enumerate() {
            match run {
                Run::Mark(mark) => spelled.push((mark, 1)),
                Run::Bytes(bytes) => {
                    // A character that a mark cuts off is never whole.
                    let whole = if place == last { units::whole(&bytes) } else { bytes.len() };
                    let tokens = self.target.spell(&bytes[..whole]);
                    let is_all = spelling::length(&tokens) == whole;
                    spelled.extend(tokens);
                    if !is_all {
                        self.is_stuck = true;
                        break;
                    }
                }
            }
        }
        let before = ids[kept..].iter().zip(&spelled).take_while(|(id, (new, _))| *id == new).count();
        let is_all = end + spelling::length(&spelled) >= self.written.units().len();
        if !is_all || before == spelled.len() {
            return Proposal { replaces: 0, tokens: Vec::new() };
        }
        let replaces = revised - before;
        let mut tokens = Vec::with_capacity(spelled.len() - before);
        for (place, (id, length)) in spelled.into_iter().enumerate() {
            if place >= before {
                tokens.push(self.covered(id, end, end + length));
            }
            end += length;
        }
        self.proposed += tokens.len().saturating_sub(replaces) as u64;
        Proposal { replaces, tokens }
    }

    /// Returns how many of the last `unsent` tokens belong to a word that may go on.
    fn revised(&self, unsent: usize) -> usize {
        let (ids, units) = (self.written.ids(), self.written.units());
        let most = unsent.min(ids.len()).min(MAX_REVISED);
        let mut revised = 0;
        while revised < most {
            let token = ids.len() - revised - 1;
            let first = units[self.written.start(token)];
            if first.is_mark() {
                break;
            }
            revised += 1;
            if first.begins_word() {
                break;
            }
        }
        revised
    }

    /// Makes the proposal of a token that stands for the units from `start` to `end`.
    fn covered(&self, id: TokenId, start: usize, end: usize) -> Proposed<S> {
        let begins = |span: usize| span.checked_sub(1).map_or(0, |before| self.spans[before].end);
        let first = self.spans.partition_point(|span| span.end <= start);
        let inside = (first..self.spans.len()).take_while(|&span| begins(span) < end);
        let (mut draws, mut continued) = (Vec::new(), None);
        for span in inside {
            match (self.spans[span].drawn, begins(span) >= start) {
                (Some(seen), true) => draws.push(seen),
                (seen, false) => continued = seen,
                (None, true) => {}
            }
        }
        let continues = draws.is_empty();
        if continues {
            draws.extend(continued);
        }
        Proposed { id, draws, continues }
    }
}

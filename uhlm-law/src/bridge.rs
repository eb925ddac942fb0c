//! The bridge between two vocabularies: a draft model proposes, in text, for a target that has other tokens.
//!
//! The conversation's tokens are the target's. The draft model reads the same text in its own tokens and draws its own;
//! what it has drawn is proposed in the target's tokens. Exactness does not rest on any of this: a proposal that is
//! wrong is rejected like every other one.
//!
//! Decides which tokens of one vocabulary stand for those of the other, and which of them are proposed when. It leaves
//! to its caller the draws, and what a token that was drawn means for the gate.
//!
//! # Units
//! The text of a reply is a sequence of [`Unit`]s: bytes, and marks without text, such as the end of a turn. Each side
//! is a way to cut the same units into tokens. A mark is known by the target's id; the draft model's ends mean the
//! target's end of turn, and another mark means the token of the same name.
//!
//! # Noise
//! A place is counted in bytes and a token is known by its text ([`noise`](crate::noise)). So the draft model draws at
//! [`Bridge::place`], and where both vocabularies have a token for the text there, both sides give it the same noise.

mod proposal;
mod spelling;
mod units;

use std::sync::Arc;

use crate::model::{LanguageModel, Special};
use crate::noise::Place;
use crate::token::TokenId;

pub use proposal::{Proposal, Proposed};
pub use spelling::Spelling;
use units::Written;
pub use units::{Unit, agreement};

/// Largest number of tokens of a word that are spelled anew when it goes on.
const MAX_WORD: usize = 8;

/// A token of the draft model's side of a reply.
#[derive(Clone, Copy, Debug)]
struct Span<S> {
    /// Number of units up to its end.
    end: usize,
    /// Facts about the draw; `None` for a token that was read and not drawn.
    drawn: Option<S>,
}

/// A reply in two vocabularies. `S` is what its owner knows of a token that the draft model drew.
pub struct Bridge<S> {
    draft: Spelling,
    target: Spelling,
    /// Token that ends a turn of the target.
    target_end: Option<TokenId>,
    /// The prompt and the reply in the draft model's tokens.
    tokens: Vec<TokenId>,
    /// Number of the prompt's tokens, in each vocabulary.
    draft_prompt: usize,
    target_prompt: usize,
    /// The reply as the target's tokens have it: what is committed, and what was proposed after it.
    written: Written,
    /// The reply as the draft model's tokens have it, what it has drawn beyond `written` included.
    mirrored: Vec<Unit>,
    /// Tokens that stand for `mirrored`.
    spans: Vec<Span<S>>,
    /// Number of units whose tokens are final: behind them are the parts of a character that is not whole.
    settled: usize,
    /// Whether what the draft model draws next, or drew last, cannot be told to the target.
    is_stuck: bool,
    /// Numbers of tokens that were drawn, and proposed without taking back others.
    drawn: u64,
    proposed: u64,
}

impl<S> std::fmt::Debug for Bridge<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (written, tokens) = (self.written.ids().len(), self.tokens.len());
        f.debug_struct("Bridge").field("written", &written).field("tokens", &tokens).finish_non_exhaustive()
    }
}

impl<S: Copy> Bridge<S> {
    /// Makes the bridge from a draft model's language to that of a target. Looks at every token of both.
    #[must_use]
    pub fn new(draft: Arc<dyn LanguageModel>, target: Arc<dyn LanguageModel>) -> Self {
        let target_end = target.vocabulary().ends().first().copied();
        Self {
            draft: Spelling::new(draft),
            target: Spelling::new(target),
            target_end,
            tokens: Vec::new(),
            draft_prompt: 0,
            target_prompt: 0,
            written: Written::default(),
            mirrored: Vec::new(),
            spans: Vec::new(),
            settled: 0,
            is_stuck: false,
            drawn: 0,
            proposed: 0,
        }
    }

    /// Returns the target's language.
    #[must_use]
    pub fn target(&self) -> &Arc<dyn LanguageModel> {
        self.target.language()
    }

    /// Begins a reply to a prompt that has `target_prompt` of the target's tokens, and is `draft_prompt` to the draft
    /// model.
    pub fn begin(&mut self, target_prompt: usize, draft_prompt: Vec<TokenId>) {
        self.target_prompt = target_prompt;
        self.draft_prompt = draft_prompt.len();
        self.tokens = draft_prompt;
        self.written.clear();
        self.mirrored.clear();
        self.spans.clear();
        self.settled = 0;
        self.is_stuck = false;
    }

    /// Takes the conversation in the target's tokens, the prompt's included, and returns it in those of the draft
    /// model. Tokens that stand for the same text stay as they are, so that what the draft model holds of them stays
    /// good; what it has drawn beyond the text stays where it continues it.
    pub fn follow(&mut self, conversation: &[TokenId]) -> &[TokenId] {
        let reply = conversation.get(self.target_prompt..).unwrap_or_default();
        self.written.take(reply, self.target.language().vocabulary());
        let units = self.written.units();
        let common = agreement(units, &self.mirrored);
        if common < units.len() {
            self.cut(self.word(common.min(self.settled)));
            self.extend();
        }
        &self.tokens
    }

    /// Returns the draft model's tokens as [`Self::follow`] left them, with those that were drawn since.
    #[must_use]
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Returns the number of tokens that the conversation has for the target, as [`Self::follow`] was told last.
    #[must_use]
    pub fn target_tokens(&self) -> usize {
        self.target_prompt + self.written.ids().len()
    }

    /// Returns the place of the token that the draft model draws next.
    #[must_use]
    pub fn place(&self) -> Place {
        units::place(&self.mirrored)
    }

    /// Tells whether drawing on makes no sense until the target has written on: what the draft model says next cannot
    /// be told to the target.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Gives up drawing until the text has become another.
    pub fn give_up(&mut self) {
        self.is_stuck = true;
    }

    /// Returns the number of tokens that were drawn for each one that was proposed; 1 before the first.
    #[must_use]
    pub fn draws_a_token(&self) -> f64 {
        if self.drawn == 0 || self.proposed == 0 { 1.0 } else { self.drawn as f64 / self.proposed as f64 }
    }

    /// Takes the token that the draft model drew after [`Self::tokens`].
    pub fn drew(&mut self, id: TokenId, seen: S) {
        let vocabulary = self.draft.language().vocabulary();
        let piece = vocabulary.piece(id);
        if !piece.is_empty() {
            self.mirrored.extend(piece.iter().copied().map(Unit::from));
        } else if let Some(mark) = self.mark_of(id) {
            self.mirrored.push(Unit::mark(mark));
        } else {
            self.is_stuck = true;
            return;
        }
        self.drawn += 1;
        self.tokens.push(id);
        self.spans.push(Span { end: self.mirrored.len(), drawn: Some(seen) });
        self.settled = self.mirrored.len();
    }

    /// Returns the target's token for a token of the draft model that has no text.
    fn mark_of(&self, id: TokenId) -> Option<TokenId> {
        let (draft, target) = (self.draft.language(), self.target.language());
        if draft.vocabulary().is_end(id) {
            return self.target_end;
        }
        let name = String::from_utf8(draft.detokenize(&[id])).ok()?;
        match target.tokenize(&name, Special::Parse).as_deref() {
            Ok([mark]) if target.vocabulary().piece(*mark).is_empty() => Some(*mark),
            _ => None,
        }
    }

    /// Returns where the draft model's tokens of the word begin that goes on at the unit `at`, if that is near: what
    /// follows may make other tokens of it.
    fn word(&self, at: usize) -> usize {
        let mut kept = self.spans.partition_point(|span| span.end <= at);
        let least = kept.saturating_sub(MAX_WORD);
        while kept > least {
            let start = kept.checked_sub(2).map_or(0, |before| self.spans[before].end);
            // A mark may be several tokens of the draft model's, of which the last ones begin behind it.
            let Some(first) = self.mirrored.get(start).filter(|first| !first.is_mark()) else { break };
            kept -= 1;
            if first.begins_word() {
                break;
            }
        }
        kept.checked_sub(1).map_or(0, |last| self.spans[last].end)
    }

    /// Drops the draft model's tokens that end behind the unit `at`.
    fn cut(&mut self, at: usize) {
        let kept = self.spans.partition_point(|span| span.end <= at);
        self.spans.truncate(kept);
        self.tokens.truncate(self.draft_prompt + kept);
        self.mirrored.truncate(self.spans.last().map_or(0, |span| span.end));
        self.settled = self.mirrored.len();
        self.is_stuck = false;
    }

    /// Spells what is written and not mirrored.
    fn extend(&mut self) {
        let units = &self.written.units()[self.mirrored.len()..];
        for run in units::runs(units) {
            match run {
                units::Run::Bytes(bytes) => {
                    let (start, whole) = (self.mirrored.len(), units::whole(&bytes));
                    self.mirrored.extend(bytes.iter().copied().map(Unit::from));
                    let mut at = 0;
                    while at < bytes.len() {
                        let end = if at < whole { whole } else { bytes.len() };
                        for (id, length) in self.draft.spell(&bytes[at..end]) {
                            at += length;
                            self.tokens.push(id);
                            self.spans.push(Span { end: start + at, drawn: None });
                        }
                        // A byte that no token of the draft model spells is passed over.
                        at += usize::from(at < end);
                    }
                    self.settled = start + whole;
                }
                units::Run::Mark(mark) => {
                    self.mirrored.push(Unit::mark(mark));
                    for id in self.draft_mark(mark) {
                        self.tokens.push(id);
                        self.spans.push(Span { end: self.mirrored.len(), drawn: None });
                    }
                    self.settled = self.mirrored.len();
                }
            }
        }
    }

    /// Returns the draft model's tokens for a token of the target that has no text.
    fn draft_mark(&self, mark: TokenId) -> Vec<TokenId> {
        let (draft, target) = (self.draft.language(), self.target.language());
        if target.vocabulary().is_end(mark) {
            return draft.vocabulary().ends().first().copied().into_iter().collect();
        }
        let name = String::from_utf8(target.detokenize(&[mark])).unwrap_or_default();
        draft.tokenize(&name, Special::Parse).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

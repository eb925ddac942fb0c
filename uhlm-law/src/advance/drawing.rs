//! The way from the rows of a generation to its tokens: its chain, its tape, and the place of each token of the reply.
//!
//! Decides which noise a position of a session's text has, and which rows of a pass are drawn. Leaves the draw itself
//! to whoever has the logits.

use std::borrow::Cow;
use std::ops::Range;

use crate::advance::{Begin, Plan, PrefixHash, Row, Tokens};
use crate::grammar::{Constraint, ConstraintError};
use crate::model::Vocabulary;
use crate::noise::{Place, PositionKey, Tape, TokenKeys};
use crate::sampling::{ChainInput, SamplingChain, SamplingError, Scratch, TokenId, TokenMask};

/// A row of logits from which a token is to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Index of the row in its pass.
    pub row: usize,
    /// The tokens before the one that the row decides, the prompt's included.
    pub history: &'a [TokenId],
    /// The chain that the logits go through.
    pub chain: &'a SamplingChain,
    /// Key of the noise at the token's place.
    pub position: PositionKey,
    /// The token whose probability is wanted, if any.
    pub scored: Option<TokenId>,
    /// The tokens that the grammar of the generation allows; `None` without one.
    pub mask: Option<&'a TokenMask>,
}

/// The sampling chain, the noise and the grammar of one generation.
#[derive(Debug)]
pub struct Drawing {
    begin: Begin,
    chain: SamplingChain,
    tape: Tape,
    /// Number of tokens that the last walk passed, their hash, and the place after them. The next walk begins there as
    /// long as the text begins with these tokens.
    walked: Option<(usize, PrefixHash, Place)>,
    /// What the grammar allows; `None` without one.
    constraint: Option<Box<dyn Constraint>>,
}

impl Clone for Drawing {
    fn clone(&self) -> Self {
        let (begin, chain, constraint) = (self.begin.clone(), self.chain.clone(), self.constraint.as_ref());
        let constraint = constraint.map(|constraint| constraint.fork());
        Self { begin, chain, tape: self.tape, walked: self.walked, constraint }
    }
}

impl Drawing {
    /// Makes chain and noise of a generation that begins with `begin` and has no grammar.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`] for a sampling parameter outside its range, [`SamplingError::Unconstrained`]
    /// for a generation with a grammar.
    pub fn new(begin: &Begin) -> Result<Self, SamplingError> {
        Self::constrained(begin, None)
    }

    /// Makes chain, noise and grammar of a generation that begins with `begin`; `constraint` knows the grammar.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`] for a sampling parameter outside its range, [`SamplingError::Unconstrained`]
    /// for a generation with a grammar and no constraint.
    pub fn constrained(begin: &Begin, constraint: Option<Box<dyn Constraint>>) -> Result<Self, SamplingError> {
        let chain = SamplingChain::new(begin.sampling.clone())?;
        if begin.grammar.is_some() && constraint.is_none() {
            return Err(SamplingError::Unconstrained);
        }
        let constraint = constraint.filter(|_| begin.grammar.is_some());
        Ok(Self { begin: begin.clone(), chain, tape: Tape::new(begin.seed, 0), walked: None, constraint })
    }

    /// Takes another state of the generation's grammar, of which nothing is known.
    pub fn constrain(&mut self, constraint: Box<dyn Constraint>) {
        self.constraint = Some(constraint).filter(|_| self.begin.grammar.is_some());
    }

    /// Returns the reply in `tokens`, the prompt's included.
    fn reply<'t>(&self, tokens: &'t [TokenId]) -> &'t [TokenId] {
        tokens.get(self.begin.reply_start as usize..).unwrap_or_default()
    }

    /// Returns the token that the grammar makes follow `tokens`, the prompt's included; `None` where logits decide.
    pub fn forced_after(&mut self, tokens: &[TokenId]) -> Option<TokenId> {
        let reply = self.reply(tokens);
        self.forced(reply)
    }

    /// Returns the tokens that the grammar allows after `tokens`, the prompt's included; `None` without a grammar.
    ///
    /// # Errors
    /// [`ConstraintError`].
    pub fn mask_after(&mut self, tokens: &[TokenId]) -> Result<Option<TokenMask>, ConstraintError> {
        let reply = self.reply(tokens);
        self.constraint.as_mut().map(|constraint| constraint.mask(reply)).transpose()
    }

    /// Tells whether the reply in `tokens`, the prompt's included, is a whole text of the grammar; `None` without one.
    pub fn is_complete(&mut self, tokens: &[TokenId]) -> Option<bool> {
        let reply = self.reply(tokens);
        self.constraint.as_mut().map(|constraint| constraint.is_complete(reply))
    }

    /// Returns what the grammar of the generation allows; `None` without one.
    pub fn constraint(&mut self) -> Option<&mut (dyn Constraint + 'static)> {
        self.constraint.as_deref_mut()
    }

    /// Returns the token that the grammar makes follow `reply`; `None` where logits decide.
    pub fn forced(&mut self, reply: &[TokenId]) -> Option<TokenId> {
        self.constraint.as_mut()?.forced(reply).ok().flatten()
    }

    /// Returns the tokens that the grammar allows at the places `rows` of `history`, of which the first `decided` are
    /// decided; the list ends early behind a drafted token that it does not allow, which settles the pass, or one after
    /// which it takes too much work: only where the target agrees to that token is the row behind it drawn. Without a
    /// grammar there is no list.
    fn masks(&mut self, history: &[TokenId], decided: usize, places: Range<usize>) -> Masks {
        let Some(constraint) = &mut self.constraint else { return Masks::default() };
        let start = self.begin.reply_start as usize;
        let (mut masks, mut late) = (Vec::with_capacity(places.len()), None);
        for place in places {
            match constraint.mask(history.get(start..place).unwrap_or_default()) {
                Ok(mask) => masks.push(mask),
                Err(ConstraintError::NotOfGrammar { at }) if start + at >= decided => break,
                // The first of these rows is drawn in any case.
                Err(error @ ConstraintError::TooComplex { .. }) if place > decided && !masks.is_empty() => {
                    late = Some(error);
                    break;
                }
                Err(error) => return Masks { of_rows: Some(Vec::new()), failure: Some(error), late },
            }
        }
        Masks { of_rows: Some(masks), failure: None, late }
    }

    /// Tells whether a generation that begins with `begin` draws like this one.
    #[must_use]
    pub fn is_of(&self, begin: &Begin) -> bool {
        self.begin == *begin
    }

    /// Returns the beginning of the generation.
    #[must_use]
    pub fn begin(&self) -> &Begin {
        &self.begin
    }

    /// Returns the chain.
    #[must_use]
    pub fn chain(&self) -> &SamplingChain {
        &self.chain
    }

    /// Returns the key of a place.
    #[must_use]
    pub fn position(&self, place: Place) -> PositionKey {
        self.tape.at(place)
    }

    /// Returns the place of the token at index `at` of a text, of which only the tokens before it are looked at.
    pub fn place(&mut self, text: &Tokens, at: usize, vocabulary: &dyn Vocabulary) -> Place {
        let known = self.walked.filter(|(len, hash, _)| *len <= at && text.hash_of(*len) == Some(*hash));
        let (from, place) =
            known.map_or((self.begin.reply_start as usize, Place::START), |(len, _, place)| (len, place));
        let ids = text.ids().get(from..at).unwrap_or_default();
        let place = ids.iter().fold(place, |place, &id| place.after(vocabulary.piece(id).len()));
        self.walked = text.hash_of(at).filter(|_| at >= from).map(|hash| (at, hash, place));
        place
    }

    /// Prepares the rows `rows` of a pass that was planned for `text`.
    pub fn rows<'a>(
        &'a mut self,
        text: &'a Tokens,
        plan: &'a Plan,
        rows: Range<usize>,
        vocabulary: &dyn Vocabulary,
    ) -> Rows<'a> {
        let history: Cow<'a, [TokenId]> = match plan.draft() {
            [] => text.ids().into(),
            draft => [text.ids(), draft].concat().into(),
        };
        let positions = self.positions(text, plan, rows.clone(), &history, vocabulary);
        let masks = self.masks(&history, text.len(), plan.first + rows.start..plan.first + rows.end);
        Rows { plan, chain: &self.chain, history, start: rows.start, positions, masks }
    }

    /// Prepares rows as [`Self::rows`] does, without holding on to the session: they can be drawn on another thread.
    pub fn prepare(
        &mut self,
        text: &Tokens,
        plan: &Plan,
        rows: Range<usize>,
        vocabulary: &dyn Vocabulary,
    ) -> PreparedRows {
        let history = [text.ids(), plan.draft()].concat();
        let positions = self.positions(text, plan, rows.clone(), &history, vocabulary);
        let masks = self.masks(&history, text.len(), plan.first + rows.start..plan.first + rows.end);
        PreparedRows { history, start: rows.start, positions, masks }
    }

    /// Returns the noise of the tokens that the rows `rows` decide. `history` has the tokens of the text and of the
    /// draft after it.
    fn positions(
        &mut self,
        text: &Tokens,
        plan: &Plan,
        rows: Range<usize>,
        history: &[TokenId],
        vocabulary: &dyn Vocabulary,
    ) -> Vec<PositionKey> {
        let after = |place: Place, id: TokenId| place.after(vocabulary.piece(id).len());
        let first = plan.first + rows.start;
        let decided = first.min(text.len());
        let place = self.place(text, decided, vocabulary);
        let mut place = history[decided..first].iter().fold(place, |place, &id| after(place, id));
        let mut positions = Vec::with_capacity(rows.len());
        for at in first..plan.first + rows.end {
            positions.push(self.tape.at(place));
            // What follows the last row's token is no row's place.
            place = history.get(at).map_or(place, |&id| after(place, id));
        }
        positions
    }
}

/// What a grammar allows at rows.
#[derive(Clone, Debug, Default)]
struct Masks {
    /// Masks of the rows, as far as they are drawn; `None` without a grammar.
    of_rows: Option<Vec<TokenMask>>,
    /// The reason why the grammar says nothing about the rows.
    failure: Option<ConstraintError>,
    /// The reason why it says nothing about those that have no mask.
    late: Option<ConstraintError>,
}

impl Masks {
    /// Tells whether the rows before the `row`-th of these settle the pass in any case: the token that was drafted
    /// there ends the reply, or the grammar does not allow it.
    fn end_before(&self, row: usize) -> bool {
        let is_sound = self.failure.is_none() && self.late.is_none();
        is_sound && self.of_rows.as_ref().is_some_and(|masks| row >= masks.len())
    }

    /// Returns the mask of the `row`-th of these rows. A row that has none is not to be drawn, and its mask allows
    /// nothing.
    fn of(&self, row: usize) -> Option<&TokenMask> {
        const NOTHING: &TokenMask = &TokenMask::none();
        self.of_rows.as_ref().map(|masks| masks.get(row).unwrap_or(NOTHING))
    }
}

/// Rows of a pass with what it takes to draw them, but their plan, their chain and their logits.
#[derive(Debug, Default)]
pub struct PreparedRows {
    history: Vec<TokenId>,
    start: usize,
    positions: Vec<PositionKey>,
    masks: Masks,
}

impl PreparedRows {
    /// Returns the reason why the grammar says nothing about the rows, so that they cannot be drawn; `None` if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&ConstraintError> {
        self.masks.failure.as_ref()
    }

    /// Returns the reason why a row after the first has no mask: it fails where it is reached, and the rows before it
    /// stand. `None` where there is no such row.
    #[must_use]
    pub fn late_failure(&self) -> Option<&ConstraintError> {
        self.masks.late.as_ref()
    }

    /// Returns the number of masks that were made; 0 without a grammar.
    #[must_use]
    pub fn masks(&self) -> usize {
        self.masks.of_rows.as_ref().map_or(0, Vec::len)
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Tells whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Returns the rows, to be drawn with the plan and the chain for which they were prepared.
    #[must_use]
    pub fn with<'a>(self, plan: &'a Plan, chain: &'a SamplingChain) -> Rows<'a> {
        let Self { history, start, positions, masks } = self;
        Rows { plan, chain, history: history.into(), start, positions, masks }
    }
}

/// Rows of a pass, each with the noise of the token that it decides.
#[derive(Debug)]
pub struct Rows<'a> {
    plan: &'a Plan,
    chain: &'a SamplingChain,
    /// The tokens of the text, and of the draft after it.
    history: Cow<'a, [TokenId]>,
    /// Index of the first of these rows in its pass.
    start: usize,
    positions: Vec<PositionKey>,
    masks: Masks,
}

impl Rows<'_> {
    /// Returns the reason why the grammar says nothing about the rows, so that they cannot be drawn; `None` if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&ConstraintError> {
        self.masks.failure.as_ref()
    }

    /// Returns the tokens that the grammar allows at the `row`-th of these rows; `None` without a grammar.
    #[must_use]
    pub fn mask(&self, row: usize) -> Option<&TokenMask> {
        self.masks.of(row)
    }

    /// Returns the key of the noise at each row's place: it is known before any row is.
    #[must_use]
    pub fn positions(&self) -> &[PositionKey] {
        &self.positions
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Tells whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Returns the index of the first row in its pass.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Draws the rows in order, up to the one that settles the pass, and appends them to `done`. Returns whether one
    /// did.
    ///
    /// # Errors
    /// Those of `draw`; the rows before stand.
    pub fn draw<E>(self, done: &mut Vec<Row>, mut draw: impl FnMut(Draw<'_>) -> Result<Row, E>) -> Result<bool, E> {
        for (row, position) in (self.start..).zip(self.positions) {
            let history = &self.history[..self.plan.first + row];
            let scored = self.plan.scored.get(row).copied().filter(|_| self.plan.probabilities);
            if self.masks.end_before(row - self.start) {
                return Ok(true);
            }
            let mask = self.masks.of(row - self.start);
            let drawn = draw(Draw { row, history, chain: self.chain, position, scored, mask })?;
            done.push(drawn);
            if self.plan.settles(row, drawn.winner) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Draw<'_> {
    /// Draws the row from its logits.
    ///
    /// # Errors
    /// [`SamplingError`] where the logits tell no winner.
    pub fn of_logits(&self, logits: &[f32], scratch: &mut Scratch, keys: &TokenKeys) -> Result<Row, SamplingError> {
        let input = ChainInput { logits, history: self.history, mask: self.mask };
        let scored = self.chain.score(input, scratch, keys, self.position, self.scored)?;
        Ok(Row { winner: scored.winner.id, p: scored.p })
    }
}

#[cfg(test)]
mod tests {
    use crate::advance::PassKind;
    use crate::sampling::SamplingParams;

    use super::*;

    /// Token `n` has `n` bytes of text.
    struct Lengths;

    impl Vocabulary for Lengths {
        fn size(&self) -> usize {
            10
        }

        fn piece(&self, id: TokenId) -> &[u8] {
            &b"0123456789"[..id as usize]
        }

        fn is_end(&self, _: TokenId) -> bool {
            false
        }
    }

    #[test]
    fn a_place_counts_the_bytes_of_the_reply_whatever_was_walked_before() {
        let begin = Begin {
            seed: 5,
            sampling: SamplingParams::default(),
            reply_start: 2,
            max_tokens: 9,
            stop: Vec::new(),
            grammar: None,
        };
        let mut drawing = Drawing::new(&begin).expect("a valid chain");
        let place = |offset, silent| Place { offset, silent };
        let text = |ids: &[TokenId]| ids.iter().copied().collect::<Tokens>();
        let first = text(&[7, 8, 1, 2, 0, 0, 3]);
        assert_eq!(drawing.place(&first, 2, &Lengths), Place::START);
        assert_eq!(drawing.place(&first, 4, &Lengths), place(3, 0));
        assert_eq!(drawing.place(&first, 6, &Lengths), place(3, 2));
        assert_eq!(drawing.place(&first, 3, &Lengths), place(1, 0), "back");
        assert_eq!(drawing.place(&first, 7, &Lengths), place(6, 0));
        assert_eq!(drawing.place(&text(&[7, 8, 1, 4, 0, 0, 3]), 7, &Lengths), place(8, 0), "another text");
        assert_eq!(drawing.place(&text(&[7]), 1, &Lengths), Place::START, "no reply");
        assert_eq!(drawing.position(place(3, 0)), Tape::new(5, 0).at(place(3, 0)));
        assert!(drawing.is_of(&begin) && !drawing.is_of(&Begin { seed: 6, ..begin }));
    }

    #[test]
    fn rows_are_drawn_with_the_noise_of_their_places_up_to_the_one_that_settles_the_pass() {
        let begin = Begin {
            seed: 5,
            sampling: SamplingParams::default(),
            reply_start: 1,
            max_tokens: 9,
            stop: Vec::new(),
            grammar: None,
        };
        let text: Tokens = [7, 1, 2].into_iter().collect();
        let plan = Plan {
            kind: PassKind::Judged,
            keep: 2,
            tokens: vec![2, 4, 0],
            rows: 3,
            first: 3,
            scored: vec![4, 0],
            contexts: 0,
            next_drafted: None,
            probabilities: true,
        };
        let mut drawing = Drawing::new(&begin).expect("a valid chain");
        // The target agrees to the first drafted token and differs from the second.
        let mut drawn = |rows: Range<usize>, done: &mut Vec<Row>| {
            let mut seen = Vec::new();
            let settled = drawing.rows(&text, &plan, rows, &Lengths).draw(done, |draw| {
                seen.push((draw.row, draw.history.to_vec(), draw.position, draw.scored));
                Ok::<_, SamplingError>(Row { winner: [4, 9, 9][draw.row], p: None })
            });
            (seen, settled.expect("rows"))
        };
        let position = |offset| Tape::new(5, 0).at(Place { offset, silent: 0 });
        let first = (0, vec![7, 1, 2], position(3), Some(4));
        let second = (1, vec![7, 1, 2, 4], position(7), Some(0));
        let mut done = Vec::new();
        assert_eq!(drawn(0..3, &mut done), (vec![first.clone(), second.clone()], true));
        assert_eq!(done.iter().map(|row| row.winner).collect::<Vec<_>>(), [4, 9]);
        // A pass may be cut anywhere.
        assert_eq!(drawn(0..1, &mut done), (vec![first], false));
        assert_eq!(drawn(1..2, &mut done), (vec![second], true));
    }

    /// Allows token `n` after `n - 1` tokens, and 9 anywhere; after two of these it takes too much work.
    #[derive(Clone, Debug)]
    struct Counting;

    impl Constraint for Counting {
        fn mask(&mut self, reply: &[TokenId]) -> Result<TokenMask, ConstraintError> {
            if reply.ends_with(&[9, 9]) {
                return Err(ConstraintError::TooComplex { at: reply.len() });
            }
            let wrong = (1..).zip(reply).position(|(n, &id)| id != n && id != 9);
            wrong.map_or_else(
                || Ok(TokenMask::allowing(10, [reply.len() as TokenId + 1, 9])),
                |at| Err(ConstraintError::NotOfGrammar { at }),
            )
        }

        fn forced(&mut self, _: &[TokenId]) -> Result<Option<TokenId>, ConstraintError> {
            Ok(None)
        }

        fn is_complete(&mut self, _: &[TokenId]) -> bool {
            false
        }

        fn fork(&self) -> Box<dyn Constraint> {
            Box::new(self.clone())
        }
    }

    #[test]
    fn rows_are_drawn_under_the_masks_of_their_places_and_a_draft_that_is_not_allowed_settles_the_pass() {
        let (sampling, stop) = (SamplingParams::default(), Vec::new());
        let grammar = Some(std::sync::Arc::new(crate::grammar::Grammar::Regex("a".into())));
        let begin = Begin { seed: 5, sampling, reply_start: 1, max_tokens: 9, stop, grammar };
        assert_eq!(Drawing::new(&begin).err(), Some(SamplingError::Unconstrained));
        let mut drawing = Drawing::constrained(&begin, Some(Box::new(Counting))).expect("a valid chain");
        let plan = |scored: Vec<TokenId>, contexts| Plan {
            kind: PassKind::Judged,
            keep: 0,
            tokens: vec![0; 3 + scored.len()],
            rows: scored.len() + 1,
            first: 3 - contexts,
            contexts,
            scored,
            next_drafted: None,
            probabilities: false,
        };
        let text: Tokens = [7, 1, 2].into_iter().collect();
        let mut drawn = |text: &Tokens, plan: &Plan| {
            let rows = drawing.prepare(text, plan, 0..plan.rows, &Lengths);
            let failure = rows.failure().cloned();
            let (mut done, mut masks) = (Vec::new(), Vec::new());
            let chain = SamplingChain::new(SamplingParams::default()).expect("valid");
            let settled = rows.with(plan, &chain).draw(&mut done, |draw| {
                let allowed: Vec<TokenId> = draw.mask.expect("a grammar").ids().collect();
                masks.push(allowed.clone());
                Ok::<_, SamplingError>(Row { winner: *allowed.first().ok_or(SamplingError::EmptyMask)?, p: None })
            });
            (masks, settled, failure)
        };
        let expected = vec![vec![3, 9], vec![4, 9], vec![5, 9]];
        assert_eq!(drawn(&text, &plan(vec![3, 4], 0)), (expected, Ok(true), None));
        // The second drafted token is not allowed: the target's is another one, and no row after it is drawn.
        assert_eq!(drawn(&text, &plan(vec![3, 8, 5], 0)), (vec![vec![3, 9], vec![4, 9]], Ok(true), None));
        // A draft after which the grammar takes too much work costs nothing where the target writes something else.
        assert_eq!(drawn(&text, &plan(vec![9, 9], 0)), (vec![vec![3, 9]], Ok(true), None));
        let complex: Tokens = [7, 9, 9].into_iter().collect();
        assert_eq!(drawn(&complex, &plan(vec![3], 0)).2, Some(ConstraintError::TooComplex { at: 2 }));
        // A given token that is not allowed says so.
        let other: Tokens = [7, 1, 8].into_iter().collect();
        let failed = drawn(&other, &plan(vec![3], 0));
        assert_eq!(failed.2, Some(ConstraintError::NotOfGrammar { at: 1 }));
        assert_eq!(failed.1, Err(SamplingError::EmptyMask));
        assert_eq!(drawing.clone().mask_after(&[7]).map(|mask| mask.map(|mask| mask.count())), Ok(Some(2)));
    }
}

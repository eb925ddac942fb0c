//! The earlier places of a text at which its last tokens stood.

use std::collections::HashMap;

use crate::sampling::TokenId;

/// Smallest number of tokens of a match: one token alone says too little.
const MIN_MATCH: usize = 2;
/// Largest number of tokens of a match that are counted.
const MAX_MATCH: usize = 16;
/// Largest number of earlier places of the last two tokens that are looked at, the latest first.
const MAX_PLACES: usize = 64;
/// Index that stands for no earlier place.
const NONE: u32 = u32::MAX;

/// An earlier place at which the text's last tokens stand, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Number of tokens before the place that equal the text's last ones, 2 to 16; more count as 16.
    pub length: usize,
    /// Index of the token that followed there.
    pub next: usize,
}

/// The tokens of a conversation, with every earlier place of each two neighbours.
#[derive(Clone, Debug, Default)]
pub struct Index {
    tokens: Vec<TokenId>,
    /// `earlier[i]`: the index before `i` of the last token that has the same neighbour before it and is the same.
    earlier: Vec<u32>,
    /// Index of the last token of the latest pair of these two neighbours.
    latest: HashMap<[TokenId; 2], u32>,
}

impl Index {
    /// Makes the index of no text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the tokens.
    #[must_use]
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Makes these tokens the text. What both begin with costs a comparison only.
    pub fn follow(&mut self, tokens: &[TokenId]) {
        if !tokens.starts_with(&self.tokens) {
            let same = self.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count();
            self.truncate(same);
        }
        tokens[self.tokens.len()..].iter().for_each(|&id| self.push(id));
    }

    /// Appends a token.
    pub fn push(&mut self, id: TokenId) {
        let at = self.tokens.len() as u32;
        let pair = self.tokens.last().map(|&before| [before, id]);
        self.earlier.push(pair.and_then(|pair| self.latest.insert(pair, at)).unwrap_or(NONE));
        self.tokens.push(id);
    }

    /// Forgets everything after the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        while self.tokens.len() > len {
            let (Some(id), Some(earlier)) = (self.tokens.pop(), self.earlier.pop()) else { return };
            let Some(&before) = self.tokens.last() else { return };
            if earlier == NONE {
                self.latest.remove(&[before, id]);
            } else {
                self.latest.insert([before, id], earlier);
            }
        }
    }

    /// Finds the longest of the latest 64 matches of the text's end; of equally long ones the latest.
    #[must_use]
    pub fn longest(&self) -> Option<Match> {
        let mut best: Option<Match> = None;
        let mut place = *self.earlier.last()?;
        for _ in 0..MAX_PLACES {
            if place == NONE {
                break;
            }
            let next = place as usize + 1;
            let length = self.matching(next);
            if best.is_none_or(|best| length > best.length) {
                best = Some(Match { length, next });
            }
            if length == MAX_MATCH {
                break;
            }
            place = self.earlier[place as usize];
        }
        best
    }

    /// Returns the number of tokens before index `next` that equal the text's last ones.
    fn matching(&self, next: usize) -> usize {
        let (there, here) = (self.tokens[..next].iter().rev(), self.tokens.iter().rev());
        let same = there.zip(here).take(MAX_MATCH).take_while(|(a, b)| a == b).count();
        debug_assert!(same >= MIN_MATCH);
        same
    }

    /// Returns the `count` tokens that would follow if the text went on as it did at a match. Where that runs into the
    /// text's end, the text repeats itself and is taken to go on doing so.
    #[must_use]
    pub fn continuation(&self, found: Match, count: usize) -> Vec<TokenId> {
        let period = self.tokens.len().saturating_sub(found.next).max(1);
        (0..count).filter_map(|i| self.tokens.get(found.next + i % period).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(tokens: &[TokenId]) -> Index {
        let mut index = Index::new();
        index.follow(tokens);
        index
    }

    /// Finds the same match by comparing the end with every place of the text.
    fn plain(tokens: &[TokenId]) -> Option<Match> {
        let matching = |next: usize| {
            (1..=MAX_MATCH.min(next)).take_while(|n| tokens[next - n] == tokens[tokens.len() - n]).count()
        };
        let places = (MIN_MATCH..tokens.len()).rev().map(|next| Match { length: matching(next), next });
        let latest = places.filter(|found| found.length >= MIN_MATCH).take(MAX_PLACES);
        latest.fold(None, |best: Option<Match>, found| match best {
            Some(best) if best.length >= found.length => Some(best),
            _ => Some(found),
        })
    }

    /// The changes that happen to a text.
    #[derive(Clone, Debug)]
    enum Change {
        Push(TokenId),
        Truncate(usize),
        /// Tokens of the text are repeated at its end.
        Repeat(usize, usize),
        /// The text from a place on becomes another.
        Follow(usize, Vec<TokenId>),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0u32..4).prop_map(Change::Push),
            1 => (0usize..200).prop_map(Change::Truncate),
            2 => (0usize..200, 1usize..30).prop_map(|(from, count)| Change::Repeat(from, count)),
            1 => (0usize..200, prop::collection::vec(0u32..4, 0..12)).prop_map(|(at, ids)| Change::Follow(at, ids)),
        ]
    }

    proptest! {
        #[test]
        fn after_any_changes_it_finds_what_a_plain_search_finds(changes in prop::collection::vec(change(), 0..60)) {
            let (mut index, mut text) = (Index::new(), Vec::new());
            for change in changes {
                match change {
                    Change::Push(id) => {
                        index.push(id);
                        text.push(id);
                    }
                    Change::Truncate(len) => {
                        index.truncate(len);
                        text.truncate(len);
                    }
                    Change::Repeat(from, count) => {
                        let repeated: Vec<_> = text.iter().skip(from).take(count).copied().collect();
                        text.extend(repeated);
                        index.follow(&text);
                    }
                    Change::Follow(at, ids) => {
                        text.truncate(at);
                        text.extend(ids);
                        index.follow(&text);
                    }
                }
                prop_assert_eq!(index.tokens(), &text[..]);
                prop_assert_eq!(index.longest(), plain(&text));
            }
        }
    }

    #[test]
    fn the_longest_match_wins_and_the_latest_among_equals() {
        assert_eq!(index(&[1, 2, 3, 9, 2, 3, 8, 1, 2, 3]).longest(), Some(Match { length: 3, next: 3 }));
        assert_eq!(index(&[5, 2, 3, 9, 6, 2, 3, 8, 7, 2, 3]).longest(), Some(Match { length: 2, next: 7 }));
        assert_eq!(index(&[1, 2, 3, 4, 3]).longest(), None, "one token is no match");
        assert_eq!(index(&[]).longest(), None);
    }

    #[test]
    fn a_continuation_is_what_followed_and_goes_round_where_the_text_repeats_itself() {
        let text = index(&[1, 2, 3, 4, 5, 1, 2]);
        let found = text.longest().expect("a match");
        assert_eq!(text.continuation(found, 3), [3, 4, 5]);
        let text = index(&[1, 2, 3, 1, 2, 3, 1, 2]);
        let found = text.longest().expect("a match");
        assert_eq!(text.continuation(found, 7), [3, 1, 2, 3, 1, 2, 3]);
        let text = index(&[7, 7, 7]);
        let found = text.longest().expect("a match");
        assert_eq!(text.continuation(found, 4), [7, 7, 7, 7]);
        assert!(text.continuation(found, 0).is_empty());
    }

    #[test]
    fn what_is_forgotten_is_not_found() {
        let mut text = index(&[1, 2, 3, 1, 2]);
        text.truncate(1);
        text.follow(&[1, 9, 1, 2]);
        assert_eq!(text.longest(), None);
        text.follow(&[1, 9, 1, 2, 1, 9]);
        assert_eq!(text.longest(), Some(Match { length: 2, next: 2 }));
    }
}

//! Reading ahead: what the conversation proposes is decoded together with the token before it, and its rows wait until
//! their places are drafted.
//!
//! Knows which tokens were proposed, which of them wait, and what that costs. Leaves the cache and the draws to the
//! [`Drafter`](super::drafter::Drafter), and whether reading ahead pays to the [`Policy`].

use std::ops::Range;

use uhlm_law::ngram::{Index, MAX_ROWS, Match, Policy};
use uhlm_law::sampling::TokenId;

/// The way in which the step that drafts a token came by its row of logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The step decoded the last token, and proposed ones with it.
    Batch { rows: usize },
    /// The step decoded several tokens that came from elsewhere.
    CaughtUp,
    /// The step decoded nothing: the row waited, from an earlier batch.
    Served,
    /// The step decoded nothing: the row was left by what read the prompt, or before a rollback. Its batch is paid for.
    Found,
}

/// The counts of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Number of tokens that were read ahead.
    pub(super) proposed: u64,
    /// Of those, the number that were drafted.
    pub(super) accepted: u64,
}

/// The proposals that a session's conversation makes for the tokens to come.
#[derive(Debug)]
pub(super) struct Lookahead {
    /// Index of the conversation's repetitions; `None` where nothing is read ahead.
    index: Option<Index>,
    policy: Policy,
    /// Token that the conversation expects at the place that is drafted now, with the repetition that it continues.
    expected: Option<(Match, TokenId)>,
    /// Places whose rows of logits wait to be drawn from.
    waiting: Range<usize>,
    step: Step,
    /// Seconds of the last batch and of the draws from it, and the number of tokens that were drawn from it.
    spent: (f64, u32),
    pub(super) counts: Counts,
}

impl Lookahead {
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            index: enabled.then(Index::new),
            policy: Policy::default(),
            expected: None,
            waiting: 0..0,
            step: Step::Found,
            spent: (0.0, 0),
            counts: Counts::default(),
        }
    }

    /// Begins a reply.
    pub(super) fn begin(&mut self) {
        self.counts = Counts::default();
        self.waiting = 0..0;
    }

    /// Looks up which token the conversation expects after `tokens`; that place is drafted now.
    pub(super) fn look_up(&mut self, tokens: &[TokenId]) {
        let Some(index) = &mut self.index else { return };
        index.follow(tokens);
        let expected = |found| Some((found, *index.continuation(found, 1).first()?));
        self.expected = index.longest().and_then(expected);
    }

    /// Proposes tokens to be read with the last one of the text; `most` at most, and none that `ends` a reply.
    pub(super) fn proposal(&mut self, most: usize, ends: impl Fn(TokenId) -> bool) -> Vec<TokenId> {
        let (Some(index), Some((found, _))) = (&self.index, self.expected) else { return Vec::new() };
        let mut proposal = index.continuation(found, most.min(MAX_ROWS - 1));
        // No row is drawn after the end of a reply.
        if let Some(end) = proposal.iter().position(|&id| ends(id)) {
            proposal.truncate(end);
        }
        proposal.truncate(self.policy.tokens(found, proposal.len()));
        proposal
    }

    /// Takes note that the row of the place `at` was decoded, after the last of `unread` tokens, with those of
    /// `proposed` tokens after it.
    pub(super) fn decoded(&mut self, at: usize, unread: usize, proposed: usize) {
        self.counts.proposed += proposed as u64;
        self.waiting = at..at + 1 + proposed;
        self.step = if unread == 1 { Step::Batch { rows: 1 + proposed } } else { Step::CaughtUp };
    }

    /// Takes note that the row of the place `at` was there already.
    pub(super) fn found(&mut self, at: usize) {
        self.step = if self.waiting.start == at && !self.waiting.is_empty() { Step::Served } else { Step::Found };
    }

    /// Takes note of the token that was drafted at the place `at`, for which `read` was read ahead, if any was.
    pub(super) fn drafted(&mut self, at: usize, id: TokenId, read: Option<TokenId>) {
        if let Some((found, expected)) = self.expected.take() {
            self.policy.observe(found, expected == id);
        }
        if self.waiting.start == at && !self.waiting.is_empty() && read == Some(id) {
            self.counts.accepted += 1;
            self.waiting.start = at + 1;
        } else {
            // The tokens that were read ahead of another token are dropped.
            self.waiting = 0..0;
        }
    }

    /// Takes note of how long the step took that drafted a token. Returns what [`Self::settle`] does where no row waits
    /// any more.
    pub(super) fn took(&mut self, seconds: f64) -> Option<(f64, u32)> {
        match self.step {
            Step::Batch { rows } => self.policy.took(rows, seconds),
            Step::Served => self.policy.took_served(seconds),
            Step::CaughtUp => {}
            Step::Found => return None,
        }
        self.spent = (self.spent.0 + seconds, self.spent.1 + 1);
        if self.waiting.is_empty() { self.settle() } else { None }
    }

    /// Closes the account of the last batch: returns seconds a token and the number of tokens that were drafted from
    /// it, if it was not closed yet. A batch is paid for by all of them.
    pub(super) fn settle(&mut self) -> Option<(f64, u32)> {
        let (seconds, tokens) = std::mem::take(&mut self.spent);
        (tokens > 0).then(|| (seconds / f64::from(tokens), tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that has said what follows 1 and 2, and is about to say it again.
    const TEXT: [TokenId; 9] = [1, 2, 3, 4, 5, 6, 7, 1, 2];

    /// Returns a lookahead that knows how long a token takes, and whose expectations all came true so far.
    fn ready() -> Lookahead {
        let mut ahead = Lookahead::new(true);
        for _ in 0..50 {
            let mut text = TEXT.to_vec();
            for id in 3..7 {
                ahead.look_up(&text);
                ahead.decoded(text.len(), 1, 0);
                ahead.drafted(text.len(), id, None);
                assert_eq!(ahead.took(1.0), Some((1.0, 1)));
                text.push(id);
            }
        }
        ahead.begin();
        ahead
    }

    #[test]
    fn what_followed_before_is_proposed_as_far_as_it_is_asked_for_and_up_to_the_end_of_a_reply() {
        let mut ahead = ready();
        ahead.look_up(&TEXT);
        assert_eq!(ahead.proposal(3, |_| false), [3, 4, 5]);
        assert!(ahead.proposal(0, |_| false).is_empty());
        assert_eq!(ahead.proposal(9, |id| id == 4), [3]);
        assert!(ahead.proposal(9, |id| id == 3).is_empty());
        let mut off = Lookahead::new(false);
        off.look_up(&TEXT);
        assert!(off.proposal(3, |_| false).is_empty());
    }

    #[test]
    fn a_batch_is_paid_for_by_the_tokens_that_were_drafted_from_it() {
        let mut ahead = ready();
        ahead.look_up(&TEXT);
        ahead.decoded(9, 1, 3);
        ahead.drafted(9, 3, Some(3));
        assert_eq!(ahead.took(2.0), None, "rows wait");
        ahead.found(10);
        ahead.drafted(10, 4, Some(4));
        assert_eq!(ahead.took(0.5), None);
        ahead.found(11);
        ahead.drafted(11, 9, Some(5));
        assert_eq!(ahead.took(0.5), Some((1.0, 3)), "the last row is left");
        assert_eq!(ahead.counts, Counts { proposed: 3, accepted: 2 });
        assert_eq!(ahead.settle(), None);
    }

    #[test]
    fn the_row_after_the_last_proposed_token_is_drafted_from_the_batch_too() {
        let mut ahead = ready();
        ahead.decoded(9, 1, 1);
        ahead.drafted(9, 3, Some(3));
        assert_eq!(ahead.took(2.0), None);
        ahead.found(10);
        ahead.drafted(10, 8, None);
        assert_eq!(ahead.took(1.0), Some((1.5, 2)));
    }

    #[test]
    fn a_batch_that_is_left_to_wait_is_settled_and_rows_that_were_paid_for_cost_nothing() {
        let mut ahead = ready();
        // This is the row of a prompt.
        ahead.found(9);
        ahead.drafted(9, 3, None);
        assert_eq!(ahead.took(0.01), None);
        ahead.decoded(10, 1, 2);
        ahead.drafted(10, 4, Some(4));
        assert_eq!(ahead.took(2.0), None);
        // The text has become another; the next batch settles the account of this one.
        assert_eq!(ahead.settle(), Some((2.0, 1)));
        ahead.decoded(8, 3, 0);
        ahead.drafted(8, 7, None);
        assert_eq!(ahead.took(3.0), Some((3.0, 1)));
        assert_eq!(ahead.counts, Counts { proposed: 2, accepted: 1 });
    }
}

//! Drafted tokens that wait on the verifier until they can be judged.
//!
//! Decides which of them rest on the decided text, in which order they are taken, and when one is of no use any more.
//! Leaves to [`TargetSession`](super::TargetSession) what is decided.

use super::request::MAX_DRAFT;
use super::tokens::{PrefixHash, Tokens};
use crate::sampling::TokenId;

/// Largest number of proposals that wait at once.
pub const MAX_PARKED: usize = 4;

/// Drafted tokens with the place where they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    /// Number of the request that brought it.
    pub(super) seq: u32,
    /// Number of tokens before it.
    pub(super) at: usize,
    /// Hash of those tokens.
    pub(super) check: PrefixHash,
    /// The ids, at least one.
    pub(super) ids: Vec<TokenId>,
}

/// Relation of a proposal to the decided text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The proposal goes on where the text ends.
    Usable,
    /// The proposal begins after the text's end.
    Missing,
    /// The text holds all of the proposal.
    Spent,
    /// The text is another one than the proposal rests on.
    Contradicted,
}

impl Proposal {
    pub(super) fn standing(&self, text: &Tokens) -> Standing {
        let Some(hash) = text.hash_of(self.at) else { return Standing::Missing };
        let held = text.len() - self.at;
        let agreed = text.agreement(self.at, &self.ids);
        if hash != self.check || agreed < held.min(self.ids.len()) {
            Standing::Contradicted
        } else if held < self.ids.len() {
            Standing::Usable
        } else {
            Standing::Spent
        }
    }

    fn end(&self) -> usize {
        self.at + self.ids.len()
    }

    /// Tells whether all of `other` is in this one.
    fn holds(&self, other: &Self) -> bool {
        let Some(before) = other.at.checked_sub(self.at) else { return false };
        self.ids.get(before..).is_some_and(|rest| rest.starts_with(&other.ids))
            && self.check.extend(&self.ids[..before]) == other.check
    }

    /// Tells whether `other`, of a later request, begins where this one ends, and both are short enough for one
    /// request.
    fn joins(&self, other: &Self) -> bool {
        let fits = self.seq < other.seq && self.ids.len() + other.ids.len() <= MAX_DRAFT;
        fits && self.end() == other.at && self.check.extend(&self.ids) == other.check
    }
}

/// The proposals that wait, the one of the latest request first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parked(Vec<Proposal>);

impl Parked {
    /// Parks a proposal. One that is there already only gives its number where that is the later one, and one that goes
    /// on from that of an earlier request takes no place of its own; of too many, that of the earliest request goes.
    pub(super) fn park(&mut self, proposal: Proposal) {
        if let Some(known) = self.0.iter_mut().find(|known| known.holds(&proposal)) {
            known.seq = known.seq.max(proposal.seq);
        } else if let Some(known) = self.0.iter_mut().find(|known| known.joins(&proposal)) {
            known.seq = proposal.seq;
            known.ids.extend(proposal.ids);
        } else {
            self.0.push(proposal);
        }
        self.0.sort_by_key(|proposal| std::cmp::Reverse(proposal.seq));
        self.0.truncate(MAX_PARKED);
    }

    /// Drops what the text contradicts or holds already.
    pub(super) fn prune(&mut self, text: &Tokens) {
        self.0.retain(|proposal| matches!(proposal.standing(text), Standing::Usable | Standing::Missing));
    }

    /// Drops all proposals.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the drafted tokens that go on where the text ends: those of the latest usable proposal, then those of
    /// proposals that go on where the ones before end. Empty where none is usable.
    pub(super) fn path(&self, text: &Tokens) -> Vec<TokenId> {
        let mut path: Vec<TokenId> = Vec::new();
        let mut hashes: Vec<PrefixHash> = vec![text.hash()];
        loop {
            let end = text.len() + path.len();
            let goes_on = |proposal: &&Proposal| {
                let before = match proposal.at.checked_sub(text.len()) {
                    Some(beyond) => hashes.get(beyond).copied(),
                    None => text.hash_of(proposal.at),
                };
                let beyond = path.get(proposal.at.saturating_sub(text.len())..).unwrap_or_default();
                let held = text.tail(proposal.at).iter().chain(beyond);
                before == Some(proposal.check)
                    && proposal.end() > end
                    && held.zip(&proposal.ids).all(|(held, proposed)| held == proposed)
            };
            let Some(next) = self.0.iter().find(goes_on) else { return path };
            for &id in &next.ids[end - next.at..] {
                path.push(id);
                hashes.push(hashes[hashes.len() - 1].push(id));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(seq: u32, before: &[TokenId], ids: &[TokenId]) -> Proposal {
        Proposal { seq, at: before.len(), check: PrefixHash::of(before), ids: ids.to_vec() }
    }

    fn text(ids: &[TokenId]) -> Tokens {
        ids.iter().copied().collect()
    }

    #[test]
    fn a_proposal_is_usable_missing_spent_or_contradicted() {
        let given = proposal(1, &[1, 2], &[3, 4]);
        for (ids, standing) in [
            (&[1][..], Standing::Missing),
            (&[1, 2], Standing::Usable),
            (&[1, 2, 3], Standing::Usable),
            (&[1, 2, 3, 4], Standing::Spent),
            (&[1, 2, 3, 4, 5], Standing::Spent),
            (&[1, 3], Standing::Contradicted),
            (&[1, 2, 4], Standing::Contradicted),
            (&[1, 2, 3, 5, 6], Standing::Contradicted),
        ] {
            assert_eq!(given.standing(&text(ids)), standing, "{ids:?}");
        }
    }

    #[test]
    fn proposals_that_go_on_from_each_other_make_one_path() {
        let mut parked = Parked::default();
        parked.park(proposal(3, &[1, 2, 3, 4], &[5]));
        parked.park(proposal(1, &[1], &[2, 3]));
        assert_eq!(parked.path(&text(&[1])), [2, 3]);
        parked.park(proposal(2, &[1, 2, 3], &[4]));
        assert_eq!(parked.path(&text(&[1])), [2, 3, 4, 5]);
        assert_eq!(parked.path(&text(&[1, 2])), [3, 4, 5]);
        assert_eq!(parked.path(&text(&[1, 2, 3, 4])), [5]);
        assert!(parked.path(&text(&[1, 3])).is_empty());
    }

    #[test]
    fn of_two_branches_the_later_one_is_judged() {
        let mut parked = Parked::default();
        parked.park(proposal(2, &[1], &[7, 8]));
        parked.park(proposal(1, &[1], &[2, 3, 4]));
        assert_eq!(parked.path(&text(&[1])), [7, 8]);
        parked.prune(&text(&[1, 2]));
        assert_eq!(parked.path(&text(&[1, 2])), [3, 4]);
        assert_eq!(parked.len(), 1);
    }

    #[test]
    fn a_draft_that_goes_on_from_an_earlier_one_shares_its_place_and_may_be_repeated() {
        let mut parked = Parked::default();
        for seq in 0..20 {
            let ids: Vec<TokenId> = (1..=seq + 1).collect();
            parked.park(proposal(seq, &ids, &[seq + 2]));
        }
        assert_eq!(parked.len(), 1, "twenty requests of one token each");
        assert_eq!(parked.path(&text(&[1])), (2..=21).collect::<Vec<_>>());
        let before = parked.clone();
        parked.park(proposal(7, &[1, 2, 3, 4, 5, 6, 7, 8], &[9]));
        parked.park(proposal(0, &[1], &[2]));
        assert_eq!(parked, before);
        parked.park(proposal(7, &[1, 2, 3, 4, 5, 6, 7, 9], &[9]));
        assert_eq!(parked.len(), 2, "it rests on another text");
    }

    #[test]
    fn repeats_take_no_place_and_of_too_many_the_earliest_goes() {
        let mut parked = Parked::default();
        for seq in 0..6 {
            parked.park(proposal(9, &[1], &[2]));
            parked.park(proposal(seq, &[1, 2], &[seq]));
        }
        assert_eq!(parked.len(), MAX_PARKED);
        assert_eq!(parked.path(&text(&[1])), [2, 5]);
        parked.park(proposal(0, &[1], &[6]));
        assert_eq!(parked.path(&text(&[1, 6])), [0; 0], "an earlier one does not push out a later one");
    }
}

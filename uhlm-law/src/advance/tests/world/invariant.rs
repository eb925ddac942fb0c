//! The rules that hold in every state of a world.

use std::collections::BTreeMap;

use super::super::super::{Conversation, Labels, Origin, PrefixHash};
use super::super::replica::Session;
use super::super::rules::Violation;
use super::{World, check};

impl World {
    pub(super) fn check(&self, before: &Conversation) -> Result<(), Violation> {
        let (ids, committed) = (self.conversation.tokens().ids(), self.conversation.committed());
        if before.generation() == self.conversation.generation() {
            check(committed >= before.committed(), "what is committed shrank")?;
            let kept = before.committed();
            check(ids[..kept] == before.tokens().ids()[..kept], "what is committed changed")?;
        }
        let start = self.conversation.begin().reply_start as usize;
        let reply = &ids[start..committed];
        check(reply.len() == self.origins.len(), "a committed token was not told, or told twice")?;
        let model = self.model();
        for (i, (&id, origin)) in reply.iter().zip(&self.origins).enumerate() {
            let prefix = self.conversation.tokens().hash_of(start + i).unwrap_or(PrefixHash::EMPTY);
            let from_target = matches!(origin, Origin::Verified | Origin::Target);
            let is_own = (0..self.rules.replicas).any(|replica| model.winner(prefix, replica) == id);
            check(is_own || !from_target, "a token is told to be the target's, and is not")?;
        }
        if self.is_exact() {
            let reference = model.reference(&ids[..start], self.rules.max_tokens as usize);
            check(reference.starts_with(reply), "the text is not the target's own")?;
        }
        check(reply.len() <= self.rules.max_tokens as usize, "the reply is too long")?;
        self.replicas.iter().flat_map(BTreeMap::values).try_for_each(Session::check)
    }

    /// Tells whether only the target decides, and is the same everywhere.
    pub(super) fn is_exact(&self) -> bool {
        !self.rules.opportunistic && self.rules.model.ties == 0 && !self.origins.contains(&Origin::Unverified)
    }

    pub(super) fn check_labels(&mut self, labels: &Labels) -> Result<(), Violation> {
        let start = self.conversation.begin().reply_start as usize;
        let wanted = self.rules.labels;
        check(
            labels.p.len() == if wanted.probabilities { labels.matched.len() } else { 0 },
            "other labels than wanted",
        )?;
        for (index, &matched) in (labels.pos as usize..).zip(&labels.matched) {
            let Some(origin) = self.origins.get(index - start).filter(|origin| **origin != Origin::Target) else {
                continue;
            };
            let (ids, prefix) = (self.conversation.tokens().ids(), self.conversation.tokens().hash_of(index));
            let winner = self.model().winner(prefix.unwrap_or(PrefixHash::EMPTY), 0);
            let is_certain = self.rules.model.ties == 0;
            self.labels += usize::from(*origin == Origin::Draft);
            check(
                self.rules.mutation.is_some() || !is_certain || matched == (winner == ids[index]),
                "a label is wrong",
            )?;
        }
        Ok(())
    }
}

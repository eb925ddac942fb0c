//! Takes over what another session's slot holds of the same text: system prompts above all, which the sessions of an
//! app have in common.
//!
//! How soon an answer comes tells whether somebody else has asked the same. So a session takes only from those of its
//! own owner, and from others what the operator has declared to be no secret ([`Target::declared`]).
//!
//! [`Target::declared`]: crate::target::Target::declared

use uhlm_law::advance::SessionId;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use super::worker::Worker;
use crate::owner::Owner;

/// Smallest number of tokens that are taken over.
const LEAST: usize = 16;

impl Worker {
    /// Has the empty slot of a session hold what another slot of its context holds of the text already.
    pub(super) fn share(&mut self, id: SessionId) -> Result<(), ModelError> {
        let Some(session) = self.table.get(id) else { return Ok(()) };
        let (Some(active), Some(slot), owner) = (&session.active, session.slot, session.owner) else { return Ok(()) };
        // Tokens that have a row are decoded; without any, one is all the same: a pass of the engine completes the
        // plan.
        let given = active.tokens.len().saturating_sub(active.plan.rows.max(1));
        if active.start > 0 || active.done > 0 || self.cache.len(slot) > 0 || given < LEAST {
            return Ok(());
        }
        let text: Vec<TokenId> = active.tokens[..given].to_vec();
        let Some((source, tokens)) = self.source_of(&text, slot, owner) else { return Ok(()) };
        if self.cache.share(self.target.as_mut(), source, slot, tokens)? {
            self.metrics.shared_tokens.inc_by(tokens as u64);
            self.reuse(id)?;
        }
        Ok(())
    }

    /// Returns the slot that holds most of what a session of `owner` may take over, and how many tokens that is.
    fn source_of(&mut self, text: &[TokenId], slot: u32, owner: Owner) -> Option<(u32, usize)> {
        let context = self.cache.context_of(slot);
        let begins = |declared: &&Vec<TokenId>| text.starts_with(declared);
        let declared = self.target.declared().iter().filter(begins).map(Vec::len).max().unwrap_or(0);
        let ids = self.table.slotted();
        let held = |id: SessionId| {
            let session = self.table.get(id)?;
            let source = session.slot.filter(|&source| source != slot && self.cache.context_of(source) == context)?;
            let common = self.cache.common(source, text.iter());
            let tokens = if session.owner == owner { common } else { common.min(declared) };
            (tokens >= LEAST).then_some((source, tokens))
        };
        ids.into_iter().filter_map(held).max_by_key(|(_, tokens)| *tokens)
    }
}

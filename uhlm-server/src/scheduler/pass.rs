//! What goes into one forward pass.
//!
//! Windows first: they are short, and a device waits for each. What is left, and at least an eighth of the pass, goes to
//! long prompts, which are decoded chunk by chunk. All rows of one request are computed in one pass, so that they can be
//! scored from the engine's own memory.

use std::cmp::Reverse;
use std::time::Instant;

use uhlm_law::model::ModelError;
use uhlm_law::protocol::ErrorCode;

use super::error;
use super::worker::{Worker, internal};
use crate::session_id::SessionId;
use crate::target::BatchToken;

/// After so many passes without room a request goes first.
const PATIENCE: u32 = 8;

/// The part of a pass that one request has.
#[derive(Debug)]
struct Share {
    session: SessionId,
    slot: u32,
    /// Index of its first token in the pass.
    first: usize,
    count: usize,
}

/// Rules of one pass.
#[derive(Clone, Copy, Debug)]
struct Split {
    /// Places kept for long prompts, if there are any.
    reserved: usize,
    /// The most tokens of one long prompt, if windows wait too.
    prefill: usize,
}

impl Split {
    fn new(batch_size: usize, short: bool, long: bool) -> Self {
        let share = Self::share(batch_size);
        Self { reserved: if long { share } else { 0 }, prefill: if short { share } else { batch_size } }
    }

    fn share(batch_size: usize) -> usize {
        (batch_size / 8).max(1)
    }

    /// How many of `remaining` tokens, of which the last `rows` have a row, go into `places` free places.
    fn chunk(&self, remaining: usize, rows: usize, places: usize) -> usize {
        let before_rows = remaining.saturating_sub(rows);
        if remaining <= places && before_rows <= self.prefill {
            remaining
        } else {
            before_rows.min(self.prefill).min(places)
        }
    }
}

impl Worker {
    /// Decodes one pass for the requests under way, and answers those that are complete.
    pub(super) fn pass(&mut self) -> Result<(), ModelError> {
        let order = self.order();
        if order.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let (batch, shares) = self.fill(&order, now)?;
        if shares.is_empty() {
            // Nobody fits. The one that came last gives way; what it holds can then be unloaded.
            let newest = order.iter().copied().max_by_key(|id| self.arrived(*id));
            newest.into_iter().for_each(|id| self.refuse_for_room(id));
            return Ok(());
        }
        match self.target.decode(&batch) {
            Ok(()) => self.metrics.pass(batch.len(), shares.len()),
            Err(failure) => return self.undo(&shares, failure),
        }
        for share in &shares {
            let range = share.first..share.first + share.count;
            let Some(active) = self.table.get_mut(share.session).and_then(|session| session.active.as_mut()) else {
                continue;
            };
            let tokens: Vec<_> = batch[range.clone()].iter().map(|token| token.id).collect();
            self.cache.push(share.slot, &tokens);
            active.done += share.count;
            if active.remaining() == 0 {
                let first_row = range.end - active.plan.rows;
                self.finish(share.session, first_row)?;
            }
        }
        Ok(())
    }

    fn arrived(&self, id: SessionId) -> Option<Instant> {
        self.table.get(id)?.active.as_ref().map(|active| active.arrived)
    }

    /// Sessions with a request under way, the one to serve first in front.
    fn order(&self) -> Vec<SessionId> {
        let share = Split::share(self.target.batch_size());
        let mut order: Vec<_> = self
            .table
            .iter()
            .filter_map(|(id, session)| {
                let active = session.active.as_ref()?;
                let is_long = active.remaining() > active.plan.rows + share;
                let waited = active.passed_over >= PATIENCE;
                Some(((Reverse(waited), is_long, active.arrived), id))
            })
            .collect();
        order.sort_unstable_by_key(|(key, _)| *key);
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Fills a pass in the given order. Sessions without a slot get one; sessions at rest make room.
    fn fill(&mut self, order: &[SessionId], now: Instant) -> Result<(Vec<BatchToken>, Vec<Share>), ModelError> {
        let batch_size = self.target.batch_size();
        let share = Split::share(batch_size);
        let is_long = |worker: &Self, id: SessionId| {
            let active = worker.table.get(id).and_then(|session| session.active.as_ref());
            active.is_some_and(|active| active.remaining() > active.plan.rows + share)
        };
        let long = order.iter().filter(|id| is_long(self, **id)).count();
        let split = Split::new(batch_size, long < order.len(), long > 0);
        let (mut batch, mut shares) = (Vec::with_capacity(batch_size), Vec::new());
        for &id in order {
            let Some(slot) = self.slot_of(id)? else { continue };
            let places = |worker: &Self, batch: &[BatchToken]| {
                let active = worker.table.get(id).and_then(|session| session.active.as_ref());
                let first_in_line = active.is_some_and(|active| active.passed_over >= PATIENCE);
                let reserved = if first_in_line || is_long(worker, id) { 0 } else { split.reserved };
                batch_size.saturating_sub(batch.len() + reserved)
            };
            let places = places(self, &batch);
            let wanted = |worker: &Self, places: usize| {
                let active = worker.table.get(id).and_then(|session| session.active.as_ref());
                active.map_or(0, |active| split.chunk(active.remaining(), active.plan.rows, places))
            };
            let count = wanted(self, places);
            while self.cache.room() < batch.len() + count && self.unload_one()? {}
            let room = self.cache.room().saturating_sub(batch.len());
            let count = wanted(self, places.min(room));
            let Some(active) = self.table.get_mut(id).and_then(|session| session.active.as_mut()) else { continue };
            if count == 0 {
                active.passed_over += 1;
                continue;
            }
            active.passed_over = 0;
            active.begun.get_or_insert(now);
            shares.push(Share { session: id, slot, first: batch.len(), count });
            let plan = &active.plan;
            let rows_from = plan.tokens.len() - plan.rows;
            batch.extend((active.done..active.done + count).map(|i| BatchToken {
                id: plan.tokens[i],
                position: plan.start + i,
                sequence: slot,
                logits: i >= rows_from,
            }));
        }
        Ok((batch, shares))
    }

    /// The session's slot; if it has none, a free one or that of a session at rest.
    fn slot_of(&mut self, id: SessionId) -> Result<Option<u32>, ModelError> {
        if let Some(slot) = self.table.get(id).and_then(|session| session.slot) {
            return Ok(Some(slot));
        }
        let mut slot = self.cache.take();
        if slot.is_none() && self.unload_one()? {
            slot = self.cache.take();
        }
        if let Some(session) = self.table.get_mut(id) {
            session.slot = slot;
        }
        Ok(slot)
    }

    fn refuse_for_room(&mut self, id: SessionId) {
        if let Some(active) = self.table.get_mut(id).and_then(|session| session.active.take()) {
            tracing::warn!(session = ?id, "refused: the cache is full");
            active.refuse(error(ErrorCode::Unavailable, "no room in the target's cache"));
        }
    }

    /// After a failed pass: every slot that it touched holds again what it held before.
    fn undo(&mut self, shares: &[Share], failure: ModelError) -> Result<(), ModelError> {
        let target = self.target.as_mut();
        if let ModelError::ContextFull { .. } = failure {
            // The engine's room is more fragmented than the count of tokens says.
            for share in shares {
                self.cache.repair(target, share.slot)?;
            }
            if !self.unload_one()? {
                let newest = shares.iter().map(|share| share.session).max_by_key(|id| self.arrived(*id));
                newest.into_iter().for_each(|id| self.refuse_for_room(id));
            }
            return Ok(());
        }
        let refusal = internal(failure);
        for share in shares {
            self.cache.forget(self.target.as_mut(), share.slot)?;
            if let Some(session) = self.table.get_mut(share.session) {
                session.sequence.cache_lost(0);
                if let Some(active) = session.active.take() {
                    active.refuse(refusal.clone());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_a_long_prompt_takes_the_whole_pass_and_beside_windows_an_eighth() {
        let alone = Split::new(512, false, true);
        assert_eq!(alone.chunk(2000, 1, 512), 512);
        let beside = Split::new(512, true, true);
        assert_eq!(beside.chunk(2000, 1, 500), 64);
        assert_eq!(beside.reserved, 64);
    }

    #[test]
    fn rows_are_never_torn_apart() {
        let split = Split::new(512, true, false);
        assert_eq!(split.chunk(10, 9, 10), 10);
        assert_eq!(split.chunk(10, 9, 9), 1, "the token before the rows can go ahead");
        assert_eq!(split.chunk(9, 9, 8), 0);
        assert_eq!(split.chunk(257, 257, 448), 257);
    }

    #[test]
    fn every_split_lets_a_request_that_is_alone_make_progress() {
        for batch_size in [2, 8, 64, 512] {
            for remaining in 1..=3 * batch_size {
                for rows in 0..=remaining.min(batch_size) {
                    assert!(Split::new(batch_size, true, false).chunk(remaining, rows, batch_size) > 0);
                    assert!(Split::new(batch_size, false, true).chunk(remaining, rows, batch_size) > 0);
                }
            }
        }
    }
}

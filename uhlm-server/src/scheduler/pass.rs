//! What goes into one pass of the engine.
//!
//! Short passes of sessions first: a device waits for each. What is left, and at least an eighth of the engine's pass,
//! goes to long prompts, which are decoded chunk by chunk. Places that nobody needs go to what the target writes ahead
//! for a session whose grants end: its device only may have use for it. A session's pass that does not fit is cut
//! anywhere: its rows are scored as they come.

use std::cmp::Reverse;
use std::time::Instant;

use uhlm_law::advance::{PassKind, Progress, SessionId};
use uhlm_law::model::ModelError;
use uhlm_law::protocol::{ErrorBody, ErrorCode};

use super::job::{Active, Had};
use super::turn::fail;
use super::worker::{Worker, internal};
use crate::session::Session;
use crate::session_id::Short;
use crate::target::BatchToken;

/// After so many passes without room a request goes first.
const PATIENCE: u32 = 8;

/// How urgent a session's pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// A device waits for it.
    Short,
    /// A device waits, and knows that its prompt takes time.
    Long,
    /// A device may have use for it.
    Spare,
}

/// The part of the engine's pass that one session has.
#[derive(Debug)]
struct Share {
    session: SessionId,
    slot: u32,
    /// Index of its first token in the engine's pass.
    first: usize,
    count: usize,
    /// Whether it is a part of a long prompt.
    is_long: bool,
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
    /// `piece` is how much of long prompts a pass may take.
    fn new(batch_size: usize, piece: usize, short: bool, long: bool) -> Self {
        let share = Self::share(batch_size);
        let prefill = if short { share } else { batch_size };
        Self { reserved: if long { share } else { 0 }, prefill: prefill.min(piece).max(1) }
    }

    fn share(batch_size: usize) -> usize {
        (batch_size / 8).max(1)
    }

    /// Tells whether so many tokens before the first row make a pass a long one.
    fn is_long(batch_size: usize, before_rows: usize) -> bool {
        before_rows > Self::share(batch_size)
    }

    /// Returns how many of `remaining` tokens, `before_rows` of which come before the first row, go into `places` free
    /// places.
    fn chunk(&self, remaining: usize, before_rows: usize, places: usize) -> usize {
        if before_rows > self.prefill { self.prefill.min(places) } else { remaining.min(places) }
    }
}

impl Worker {
    /// Decodes one pass of the engine for the sessions that wait for one, and tells those that are complete.
    pub(super) fn pass(&mut self) -> Result<(), ModelError> {
        let order = self.order();
        if order.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let (batch, shares) = self.fill(&order, now)?;
        self.report(&order);
        self.pulse.beat();
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
        self.last_pass = shares.iter().filter_map(|share| self.had(share)).collect();
        for share in &shares {
            let tokens: Vec<_> = batch[share.first..share.first + share.count].iter().map(|token| token.id).collect();
            self.cache.push(share.slot, &tokens);
            if let Some(active) = self.active_mut(share.session) {
                active.done += share.count;
            }
        }
        // What arrived meanwhile may replace the text that a pass rests on, or take its answer over.
        self.take_arrived()?;
        for share in &shares {
            // Or it has ended the session.
            let Some(active) = self.active_mut(share.session) else { continue };
            let range = active.done - share.count..active.done;
            self.score(share.session, share.first, range);
            if self.active(share.session).is_some_and(|active| active.remaining() == 0) {
                self.complete(share.session)?;
                // What has arrived by now belongs into the session's next pass.
                self.take_arrived()?;
                self.plan(share.session)?;
            }
        }
        // With the rows' scores, which an engine that works on its own may have waited for.
        let seconds = now.elapsed().as_secs_f64();
        self.pass_times.observe(batch.len(), seconds);
        if shares.iter().any(|share| share.is_long) {
            self.reading.observe(batch.len(), seconds);
        }
        Ok(())
    }

    /// Leaves word for the answers that wait: how much is read, and how many are served before.
    fn report(&self, order: &[SessionId]) {
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        for (ahead, id) in order.iter().enumerate() {
            let Some(session) = self.table.get(*id) else { continue };
            let Some(active) = &session.active else { continue };
            let ahead = if active.begun.is_some() { 0 } else { ahead };
            let (read, total) = (small(active.done), small(active.tokens.len()));
            session.report(Progress { read, total, ahead: small(ahead) });
        }
    }

    /// Returns what a session has in a pass, for the next one to be planned by.
    fn had(&self, share: &Share) -> Option<Had> {
        let session = self.table.get(share.session)?;
        let active = session.active.as_ref()?;
        // Not every pass is complete with this one of the engine.
        let is_last = active.done + share.count == active.tokens.len();
        let tokens = if is_last { session.acceptance.tokens(active.plan.draft().len()) } else { 0.0 };
        Some(Had { session: share.session, rows: share.count, tokens })
    }

    /// Returns how urgent a session's pass is; `None` where it waits for none.
    fn urgency(&self, session: &Session) -> Option<Urgency> {
        let active = session.active.as_ref()?;
        // One that decodes given tokens too is what their device waits for.
        let only_writes = active.plan.kind == PassKind::SelfMade && active.tokens.len() == active.plan.rows;
        if only_writes && !session.target.runs_ahead() {
            return Some(Urgency::Spare);
        }
        let is_long = Split::is_long(self.target.info().batch_size, active.before_rows());
        Some(if is_long { Urgency::Long } else { Urgency::Short })
    }

    fn active(&self, id: SessionId) -> Option<&Active> {
        self.table.get(id)?.active.as_ref()
    }

    fn active_mut(&mut self, id: SessionId) -> Option<&mut Active> {
        self.table.get_mut(id)?.active.as_mut()
    }

    /// Returns when the last request of a session that waits for a pass arrived.
    fn arrived(&self, id: SessionId) -> Option<Instant> {
        self.table.get(id).filter(|session| session.active.is_some()).map(|session| session.arrived)
    }

    /// Returns the sessions that wait for a pass, the one to serve first in front.
    fn order(&self) -> Vec<SessionId> {
        let mut order: Vec<_> = self
            .table
            .iter()
            .filter_map(|(id, session)| {
                let active = session.active.as_ref()?;
                let waited = active.passed_over >= PATIENCE;
                Some(((Reverse(waited), self.urgency(session)?, active.ready), id))
            })
            .collect();
        order.sort_unstable_by_key(|(key, _)| *key);
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Fills a pass of the engine in the given order. Sessions without a slot get one; sessions at rest make room.
    fn fill(&mut self, order: &[SessionId], now: Instant) -> Result<(Vec<BatchToken>, Vec<Share>), ModelError> {
        let batch_size = self.target.info().batch_size;
        let urgency_of = |worker: &Self, id| worker.table.get(id).and_then(|session| worker.urgency(session));
        let has = |urgency| order.iter().any(|id| urgency_of(self, *id) == Some(urgency));
        let piece = self.reading.piece(batch_size);
        let split = Split::new(batch_size, piece, has(Urgency::Short), has(Urgency::Long));
        let (mut batch, mut shares) = (Vec::with_capacity(batch_size), Vec::new());
        // What the pass may still take of long prompts.
        let mut piece = piece;
        for &id in order {
            let Some(slot) = self.slot_of(id)? else {
                if let Some(active) = self.active_mut(id) {
                    active.passed_over += 1;
                }
                continue;
            };
            let (Some(active), Some(urgency)) = (self.active(id), urgency_of(self, id)) else { continue };
            let is_first_in_line = active.passed_over >= PATIENCE;
            let reserved = if is_first_in_line || urgency != Urgency::Short { 0 } else { split.reserved };
            let places = batch_size.saturating_sub(batch.len() + reserved);
            let places = if urgency == Urgency::Long { places.min(piece) } else { places };
            let (remaining, before_rows) = (active.remaining(), active.before_rows());
            let count = split.chunk(remaining, before_rows, places);
            while self.cache.room() < batch.len() + count && self.unload_one()? {}
            let room = self.cache.room().saturating_sub(batch.len());
            let count = split.chunk(remaining, before_rows, places.min(room));
            let Some(active) = self.active_mut(id) else { continue };
            if count == 0 {
                active.passed_over += 1;
                continue;
            }
            active.passed_over = 0;
            active.begun.get_or_insert(now);
            if urgency == Urgency::Long {
                piece -= count;
            }
            shares.push(Share { session: id, slot, first: batch.len(), count, is_long: urgency == Urgency::Long });
            let rows_from = active.tokens.len() - active.plan.rows;
            batch.extend((active.done..active.done + count).map(|i| BatchToken {
                id: active.tokens[i],
                position: active.start + i,
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
        if let Some(session) = self.table.get_mut(id) {
            tracing::warn!(session = %Short(id), "refused: the cache is full");
            fail(session, ErrorBody::new(ErrorCode::Unavailable, "no room in the target's cache"));
        }
    }

    /// After a failed pass: every slot that it touched holds again what it held before, or nothing.
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
        let refusal = internal(&failure);
        for share in shares {
            self.cache.forget(self.target.as_mut(), share.slot)?;
            if let Some(session) = self.table.get_mut(share.session) {
                fail(session, refusal.clone());
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
        let alone = Split::new(512, 512, false, true);
        assert_eq!(alone.chunk(2000, 1999, 512), 512);
        let beside = Split::new(512, 512, true, true);
        assert_eq!(beside.chunk(2000, 1999, 500), 64);
        assert_eq!(beside.reserved, 64);
        let slow = Split::new(512, 60, false, true);
        assert_eq!((slow.chunk(2000, 1999, 60), slow.chunk(30, 29, 60)), (60, 30));
    }

    #[test]
    fn what_does_not_fit_is_cut_rows_included() {
        let split = Split::new(512, 512, true, false);
        assert_eq!(split.chunk(10, 1, 10), 10);
        assert_eq!(split.chunk(10, 1, 4), 4);
        assert_eq!(split.chunk(513, 0, 512), 512);
        assert_eq!(split.chunk(9, 0, 0), 0);
    }

    #[test]
    fn every_split_lets_a_session_that_is_alone_make_progress() {
        for batch_size in [1, 2, 8, 64, 512] {
            for remaining in 1..=3 * batch_size {
                for before_rows in 0..=remaining {
                    for (piece, short) in [(batch_size, true), (batch_size, false), (1, false), (1, true)] {
                        let split = Split::new(batch_size, piece, short, !short);
                        assert!(split.chunk(remaining, before_rows, batch_size) > 0);
                    }
                }
            }
        }
    }
}

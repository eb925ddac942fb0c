//! Gives slots of the engine to sessions, and takes them away where slots or cache are short, as [`super::room`] and
//! [`super::rotation`] decide.
//!
//! A session gets a slot only when there is room for all that it has to decode: with less, several would hold what none
//! of them can use.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use uhlm_law::advance::{ErrorBody, ErrorCode, PassKind, SessionId};
use uhlm_law::model::ModelError;

use super::division::{Share, Urgency, Waiting, Want};
use super::job::Active;
use super::room::{self, Holding, Kind, Work};
use super::rotation::at_work_for;
use super::turn::{fail, give_up};
use super::worker::Worker;
use crate::metrics::Limit;
use crate::owner::Owner;
use crate::session::Session;
use crate::session_id::Short;

/// Purpose for which room is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A place for a session that has none.
    Place,
    /// Further tokens of a session that has its place.
    Growth,
}

impl Worker {
    /// Gives slots to the waiting sessions that have none, as far as there are any. Returns the indices of the sessions
    /// that have one: no other session is given a part of the pass.
    pub(super) fn slotted(&mut self, waiting: &Waiting, now: Instant) -> Result<Vec<usize>, ModelError> {
        // Tokens that sessions with a slot have still to decode: room that is spoken for, by context.
        let mut promised = vec![0; self.cache.contexts()];
        for (id, want) in waiting.ids.iter().zip(&waiting.wants) {
            if let Some(slot) = self.table.get(*id).and_then(|session| session.slot) {
                promised[self.cache.context_of(slot)] += want.tokens;
            }
        }
        let has_slot =
            |worker: &Self, i: &usize| worker.table.get(waiting.ids[*i]).is_some_and(|session| session.slot.is_some());
        let mut without: Vec<usize> = (0..waiting.ids.len()).filter(|i| !has_slot(self, i)).collect();
        let place =
            |want: &Want| (want.owner_served, Reverse(want.waited), want.urgency, want.session_served, want.ready);
        without.sort_by_key(|&i| place(&waiting.wants[i]));
        // If one session of an owner finds no place, its others do not either.
        let (mut in_vain, mut waits, mut given) = (BTreeSet::new(), 0, 0);
        for i in without {
            let want = &waiting.wants[i];
            let is_placed = !in_vain.contains(&want.owner)
                && self.place(waiting.ids[i], want.owner, want.tokens, &mut promised, now)?;
            if is_placed {
                // One that found its place at once says nothing about how long places are waited for.
                given += usize::from(self.table.get(waiting.ids[i]).is_some_and(Session::was_passed_over));
            } else {
                in_vain.insert(want.owner);
                waits += 1;
            }
        }
        self.rotation.places(waits, given, now);
        Ok((0..waiting.ids.len()).filter(|i| has_slot(self, i)).collect())
    }

    /// Gives a session a slot with room for the `tokens` tokens that it has to decode, and makes room for it where that
    /// is due; returns whether it has one then. `promised` has the room that others will need, by context.
    fn place(
        &mut self,
        id: SessionId,
        owner: Owner,
        tokens: usize,
        promised: &mut [usize],
        now: Instant,
    ) -> Result<bool, ModelError> {
        let must_give = self.is_at_quota(owner, Kind::Slots) || self.cache.roomiest().is_none();
        if must_give && !self.unload_one(owner, Kind::Slots, &[], Need::Place, None)? {
            return Ok(false);
        }
        let Some(context) = self.cache.roomiest() else { return Ok(false) };
        while self.cache.room(context) < promised[context] + tokens {
            if !self.unload_one(owner, Kind::Tokens, &[], Need::Place, Some(context))? {
                return Ok(false);
            }
        }
        let Some(session) = self.table.get_mut(id) else { return Ok(false) };
        session.slot = self.cache.take(context);
        session.placed = now;
        let is_placed = session.slot.is_some();
        self.share(id)?;
        // What is shared is in the cache's account by now.
        let left = self.table.get(id).and_then(|session| session.active.as_ref()).map_or(tokens, Active::remaining);
        promised[context] += left;
        Ok(is_placed)
    }

    /// Returns the sessions that have a slot, of one context or of all, and how much of `kind` each of them holds.
    /// Those of `pinned` are in the pass that is being filled.
    fn holdings(&mut self, kind: Kind, pinned: &[Share], context: Option<usize>) -> (Vec<SessionId>, Vec<Holding>) {
        let pinned: HashSet<SessionId> = pinned.iter().map(|share| share.session).collect();
        let (ids, now) = (self.table.slotted(), self.clock.now());
        let each = self.times.reading(1, self.target.info().batch_size);
        let holding = |id: &SessionId| {
            let session = self.table.get(*id)?;
            let slot = session.slot?;
            if context.is_some_and(|context| context != self.cache.context_of(slot)) {
                return None;
            }
            let held = self.cache.len(slot);
            let is_at_work = || now.saturating_duration_since(session.last_use) < at_work_for(each * held as f64);
            let work = match &session.active {
                _ if pinned.contains(id) => Work::Pinned,
                None if is_at_work() => Work::Paused,
                None => Work::Rest,
                Some(_) if self.urgency(session) == Some(Urgency::Long) => Work::Reading,
                Some(active) if active.plan.kind != PassKind::Judged => Work::Writing,
                Some(_) => Work::Pinned,
            };
            let amount = if kind == Kind::Slots { 1 } else { held };
            Some(Holding { owner: session.owner, amount, work, used: session.last_use, placed: session.placed })
        };
        ids.into_iter().filter_map(|id| Some((id, holding(&id)?))).unzip()
    }

    /// Tells whether a session has a place and waits for no pass: it will make room, even if not now.
    pub(super) fn is_any_at_rest(&mut self) -> bool {
        let ids = self.table.slotted();
        ids.iter().any(|id| self.table.get(*id).is_some_and(|session| session.active.is_none()))
    }

    /// Returns how slots, or the tokens of one context or of all, are divided.
    fn division(&self, kind: Kind, need: Need, context: Option<usize>) -> room::Division {
        let (quotas, contexts) = (&self.limits.owner, self.cache.contexts());
        let (capacity, each) = match kind {
            Kind::Slots => (self.cache.slots(), quotas.slots_of(self.cache.slots())),
            Kind::Tokens => {
                let whole = self.cache.capacity() * contexts;
                let part = if context.is_some() { contexts } else { 1 };
                (whole / part, quotas.cache_of(whole).div_ceil(part))
            }
        };
        let may_turn = need == Need::Growth || self.rotation.may_turn();
        room::Division { capacity, each, keep: self.limits.keep, now: self.clock.now(), may_turn }
    }

    /// Tells whether an owner has as much as one owner may have, even if some is left.
    pub(super) fn is_at_quota(&mut self, owner: Owner, kind: Kind) -> bool {
        let division = self.division(kind, Need::Growth, None);
        if division.each >= division.capacity {
            return false;
        }
        let (_, holdings) = self.holdings(kind, &[], None);
        room::is_at_quota(owner, &holdings, &division)
    }

    /// Tells whether a session of `owner` with so many tokens to decode gets a place as soon as it asks for one,
    /// however long others wait for theirs: there is one left, or the owner has less than its share.
    pub(super) fn finds_place(&mut self, owner: Owner, tokens: usize) -> bool {
        if self.forecast.has_unplaced(owner) {
            return false;
        }
        let has_room = self.cache.roomiest().is_some_and(|context| self.cache.room(context) >= tokens);
        if has_room && !self.is_at_quota(owner, Kind::Slots) {
            return true;
        }
        let (_, holdings) = self.holdings(Kind::Slots, &[], None);
        let division = room::Division { may_turn: false, ..self.division(Kind::Slots, Need::Place, None) };
        room::victim(owner, &holdings, &division).is_some()
    }

    /// Takes the slot of a session, of one context or of any, so that `owner` has room; returns `false` if no session
    /// makes any. The session stays: its tokens are decoded again when it needs them.
    pub(super) fn unload_one(
        &mut self,
        owner: Owner,
        kind: Kind,
        pinned: &[Share],
        need: Need,
        context: Option<usize>,
    ) -> Result<bool, ModelError> {
        let (ids, holdings) = self.holdings(kind, pinned, context);
        let division = self.division(kind, need, context);
        let Some(victim) = room::victim(owner, &holdings, &division) else { return Ok(false) };
        let id = ids[victim];
        let Some(session) = self.table.get_mut(id) else { return Ok(false) };
        let Some(slot) = session.slot.take() else { return Ok(false) };
        if holdings[victim].work != Work::Rest {
            let tokens = self.cache.len(slot);
            self.rotation.turned(self.times.reading(tokens, self.target.info().batch_size));
        }
        give_up(session);
        session.target.cache_lost(0);
        self.cache.release(self.target.as_mut(), slot)?;
        self.metrics.sessions_unloaded.inc();
        tracing::debug!(session = %Short(id), "unloaded");
        Ok(true)
    }

    pub(super) fn refuse_for_room(&mut self, id: SessionId) {
        if let Some(session) = self.table.get_mut(id) {
            self.metrics.by.reached(Limit::Cache);
            tracing::warn!(session = %Short(id), "refused: the cache is full");
            fail(session, ErrorBody::new(ErrorCode::Unavailable, "no room in the target's cache"));
        }
    }
}

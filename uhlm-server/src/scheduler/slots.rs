//! Gives slots of the engine to sessions, and takes them away where slots or cache are short, as [`super::room`]
//! decides.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use uhlm_law::advance::{ErrorBody, ErrorCode, PassKind, SessionId};
use uhlm_law::model::ModelError;

use super::division::{Share, Urgency, Waiting, Want};
use super::room::{self, Holding, Kind, Work};
use super::turn::{fail, give_up};
use super::worker::Worker;
use crate::metrics::Limit;
use crate::owner::Owner;
use crate::session_id::Short;

impl Worker {
    /// Gives slots to the waiting sessions that have none, as far as there are any. Returns the indices of the sessions
    /// that have one: no other session is given a part of the pass.
    pub(super) fn slotted(&mut self, waiting: &Waiting) -> Result<Vec<usize>, ModelError> {
        let has_slot =
            |worker: &Self, i: &usize| worker.table.get(waiting.ids[*i]).is_some_and(|session| session.slot.is_some());
        let mut without: Vec<usize> = (0..waiting.ids.len()).filter(|i| !has_slot(self, i)).collect();
        let place =
            |want: &Want| (want.owner_served, Reverse(want.waited), want.urgency, want.session_served, want.ready);
        without.sort_by_key(|&i| place(&waiting.wants[i]));
        // If one session of an owner finds no slot, its others do not either.
        let mut in_vain = BTreeSet::new();
        for i in without {
            let owner = waiting.wants[i].owner;
            if !in_vain.contains(&owner) && self.slot_of(waiting.ids[i], owner, &[])?.is_none() {
                in_vain.insert(owner);
            }
        }
        Ok((0..waiting.ids.len()).filter(|i| has_slot(self, i)).collect())
    }

    /// Returns the session's slot; if it has none, a free one or that of whoever makes room.
    fn slot_of(&mut self, id: SessionId, owner: Owner, pinned: &[Share]) -> Result<Option<u32>, ModelError> {
        if let Some(slot) = self.table.get(id).and_then(|session| session.slot) {
            return Ok(Some(slot));
        }
        let mut slot = if self.is_at_quota(owner, Kind::Slots) { None } else { self.cache.take() };
        if slot.is_none() && self.unload_one(owner, Kind::Slots, pinned)? {
            slot = self.cache.take();
        }
        if let Some(session) = self.table.get_mut(id) {
            session.slot = slot;
        }
        Ok(slot)
    }

    /// Returns the sessions that have a slot, and how much of `kind` each of them holds. Those of `pinned` are in the
    /// pass that is being filled.
    fn holdings(&mut self, kind: Kind, pinned: &[Share]) -> (Vec<SessionId>, Vec<Holding>) {
        let pinned: HashSet<SessionId> = pinned.iter().map(|share| share.session).collect();
        let ids = self.table.slotted();
        let holding = |id: &SessionId| {
            let session = self.table.get(*id)?;
            let work = match &session.active {
                _ if pinned.contains(id) => Work::Pinned,
                None => Work::Rest,
                Some(active) if active.plan.kind != PassKind::Judged => Work::Preemptible,
                Some(_) if self.urgency(session) == Some(Urgency::Long) => Work::Preemptible,
                Some(_) => Work::Pinned,
            };
            let amount = if kind == Kind::Slots { 1 } else { self.cache.len(session.slot?) };
            Some(Holding { owner: session.owner, amount, work, used: session.last_use })
        };
        ids.into_iter().filter_map(|id| Some((id, holding(&id)?))).unzip()
    }

    fn division(&self, kind: Kind) -> room::Division {
        let quotas = &self.limits.owner;
        let (capacity, each) = match kind {
            Kind::Slots => (self.cache.slots(), quotas.slots_of(self.cache.slots())),
            Kind::Tokens => (self.cache.capacity(), quotas.cache_of(self.cache.capacity())),
        };
        room::Division { capacity, each, keep: self.limits.keep, now: self.clock.now() }
    }

    /// Tells whether an owner has as much as one owner may have, even if some is left.
    pub(super) fn is_at_quota(&mut self, owner: Owner, kind: Kind) -> bool {
        let division = self.division(kind);
        if division.each >= division.capacity {
            return false;
        }
        let (_, holdings) = self.holdings(kind, &[]);
        room::is_at_quota(owner, &holdings, &division)
    }

    /// Takes the slot of a session so that `owner` has room; returns `false` if no session makes any. The session
    /// stays: its tokens are decoded again when it needs them.
    pub(super) fn unload_one(&mut self, owner: Owner, kind: Kind, pinned: &[Share]) -> Result<bool, ModelError> {
        let (ids, holdings) = self.holdings(kind, pinned);
        let Some(victim) = room::victim(owner, &holdings, &self.division(kind)) else { return Ok(false) };
        let id = ids[victim];
        let Some(session) = self.table.get_mut(id) else { return Ok(false) };
        let Some(slot) = session.slot.take() else { return Ok(false) };
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

//! All sessions, and the lists by which the scheduler finds those that it looks for without looking at all of them.
//!
//! Whoever changes a session has got it by [`Table::get_mut`], so the table knows which ones may stand in other lists
//! than before; [`Table::settle`] puts these right. The lists are in order: who is to be asked what it does next, who
//! waits for a pass, who has a slot, and who is at rest, the one unused longest in front, of all and of each owner.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use uhlm_law::advance::{Limits, SessionId};

use super::Session;
use crate::owner::Owner;
use crate::scheduler::fair::{Fair, SessionKey};

/// The lists of the table in which a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Filed {
    stirred: bool,
    waiting: bool,
    slotted: bool,
    /// Time since which the session is at rest; `None` while it is not.
    resting: Option<Instant>,
    /// Time at which the session was last used; `None` until it was asked anything.
    used: Option<Instant>,
}

impl Filed {
    fn of(session: &Session) -> Self {
        Self {
            stirred: session.stirred,
            waiting: session.active.is_some(),
            slotted: session.slot.is_some(),
            resting: session.is_idle().then_some(session.last_use),
            used: session.target.begin().map(|_| session.last_use),
        }
    }
}

#[derive(Debug)]
struct Entry {
    session: Session,
    filed: Filed,
    /// Whether the session may have changed and is to be filed anew.
    touched: bool,
}

/// The sessions of one owner.
#[derive(Debug, Default)]
struct Owned {
    sessions: usize,
    /// Its sessions at rest, the one unused longest in front.
    resting: BTreeSet<(Instant, SessionKey)>,
    /// Sessions that were asked anything, by the time at which each was last used.
    used: BTreeSet<(Instant, SessionKey)>,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Table {
    entries: HashMap<SessionId, Entry>,
    limit: usize,
    /// Largest number of sessions of one owner.
    each: usize,
    touched: Vec<SessionId>,
    stirred: BTreeSet<SessionKey>,
    waiting: BTreeSet<SessionKey>,
    slotted: BTreeSet<SessionKey>,
    resting: BTreeSet<(Instant, SessionKey)>,
    owners: HashMap<Owner, Owned>,
    /// Owners by the time at which each last asked anything or was served.
    used: BTreeSet<(Instant, Owner)>,
    /// Counters of how much of the target each owner and each session has had.
    pub(crate) fair: Fair,
}

fn ids(keys: &BTreeSet<SessionKey>) -> Vec<SessionId> {
    keys.iter().copied().map(SessionId).collect()
}

/// Moves something from one place of an ordered list to another.
fn refile<K: Ord>(list: &mut BTreeSet<K>, from: Option<K>, to: Option<K>) {
    if from != to {
        from.map(|from| list.remove(&from));
        to.map(|to| list.insert(to));
    }
}

impl Table {
    /// Makes a table for `limit` sessions, of which one owner may have `each`.
    pub(crate) fn new(limit: usize, each: usize) -> Self {
        Self {
            entries: HashMap::new(),
            limit,
            each,
            touched: Vec::new(),
            stirred: BTreeSet::new(),
            waiting: BTreeSet::new(),
            slotted: BTreeSet::new(),
            resting: BTreeSet::new(),
            owners: HashMap::new(),
            used: BTreeSet::new(),
            fair: Fair::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    /// Tells whether an owner has as many sessions as one may have.
    pub(crate) fn is_at_quota(&self, owner: Owner) -> bool {
        self.owners.get(&owner).is_some_and(|owned| owned.sessions >= self.each)
    }

    /// Adds a session under a name that nobody else has.
    pub(crate) fn open(&mut self, id: SessionId, owner: Owner, limits: Limits, now: Instant) {
        let session = Session::new(owner, limits, now);
        self.entries.insert(id, Entry { session, filed: Filed::default(), touched: true });
        self.touched.push(id);
        self.owners.entry(owner).or_default().sessions += 1;
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.entries.get(&id).map(|entry| &entry.session)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let entry = self.entries.get_mut(&id)?;
        if !entry.touched {
            entry.touched = true;
            self.touched.push(id);
        }
        Some(&mut entry.session)
    }

    /// Returns the session, if it exists and `owner` may use it: to anybody else it does not exist.
    pub(crate) fn owned(&mut self, id: SessionId, owner: Owner) -> Option<&mut Session> {
        self.get_mut(id).filter(|session| owner.may_use(session.owner))
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let Entry { session, filed, .. } = self.entries.remove(&id)?;
        self.file(id, session.owner, filed, Filed::default());
        self.fair.forget(session.owner, id.0);
        if let Some(owned) = self.owners.get_mut(&session.owner) {
            owned.sessions -= 1;
            if owned.sessions == 0 {
                self.owners.remove(&session.owner);
            }
        }
        Some(session)
    }

    fn file(&mut self, id: SessionId, owner: Owner, from: Filed, to: Filed) {
        let key = |is_listed: bool| is_listed.then_some(id.0);
        refile(&mut self.stirred, key(from.stirred), key(to.stirred));
        refile(&mut self.waiting, key(from.waiting), key(to.waiting));
        refile(&mut self.slotted, key(from.slotted), key(to.slotted));
        let at = |time: Option<Instant>| time.map(|time| (time, id.0));
        refile(&mut self.resting, at(from.resting), at(to.resting));
        match (from.waiting, to.waiting) {
            (false, true) => self.fair.arrive(owner, id.0),
            (true, false) => self.fair.leave(owner, id.0),
            _ => {}
        }
        let Some(owned) = self.owners.get_mut(&owner) else { return };
        refile(&mut owned.resting, at(from.resting), at(to.resting));
        let newest = |owned: &Owned| owned.used.last().map(|(time, _)| (*time, owner));
        let before = newest(owned);
        refile(&mut owned.used, at(from.used), at(to.used));
        refile(&mut self.used, before, newest(owned));
    }

    /// Files anew the sessions that were changed since the last time.
    fn settle(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let (from, to) = (entry.filed, Filed::of(&entry.session));
            (entry.touched, entry.filed) = (false, to);
            let owner = entry.session.owner;
            if from != to {
                self.file(id, owner, from, to);
            }
        }
    }

    /// Returns the sessions that have not been asked what they do next since something happened to them.
    pub(crate) fn stirred(&mut self) -> Vec<SessionId> {
        self.settle();
        ids(&self.stirred)
    }

    /// Returns the sessions that wait for a pass.
    pub(crate) fn waiting(&mut self) -> Vec<SessionId> {
        self.settle();
        ids(&self.waiting)
    }

    /// Returns the sessions that have a slot.
    pub(crate) fn slotted(&mut self) -> Vec<SessionId> {
        self.settle();
        ids(&self.slotted)
    }

    /// Tells whether a session has something to do.
    pub(crate) fn is_busy(&mut self) -> bool {
        self.settle();
        !self.waiting.is_empty() || !self.stirred.is_empty()
    }

    /// Returns all sessions.
    pub(crate) fn all(&self) -> Vec<SessionId> {
        self.entries.keys().copied().collect()
    }

    /// Returns the session that makes room for one more of `owner`: its own that was idle longest or, if the owner may
    /// have more, anybody's. No session that was used within `keep` is returned.
    pub(crate) fn evictable(&mut self, owner: Owner, keep: Duration, now: Instant) -> Option<SessionId> {
        self.settle();
        let stale = |(used, _): &&(Instant, SessionKey)| now.saturating_duration_since(*used) >= keep;
        let own = self.owners.get(&owner).and_then(|owned| owned.resting.first()).filter(stale);
        let anybodys = || self.resting.first().filter(stale).filter(|_| !self.is_at_quota(owner));
        own.or_else(anybodys).map(|(_, key)| SessionId(*key))
    }

    /// Returns whichever of the two owners that were at work last were so after `since`, the newer one first.
    pub(crate) fn lately(&mut self, since: Instant) -> impl Iterator<Item = Owner> {
        self.settle();
        self.used.iter().rev().take(2).filter(move |(used, _)| *used >= since).map(|(_, owner)| *owner)
    }

    /// Returns the sessions at rest that were not used for `idle` or longer.
    pub(crate) fn expired(&mut self, idle: Duration, now: Instant) -> Vec<SessionId> {
        self.settle();
        let is_expired = |(used, _): &&(Instant, SessionKey)| now.saturating_duration_since(*used) >= idle;
        self.resting.iter().take_while(is_expired).map(|(_, key)| SessionId(*key)).collect()
    }

    /// Returns the time at which the next idle session expires; `None` if no session is at rest.
    pub(crate) fn next_expiry(&mut self, idle: Duration) -> Option<Instant> {
        self.settle();
        self.resting.first().map(|(used, _)| *used + idle)
    }
}

#[cfg(test)]
mod tests;

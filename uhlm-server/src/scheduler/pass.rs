//! One pass of the engine: collects the sessions that wait, fills the pass, decodes it, and takes in its results.
//!
//! Arranges what others decide: how many tokens it may have ([`super::budget`]), whose they are ([`super::division`]),
//! who has a slot and who makes room ([`super::slots`]). A session's pass that does not fit is cut anywhere: its rows
//! are scored as they come.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use uhlm_law::advance::{PassKind, Progress, SessionId};
use uhlm_law::model::ModelError;

use super::budget::{Budget, Load};
use super::division::{Share, Urgency, Waiting, Want, divide};
use super::fair::TOKEN;
use super::forecast::Arrival;
use super::job::{Active, Had};
use super::room::Kind;
use super::score::is_costly;
use super::slots::Need;
use super::worker::Worker;
use crate::owner::Owner;
use crate::session::Session;
use crate::target::BatchToken;

/// Number of passes without room after which a session goes before its owner's others.
const PATIENCE: u32 = 8;
/// Time for which an owner that was at work is still taken into account when a pass is filled.
const LATELY: Duration = Duration::from_secs(5);

/// Number of rows above which a window is no short matter any more, and waits among the long prompts.
const LONG_WINDOW: usize = 64;

/// Time after which sessions that wait for a place are looked at again, if nothing else happens.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A pass that is being filled.
#[derive(Default)]
struct Filling {
    batch: Vec<BatchToken>,
    shares: Vec<Share>,
    /// Whether any of the sessions that wait has a place in the engine.
    has_places: bool,
}

impl Worker {
    /// Decodes one pass of the engine for the sessions that wait for one, and tells those that are complete.
    pub(super) fn pass(&mut self) -> Result<(), ModelError> {
        let waiting = self.waiting();
        let began = self.clock.now();
        if waiting.ids.is_empty() {
            self.forecast.clear();
            self.rotation.places(0, 0, began);
            return Ok(());
        }
        self.rotation.rested(began);
        let Filling { batch, shares, has_places } = self.fill(&waiting, began)?;
        self.report(&waiting);
        self.pulse.beat();
        if shares.is_empty() {
            // Where those who wait have no place, whoever has one will make room.
            if !has_places && self.is_any_at_rest() {
                self.held_back = Some(began + LOOK_AGAIN);
                return Ok(());
            }
            // No session fits. The one whose request came last gives way; what it holds can then be unloaded.
            let newest = waiting.ids.iter().copied().max_by_key(|id| self.arrived(*id));
            newest.into_iter().for_each(|id| self.refuse_for_room(id));
            return Ok(());
        }
        let decoded = self.target.decode(&batch);
        let scoring_began = self.clock.now();
        match decoded {
            Ok(()) => self.metrics.pass(batch.len(), shares.len()),
            Err(failure) => {
                let retried = self.retry(&batch, &shares, &failure, began);
                self.rotation.worked(self.clock.now());
                return retried;
            }
        }
        self.last_pass = shares.iter().filter_map(|share| self.had(share)).collect();
        self.decoded(&batch, &shares, began)?;
        // The time includes the rows' scores, which an engine that works on its own may have waited for.
        let ended = self.clock.now();
        let seconds = ended.saturating_duration_since(began).as_secs_f64();
        let decode = scoring_began.saturating_duration_since(began).as_secs_f64();
        let given = batch.iter().filter(|token| !token.logits).count();
        self.metrics.by.pass(batch.len(), given, decode, seconds - decode);
        self.rotation.worked(ended);
        self.times.observe(batch.len(), seconds);
        self.costs.observe(self.scored, self.costly_scored, seconds - decode);
        Ok(())
    }

    /// Takes in the results of a pass of the engine that began at `began`.
    pub(super) fn decoded(&mut self, batch: &[BatchToken], shares: &[Share], began: Instant) -> Result<(), ModelError> {
        for share in shares {
            let tokens: Vec<_> = batch[share.first..share.first + share.count].iter().map(|token| token.id).collect();
            self.cache.push(share.slot, &tokens);
            let Some(session) = self.table.get_mut(share.session) else { continue };
            let owner = session.owner;
            if let Some(active) = &mut session.active {
                active.done += share.count;
                active.moved = began;
            }
            self.table.fair.charge(owner, share.session.0, TOKEN * share.count as u64);
            self.metrics.by.decoded(owner, share.count);
            self.forecast.done(owner, share.count, share.is_long);
        }
        // A request that arrived meanwhile may replace the text that a pass rests on, or take its answer over.
        let mut allowance = self.allowance();
        self.take_arrived(&mut allowance)?;
        self.score(shares);
        for share in shares {
            // A request that arrived meanwhile may also have ended the session.
            if self.active(share.session).is_some_and(|active| active.remaining() == 0) {
                self.complete(share.session)?;
                // Requests that have arrived by now belong into the session's next pass.
                self.take_arrived(&mut allowance)?;
                self.plan(share.session)?;
            }
        }
        Ok(())
    }

    /// Reports to the answers that wait how many tokens are read and how many sessions are served before.
    fn report(&self, waiting: &Waiting) {
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut order: Vec<usize> = (0..waiting.ids.len()).collect();
        let place = |want: &Want| (want.urgency, want.owner_served, want.session_served, want.ready);
        order.sort_by_key(|&i| place(&waiting.wants[i]));
        for (ahead, i) in order.into_iter().enumerate() {
            let Some(session) = self.table.get(waiting.ids[i]) else { continue };
            let Some(active) = &session.active else { continue };
            let ahead = if active.begun.is_some() { 0 } else { ahead };
            let (read, total) = (small(active.done), small(active.tokens.len()));
            session.report(Progress { read, total, ahead: small(ahead) });
        }
    }

    /// Returns the part of a session in a pass, by which the next one is planned.
    fn had(&self, share: &Share) -> Option<Had> {
        let session = self.table.get(share.session)?;
        let active = session.active.as_ref()?;
        // Not every session's pass is complete with this pass of the engine.
        let is_last = active.done + share.count == active.tokens.len();
        let tokens = if is_last { session.acceptance.tokens(active.plan.draft().len()) } else { 0.0 };
        Some(Had { session: share.session, rows: share.count, tokens })
    }

    /// Returns the urgency of a session's pass; `None` if it waits for none.
    pub(super) fn urgency(&self, session: &Session) -> Option<Urgency> {
        let active = session.active.as_ref()?;
        // A pass that decodes given tokens too is one that their device waits for.
        let only_writes = active.plan.kind == PassKind::SelfMade && active.tokens.len() == active.plan.rows;
        if only_writes && !session.target.runs_ahead() {
            return Some(Urgency::Spare);
        }
        let part = (self.target.info().batch_size / 8).max(1);
        let is_long = active.before_rows() > part || active.plan.rows > part.max(LONG_WINDOW);
        Some(if is_long { Urgency::Long } else { Urgency::Short })
    }

    fn active(&self, id: SessionId) -> Option<&Active> {
        self.table.get(id)?.active.as_ref()
    }

    fn active_mut(&mut self, id: SessionId) -> Option<&mut Active> {
        self.table.get_mut(id)?.active.as_mut()
    }

    /// Returns the arrival of the last request of a session; `None` if the session waits for no pass.
    pub(super) fn arrived(&self, id: SessionId) -> Option<Instant> {
        self.table.get(id).filter(|session| session.active.is_some()).map(|session| session.arrived)
    }

    /// Returns the sessions that wait for a pass, and what each of them wants.
    fn waiting(&mut self) -> Waiting {
        let ids = self.table.waiting();
        self.table.fair.bound();
        let (ids, wants) = ids.into_iter().filter_map(|id| Some((id, self.want(id)?))).unzip();
        Waiting { ids, wants }
    }

    /// Returns what a session that waits wants of the next pass.
    fn want(&self, id: SessionId) -> Option<Want> {
        let session = self.table.get(id)?;
        let active = session.active.as_ref()?;
        Some(Want {
            owner: session.owner,
            owner_served: self.table.fair.of_owner(session.owner),
            session_served: self.table.fair.of_session(session.owner, id.0),
            urgency: self.urgency(session)?,
            waited: active.passed_over >= PATIENCE,
            ready: active.ready,
            tokens: active.remaining(),
            most: usize::MAX,
            costly: active.before_rows() < active.plan.rows && is_costly(session, active),
        })
    }

    /// Takes note of what waits for the target, by which requests that arrive from now on are judged.
    fn foresee(&mut self, waiting: &Waiting, budget: Budget) {
        self.forecast.begin(budget);
        for (id, want) in waiting.ids.iter().zip(&waiting.wants) {
            let is_unplaced = self.table.get(*id).is_some_and(|session| session.slot.is_none());
            // Tokens that the target writes ahead keep nobody waiting.
            if want.urgency != Urgency::Spare || is_unplaced {
                let is_long = want.urgency == Urgency::Long;
                self.forecast.add(&Arrival { owner: want.owner, tokens: want.tokens, is_long, is_unplaced });
            }
        }
    }

    /// Returns the limits of the next pass.
    fn budget(&mut self, waiting: &Waiting, now: Instant) -> Budget {
        let mut owners: BTreeSet<Owner> = waiting.wants.iter().map(|want| want.owner).collect();
        if let Some(since) = now.checked_sub(LATELY) {
            owners.extend(self.table.lately(since));
        }
        let short = waiting.wants.iter().any(|want| want.urgency == Urgency::Short);
        let load = Load { short, others: owners.len() > 1 };
        let batch_size = self.target.info().batch_size;
        Budget::new(&self.times, &self.costs, batch_size, self.limits.pass_target.as_secs_f64(), load)
    }

    /// Fills a pass of the engine. Sessions without a slot get one; others make room where that is needed.
    fn fill(&mut self, waiting: &Waiting, now: Instant) -> Result<Filling, ModelError> {
        let budget = self.budget(waiting, now);
        let mut open = self.slotted(waiting, now)?;
        self.foresee(waiting, budget);
        let most = self.rows_at_once(waiting, budget.tokens);
        let mut filling = Filling { has_places: !open.is_empty(), ..Filling::default() };
        // A session that finds no room may be the one that was given the whole pass: it is divided again among the
        // others.
        while filling.batch.is_empty() && !open.is_empty() {
            // A session that has just found its place may have less to decode than it waited with.
            let fresh = |i: usize| self.want(waiting.ids[i]).unwrap_or(waiting.wants[i]);
            let wants: Vec<Want> = open.iter().map(|&i| Want { most: most[i], ..fresh(i) }).collect();
            let mut without_room = HashSet::new();
            for part in divide(&wants, &budget) {
                let i = open[part.want];
                let is_long = wants[part.want].urgency == Urgency::Long;
                if !self.admit(waiting.ids[i], part.tokens, is_long, &mut filling, now)? {
                    without_room.insert(i);
                }
            }
            if without_room.is_empty() {
                break;
            }
            open.retain(|i| !without_room.contains(i));
        }
        let served: HashSet<SessionId> = filling.shares.iter().map(|share| share.session).collect();
        for &id in &waiting.ids {
            if let Some(active) = self.active_mut(id) {
                active.passed_over = if served.contains(&id) { 0 } else { active.passed_over.saturating_add(1) };
            }
        }
        Ok(filling)
    }

    /// Takes up to `count` tokens of a session into a pass; returns `false` if there is no room for it.
    fn admit(
        &mut self,
        id: SessionId,
        count: usize,
        is_long: bool,
        filling: &mut Filling,
        now: Instant,
    ) -> Result<bool, ModelError> {
        let session = self.table.get(id);
        let Some((owner, left)) = session.and_then(|it| Some((it.owner, it.active.as_ref()?.remaining()))) else {
            return Ok(false);
        };
        // What others hold of the text may have been taken over since the pass was divided.
        let count = count.min(left);
        let Some(slot) = self.table.get(id).and_then(|session| session.slot) else { return Ok(false) };
        let taken = filling.batch.len();
        let context = self.cache.context_of(slot);
        let is_there = |share: &&Share| self.cache.context_of(share.slot) == context;
        let taken_there: usize = filling.shares.iter().filter(is_there).map(|share| share.count).sum();
        while self.cache.room(context) < taken_there + count
            && self.unload_one(owner, Kind::Tokens, &filling.shares, Need::Growth, Some(context))?
        {}
        // An owner that has as much as it may have makes room among its own sessions, even if there is room left.
        while self.is_at_quota(owner, Kind::Tokens)
            && self.unload_one(owner, Kind::Tokens, &filling.shares, Need::Growth, None)?
        {}
        let count = count.min(self.cache.room(context).saturating_sub(taken_there));
        if count == 0 || self.is_at_quota(owner, Kind::Tokens) {
            return Ok(false);
        }
        let Some(active) = self.active_mut(id) else { return Ok(false) };
        active.begun.get_or_insert(now);
        filling.shares.push(Share { session: id, slot, first: taken, count, is_long });
        let rows_from = active.tokens.len() - active.plan.rows;
        filling.batch.extend((active.done..active.done + count).map(|i| BatchToken {
            id: active.tokens[i],
            position: active.start + i,
            sequence: slot,
            logits: i >= rows_from,
        }));
        Ok(true)
    }
}

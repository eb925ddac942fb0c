//! One turn of the gateway: it takes what the engines have answered, drops what nobody waits for, asks every session
//! that stirred what it does next, and asks the engines for those whose turn it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use uhlm_law::advance::{ErrorBody, ErrorCode};
use uhlm_law::advance::{GenerationEnding, Next, PassKind, Progress, SessionId};
use uhlm_law::pass_times::Beside;

use super::super::budget::Budget;
use super::super::fair::{ROW, SessionKey, TOKEN};
use super::super::forecast::Arrival;
use super::super::job::{Active, Call, Listener};
use super::super::turn::{fail, give_up, take};
use super::super::worker::gone;
use super::hand_off::HandOff;
use super::pass::{Pass, PassError, needs_logits, no_logits};
use super::worker::{Gateway, Outcome, Report, Running};
use crate::metrics::{Ended, Limit};
use crate::owner::Owner;
use crate::session_id::{Short, number};

/// Weight of a new time of a pass in the average.
const WEIGHT: f64 = 0.1;

/// Makes the work of a pass of one session, as far as the order of turns goes: each takes a question's place.
fn place(owner: Owner) -> Arrival {
    Arrival { owner, tokens: 1, is_long: false, is_unplaced: false }
}

/// A session that waits for its turn, in the order of its owner's turns.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    is_spare: bool,
    /// Counter of the session, in weighted tokens.
    served: u64,
    ready: Instant,
    session: SessionKey,
}

impl Gateway {
    pub(super) fn turn(&mut self, now: Instant) {
        for outcome in self.take_outcomes() {
            self.complete(outcome, now);
        }
        self.sweep(now);
        for id in self.table.stirred() {
            self.plan(id, now);
        }
        self.ask(now);
    }

    /// Hands a request to its session.
    pub(super) fn accept(&mut self, mut call: Call) {
        if call.reply.is_closed() {
            self.metrics.requests_abandoned.inc();
            return;
        }
        if let Some(refusal) = self.comes_too_late(&call) {
            return call.refuse(refusal);
        }
        let Some(session) = self.table.owned(call.session, call.owner) else { return call.refuse(gone()) };
        if call.request.begin.as_ref().is_some_and(|begin| needs_logits(&begin.sampling)) {
            return call.refuse(no_logits());
        }
        if self.engines.hands_off()
            && let Some(refusal) = call.request.begin.as_ref().and_then(|begin| HandOff::takes(begin).err())
        {
            return call.refuse(refusal);
        }
        let vocabulary = self.engines.lexicon.vocabulary();
        let (stream, constraint) = (session.next_stream(), call.constraint.take());
        match take(session, vocabulary, stream, &call.request, constraint) {
            Err(refusal) => call.refuse(refusal),
            Ok(sent) => {
                let (frames, receiver) = mpsc::unbounded_channel();
                session.listen(Listener { stream, frames, gauge: call.gauge });
                session.say(sent);
                session.stirred = true;
                // A pass that was planned without the request and has not begun may be another one now.
                if session.active.as_ref().is_some_and(|active| active.begun.is_none()) {
                    give_up(session);
                }
                (session.arrived, session.ready, session.last_use) = (call.arrived, call.arrived, call.arrived);
                // A client that went away in this moment is found by the sweep.
                let _ = call.reply.send(Ok(receiver));
            }
        }
    }

    /// Refuses a request whose turn does not come before its deadline. A session that waits for a pass already has its
    /// place in the order.
    fn comes_too_late(&mut self, call: &Call) -> Option<ErrorBody> {
        let session = self.table.owned(call.session, call.owner).filter(|session| session.active.is_none())?;
        let arrival = place(session.owner);
        let turns = self.forecast.passes_before(&arrival) as f64;
        if turns * self.seconds.unwrap_or(0.0) > call.request.deadline().as_secs_f64() {
            let reason = "the target's engines do not come to this before its deadline";
            return Some(ErrorBody::new(ErrorCode::Unavailable, reason));
        }
        self.forecast.add(&arrival);
        None
    }

    /// Resets answers that nobody waits for, gives up passes that serve nobody, refuses those that waited too long,
    /// ends sessions that are not used.
    fn sweep(&mut self, now: Instant) {
        for key in self.inbox.take_left() {
            let Some(session) = self.table.get_mut(SessionId(key)) else { continue };
            for stream in session.take_abandoned() {
                self.metrics.requests_abandoned.inc();
                let was_heard = session.target.stream() == Some(stream);
                session.target.reset(stream);
                session.stirred = true;
                if was_heard {
                    give_up(session);
                }
            }
            self.stop_unwanted(SessionId(key));
        }
        for id in self.table.waiting() {
            let Some(session) = self.table.get_mut(id) else { continue };
            let waited = session.active.as_ref().filter(|active| active.begun.is_none()).map(|active| active.moved);
            if !session.target.pass_is_wanted() {
                give_up(session);
            } else if waited.is_some_and(|since| now.saturating_duration_since(since) >= self.limits.queue_wait) {
                self.metrics.by.reached(Limit::QueueWait);
                fail(session, ErrorBody::new(ErrorCode::Unavailable, "the target's engines have no room"));
            }
            self.stop_unwanted(id);
        }
        for id in self.table.expired(self.limits.session_idle, now) {
            self.remove(id, Ended::Expired);
        }
    }

    /// Asks the engines no more for a session that waits for nothing.
    fn stop_unwanted(&mut self, id: SessionId) {
        let waits = self.table.get(id).and_then(|session| session.active.as_ref());
        if waits.is_none_or(|active| active.begun.is_none()) {
            self.running.remove(&id);
        }
    }

    /// Returns the largest number of drafted tokens that the next pass of a session may judge.
    fn width(&self, id: SessionId) -> usize {
        let Some(session) = self.table.get(id).filter(|session| session.target.runs_ahead()) else {
            return self.limits.draft;
        };
        if !self.engines.abilities().takes_windows {
            // A row is a question either way, and its token goes out at once if it is a pass of its own.
            return 0;
        }
        let acceptance = session.acceptance.get();
        self.pass_times.width_that_pays_beside(Beside::default(), acceptance, self.limits.draft)
    }

    /// Asks a session what it does next, and sends what it says.
    fn plan(&mut self, id: SessionId, now: Instant) {
        loop {
            let width = self.width(id);
            let Some(session) = self.table.get_mut(id) else { break };
            session.stirred = false;
            if session.active.is_some() {
                break;
            }
            match session.target.next(width) {
                Next::Pass(plan) => session.active = Some(Active::new(plan, session.ready, now)),
                Next::End(sent) => session.say([sent]),
                Next::Busy | Next::Idle => break,
            }
        }
        if let Some(session) = self.table.get_mut(id) {
            session.flush(&self.metrics);
        }
    }

    /// Asks the engines for the sessions that have had least, as far as there is room.
    fn ask(&mut self, now: Instant) {
        let mut free = self.engines.parallel.saturating_sub(self.running.len());
        self.table.fair.bound();
        let mut owners: BTreeMap<Owner, VecDeque<Waiting>> = BTreeMap::new();
        for id in self.table.waiting() {
            let Some(session) = self.table.get(id) else { continue };
            let Some(active) = session.active.as_ref().filter(|active| active.begun.is_none()) else { continue };
            // What the target writes by itself under grants that end goes into room that nobody needs.
            let is_spare = active.plan.kind == PassKind::SelfMade && !session.target.runs_ahead();
            let served = self.table.fair.of_session(session.owner, id.0);
            let ready = active.ready;
            owners.entry(session.owner).or_default().push_back(Waiting { is_spare, served, ready, session: id.0 });
        }
        owners.values_mut().for_each(|queue| queue.make_contiguous().sort_unstable());
        let parallel = self.engines.parallel;
        self.forecast.begin(Budget { tokens: parallel, prefill: parallel, reserved: 0, costly: parallel });
        // Each question is charged for at once, so that no owner takes all places that have become free together.
        while free > 0
            && let Some(session) = self.take_next(&mut owners)
        {
            free -= 1;
            self.begin(session, now);
        }
        let mut rest: Vec<_> =
            owners.into_iter().flat_map(|(owner, queue)| queue.into_iter().map(move |w| (owner, w))).collect();
        rest.sort_by_cached_key(|(owner, waiting)| {
            let own = (waiting.served, waiting.ready, waiting.session);
            (waiting.is_spare, self.table.fair.of_owner(*owner), own)
        });
        for (ahead, (owner, waiting)) in (1..).zip(rest) {
            self.forecast.add(&place(owner));
            if let Some(session) = self.table.get(SessionId(waiting.session)) {
                session.report(Progress { read: 0, total: 0, ahead });
            }
        }
    }

    /// Takes the session whose turn it is out of the owners' queues: one that a device waits for, of the owner that has
    /// had least.
    fn take_next(&self, owners: &mut BTreeMap<Owner, VecDeque<Waiting>>) -> Option<SessionId> {
        let turn = |(owner, queue): (&Owner, &VecDeque<Waiting>)| {
            let first = queue.front()?;
            Some((first.is_spare, self.table.fair.of_owner(*owner), first.ready, *owner))
        };
        let (.., owner) = owners.iter().filter_map(turn).min()?;
        let queue = owners.get_mut(&owner)?;
        let next = queue.pop_front()?;
        if queue.is_empty() {
            owners.remove(&owner);
        }
        Some(SessionId(next.session))
    }

    /// Begins the pass that a session waits for.
    fn begin(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.table.get_mut(id) else { return };
        let (Some(active), Some(drawing)) = (&mut session.active, &mut session.drawing) else { return };
        active.begun = Some(now);
        active.moved = now;
        let total = u32::try_from(active.tokens.len()).unwrap_or(u32::MAX);
        let (owner, work) = (session.owner, TOKEN * active.tokens.len() as u64);
        let text = session.target.text().clone();
        // The walk to the reply's end is kept, so that the next pass does not begin at the reply's start.
        drawing.place(&text, text.len(), self.engines.lexicon.vocabulary());
        let pass = Pass {
            engines: Arc::clone(&self.engines),
            drawing: drawing.clone(),
            text,
            plan: active.plan.clone(),
            session: number(id),
            salt: self.engines.salt(session.owner),
        };
        session.report(Progress { read: 0, total, ahead: 0 });
        self.numbers += 1;
        let number = self.numbers;
        let (outcomes, inbox) = (Arc::clone(&self.outcomes), Arc::clone(&self.inbox));
        let report = Report { session: id, number, outcomes, inbox, rows: Err(PassError::Lost) };
        let task = self.runtime.spawn(async move {
            let mut report = report;
            report.rows = pass.run().await;
        });
        self.running.insert(id, Running { number, task: task.abort_handle() });
        // Whoever resets the request before its rows come has had the engine read for it all the same.
        self.table.fair.charge(owner, id.0, work);
    }

    /// Tells a session the rows of its pass, and keeps the frames that follow from them.
    fn complete(&mut self, outcome: Outcome, now: Instant) {
        let Outcome { session: id, number, rows } = outcome;
        if self.running.get(&id).is_none_or(|running| running.number != number) {
            return;
        }
        self.running.remove(&id);
        let Some(session) = self.table.get_mut(id) else { return };
        session.stirred = true;
        session.last_use = now;
        if !session.target.pass_is_wanted() {
            return give_up(session);
        }
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(session = %Short(id), %error, "the engines gave no rows");
                return fail(session, error.to_body());
            }
        };
        let Some(mut active) = session.active.take() else { return };
        active.done = active.tokens.len();
        active.rows = rows;
        let (timing, plan) = (active.timing(session.arrived, now), &active.plan);
        let before = session.target.text().len();
        let ending = GenerationEnding::new(self.engines.lexicon.vocabulary(), session.drawing.as_mut());
        let sent = session.target.pass_ended(&active.rows, Some(timing), &ending);
        let decided = session.target.text().tail(before);
        self.metrics.session_pass(plan.kind, timing, active.waited());
        self.metrics.pass(plan.tokens.len(), 1);
        let given = plan.tokens.len() - plan.rows;
        self.metrics.by.pass(plan.tokens.len(), given, f64::from(timing.pass_us) / 1e6, 0.0);
        if plan.kind == PassKind::Judged {
            let (mut judged, mut matched) = (0, 0);
            for stood in plan.judged(decided) {
                session.acceptance.observe(stood);
                judged += 1;
                matched += usize::from(stood);
            }
            self.metrics.judged(plan.draft().len(), judged, matched);
        }
        session.say(sent);
        // A request that came during the pass has waited since it came.
        let came_during = active.begun.is_some_and(|begun| session.arrived > begun);
        session.ready = if came_during { session.arrived } else { now };
        let (owner, rows) = (session.owner, active.rows.len());
        let seconds = f64::from(timing.pass_us) / 1e6;
        self.seconds = Some(self.seconds.map_or(seconds, |mean| mean + WEIGHT * (seconds - mean)));
        self.metrics.by.decoded(owner, active.tokens.len());
        if rows > 0 && active.tokens.len() == active.plan.rows {
            self.pass_times.observe(active.plan.rows, seconds);
        }
        self.table.fair.charge(owner, id.0, ROW * rows as u64);
    }
}

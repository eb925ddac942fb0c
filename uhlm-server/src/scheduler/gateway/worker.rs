//! The state that the gateway's thread owns, and its handling of commands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use uhlm_law::advance::{self, Row, SessionId};
use uhlm_law::advance::{ErrorBody, ErrorCode};
use uhlm_law::pass_times::PassTimes;

use super::super::forecast::Forecast;
use super::super::inbox::{Inbox, patience};
use super::super::job::Command;
use super::super::pulse::Pulse;
use super::super::worker::{Alive, gone};
use super::engines::Engines;
use super::pass::PassError;
use crate::limits::Limits;
use crate::metrics::{Ended, Limit, Metrics};
use crate::owner::Owner;
use crate::session::table::Table;
use crate::session_id::{Short, number};

/// Longest time that the thread sleeps while engines are asked, so that it is known to be alive.
const ROUND: Duration = Duration::from_secs(1);
/// Largest number of commands that are taken in a turn.
const MAX_COMMANDS: usize = 256;

/// A pass of a session that engines are asked about. Dropped, they are asked no more.
#[derive(Debug)]
pub(super) struct Running {
    /// Number by which its outcome is known.
    pub(super) number: u64,
    pub(super) task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What came of a pass.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) session: SessionId,
    pub(super) number: u64,
    pub(super) rows: Result<Vec<Row>, PassError>,
}

/// A pass that is under way. Dropped, whether it ended or panicked, it hands its outcome over.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) session: SessionId,
    pub(super) number: u64,
    /// What came of it so far.
    pub(super) rows: Result<Vec<Row>, PassError>,
    pub(super) outcomes: Arc<Mutex<Vec<Outcome>>>,
    pub(super) inbox: Arc<Inbox>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let rows = std::mem::replace(&mut self.rows, Err(PassError::Lost));
        let outcome = Outcome { session: self.session, number: self.number, rows };
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        self.inbox.nudge();
    }
}

/// All state of the gateway's thread.
pub(in crate::scheduler) struct Gateway {
    /// The first to be dropped: whoever is told that the thread is gone finds it so.
    _alive: Alive,
    pub(super) runtime: Handle,
    pub(super) engines: Arc<Engines>,
    pub(super) table: Table,
    pub(super) running: HashMap<SessionId, Running>,
    /// Outcomes that the thread has not looked at.
    pub(super) outcomes: Arc<Mutex<Vec<Outcome>>>,
    pub(super) numbers: u64,
    /// Measured times of questions, by their rows.
    pub(super) pass_times: PassTimes,
    /// Sessions that wait for their turn, by which requests that arrive are judged.
    pub(super) forecast: Forecast,
    /// Running average of the seconds of a pass; `None` before the first.
    pub(super) seconds: Option<f64>,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) inbox: Arc<Inbox>,
    pulse: Arc<Pulse>,
    offered: advance::Limits,
}

impl Gateway {
    #[allow(clippy::too_many_arguments)]
    pub(in crate::scheduler) fn new(
        alive: Alive,
        runtime: Handle,
        pulse: Arc<Pulse>,
        engines: Arc<Engines>,
        limits: Limits,
        offered: advance::Limits,
        inbox: Arc<Inbox>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let table = Table::new(limits.sessions, limits.owner.sessions_of(limits.sessions));
        Self {
            _alive: alive,
            runtime,
            engines,
            table,
            running: HashMap::new(),
            outcomes: Arc::default(),
            numbers: 0,
            pass_times: PassTimes::new(),
            forecast: Forecast::default(),
            seconds: None,
            limits,
            metrics,
            inbox,
            pulse,
            offered,
        }
    }

    /// Works until it is told to stop.
    pub(in crate::scheduler) fn run(mut self) {
        while !self.inbox.is_stopping() {
            self.pulse.beat();
            self.receive();
            self.turn(Instant::now());
        }
        self.running.clear();
        let stopping = ErrorBody::new(ErrorCode::Unavailable, "the server is shutting down");
        for id in self.table.all() {
            let Some(session) = self.table.get_mut(id) else { continue };
            let sent = session.target.pass_failed(stopping.clone());
            session.say(sent);
            session.flush(&self.metrics);
        }
        while let Some(command) = self.inbox.take() {
            command.refuse(&stopping);
        }
    }

    /// Waits until there is something to do, and takes what has arrived.
    fn receive(&mut self) {
        let now = Instant::now();
        let expiry = patience(self.table.next_expiry(self.limits.session_idle), now);
        // A session that waits for its turn gets it when an outcome comes.
        let has_stirred = !self.table.stirred().is_empty();
        let is_busy = has_stirred || !self.table.waiting().is_empty();
        let round = is_busy.then_some(ROUND);
        if !has_stirred {
            self.inbox.wait(expiry.into_iter().chain(round).min());
        }
        for _ in 0..MAX_COMMANDS {
            let Some(command) = self.inbox.take() else { break };
            self.handle(command);
        }
    }

    /// Takes the outcomes that have come.
    pub(super) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open { owner, session, reply } => {
                // A client that went away never learns the name: nothing is opened for it.
                if !reply.is_closed() {
                    let opened = self.open(owner, session);
                    let is_open = opened.is_ok();
                    if reply.send(opened).is_err() && is_open {
                        self.remove(session, Ended::Closed);
                    }
                }
            }
            Command::Find { owner, session, reply } => {
                let _ = reply.send(self.table.owned(session, owner).map(drop).ok_or_else(gone));
            }
            Command::Close { owner, session, reply } => {
                let answer = match self.table.owned(session, owner) {
                    Some(_) => {
                        self.remove(session, Ended::Closed);
                        Ok(())
                    }
                    None => Err(gone()),
                };
                let _ = reply.send(answer);
            }
            Command::Advance(call) => self.accept(*call),
        }
    }

    fn open(&mut self, owner: Owner, id: SessionId) -> Result<(), ErrorBody> {
        let now = Instant::now();
        if self.table.is_full() || self.table.is_at_quota(owner) {
            let Some(idle) = self.table.evictable(owner, self.limits.keep, now) else {
                self.metrics.by.reached(Limit::Sessions);
                let reason = "there are too many sessions, and all were used lately";
                return Err(ErrorBody::new(ErrorCode::RateLimited, reason));
            };
            tracing::info!(session = %Short(idle), "evicted to make room");
            self.remove(idle, Ended::Evicted);
        }
        self.table.open(id, owner, self.offered, now);
        self.metrics.sessions_opened.inc();
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = %Short(id), "opened");
        Ok(())
    }

    /// Ends a session; its listeners are told that it is gone.
    pub(super) fn remove(&mut self, id: SessionId, reason: Ended) {
        self.running.remove(&id);
        self.engines.forget(number(id));
        let Some(mut session) = self.table.remove(id) else { return };
        self.metrics.session_ended(reason);
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = %Short(id), ?reason, "ended");
        let sent = session.target.pass_failed(gone());
        session.say(sent);
        session.flush(&self.metrics);
    }
}

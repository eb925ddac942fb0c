//! The state that the scheduler's thread owns, and its handling of commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use uhlm_law::advance::{self, ErrorBody, ErrorCode, SessionId};
use uhlm_law::model::ModelError;

use super::cache::Cache;
use super::clock::Clock;
use super::costs::RowCosts;
use super::forecast::Forecast;
use super::inbox::{Inbox, patience};
use super::job::{Command, Had};
use super::pulse::Pulse;
use super::rotation::Rotation;
use super::times::Times;
use crate::limits::Limits;
use crate::metrics::{Ended, Limit, Metrics};
use crate::owner::Owner;
use crate::session::table::Table;
use crate::session_id::Short;
use crate::target::Target;

/// Largest number of requests that are taken before the next pass of the engine, twice in a turn: before it and after
/// it.
const MAX_COMMANDS: usize = 128;
/// Longest time for which taking requests may keep the engine waiting at once.
const TAKING: Duration = Duration::from_micros(200);

pub(super) fn gone() -> ErrorBody {
    ErrorBody::new(ErrorCode::Gone, "there is no such session")
}

/// Makes the refusal of a request that the engine failed at. The engine's own message is for the operator alone.
pub(super) fn internal(failure: &ModelError) -> ErrorBody {
    tracing::error!(error = %failure, "the target failed");
    ErrorBody::new(ErrorCode::Internal, "the target failed")
}

/// A guard that says so and closes the inbox when the thread ends, by a panic too.
pub(super) struct Alive {
    flag: watch::Sender<bool>,
    inbox: Arc<Inbox>,
}

impl Alive {
    /// Guards a flag that says whether the thread runs, and the inbox that it reads.
    pub(super) fn new(flag: watch::Sender<bool>, inbox: Arc<Inbox>) -> Self {
        Self { flag, inbox }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.flag.send_replace(false);
        self.inbox.close();
    }
}

/// The number of commands that may still be taken before the engine goes on, and until when.
pub(super) struct Allowance {
    commands: usize,
    until: Instant,
}

/// All state of the scheduler's thread.
pub(super) struct Worker {
    /// The first to be dropped: whoever is told that the thread is gone finds it so.
    _alive: Alive,
    pub(super) clock: Clock,
    pub(super) target: Box<dyn Target>,
    pub(super) cache: Cache,
    pub(super) table: Table,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    /// Measured times of the engine's passes.
    pub(super) times: Times,
    /// Measured times of scoring rows that cost more than usual.
    pub(super) costs: RowCosts,
    /// Number of such rows that were scored after the last pass.
    pub(super) costly_scored: usize,
    /// Number of rows that were scored after it.
    pub(super) scored: usize,
    /// Number of passes that were divided among sessions.
    pub(super) divided: u64,
    /// The part of each session in the engine's last pass.
    pub(super) last_pass: Vec<Had>,
    /// The work that waits for the engine.
    pub(super) forecast: Forecast,
    /// The account of the places in the engine that sessions at work give to each other.
    pub(super) rotation: Rotation,
    /// Time until which nothing can be done for those who wait, if nothing else happens; `None` if something can.
    pub(super) held_back: Option<Instant>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) inbox: Arc<Inbox>,
    offered: advance::Limits,
}

impl Worker {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        alive: Alive,
        clock: Clock,
        pulse: Arc<Pulse>,
        target: Box<dyn Target>,
        limits: Limits,
        offered: advance::Limits,
        inbox: Arc<Inbox>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let cache = Cache::new(target.as_ref(), Arc::clone(&metrics));
        let table = Table::new(limits.sessions, limits.owner.sessions_of(limits.sessions));
        Self {
            _alive: alive,
            clock,
            target,
            cache,
            table,
            metrics,
            limits,
            times: Times::default(),
            costs: RowCosts::default(),
            costly_scored: 0,
            scored: 0,
            divided: 0,
            last_pass: Vec::new(),
            forecast: Forecast::default(),
            rotation: Rotation::default(),
            held_back: None,
            pulse,
            inbox,
            offered,
        }
    }

    /// Works until it is told to stop or the engine cannot go on.
    pub(super) fn run(mut self) {
        while !self.inbox.is_stopping() {
            self.pulse.beat();
            let outcome = self.receive();
            if let Err(error) = outcome.and_then(|()| if self.inbox.is_stopping() { Ok(()) } else { self.turn() }) {
                tracing::error!(%error, "the target cannot go on");
                break;
            }
        }
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
    fn receive(&mut self) -> Result<(), ModelError> {
        if let Some(until) = self.held_back.take() {
            self.inbox.wait(patience(Some(until), self.clock.now()));
        } else if !self.table.is_busy() {
            let due = self.table.next_expiry(self.limits.session_idle);
            self.inbox.wait(patience(due, self.clock.now()));
        }
        let mut allowance = self.allowance();
        self.take_arrived(&mut allowance)
    }

    /// Returns a full allowance that begins now.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance { commands: MAX_COMMANDS, until: self.clock.now() + TAKING }
    }

    /// Takes what has arrived, as far as the allowance goes. What is left is taken in the next turn.
    pub(super) fn take_arrived(&mut self, allowance: &mut Allowance) -> Result<(), ModelError> {
        while allowance.commands > 0 && self.clock.now() < allowance.until {
            let Some(command) = self.inbox.take() else { break };
            allowance.commands -= 1;
            self.handle(command)?;
        }
        Ok(())
    }

    fn handle(&mut self, command: Command) -> Result<(), ModelError> {
        match command {
            Command::Open { owner, session, reply } => {
                // A client that went away never learns the name: nothing is opened for it.
                if !reply.is_closed() {
                    let opened = self.open(owner, session)?;
                    let is_open = opened.is_ok();
                    if reply.send(opened).is_err() && is_open {
                        self.remove(session, Ended::Closed)?;
                    }
                }
            }
            Command::Find { owner, session, reply } => {
                let _ = reply.send(self.table.owned(session, owner).map(drop).ok_or_else(gone));
            }
            Command::Close { owner, session, reply } => {
                let answer = match self.table.owned(session, owner) {
                    Some(_) => Ok(self.remove(session, Ended::Closed)?),
                    None => Err(gone()),
                };
                let _ = reply.send(answer);
            }
            Command::Advance(call) => self.accept(*call),
        }
        Ok(())
    }

    fn open(&mut self, owner: Owner, id: SessionId) -> Result<Result<(), ErrorBody>, ModelError> {
        let now = self.clock.now();
        if self.table.is_full() || self.table.is_at_quota(owner) {
            let Some(idle) = self.table.evictable(owner, self.limits.keep, now) else {
                self.metrics.by.reached(Limit::Sessions);
                let reason = "there are too many sessions, and all were used lately";
                return Ok(Err(ErrorBody::new(ErrorCode::RateLimited, reason)));
            };
            tracing::info!(session = %Short(idle), "evicted to make room");
            self.remove(idle, Ended::Evicted)?;
        }
        self.table.open(id, owner, self.offered, now);
        self.metrics.sessions_opened.inc();
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = %Short(id), "opened");
        Ok(Ok(()))
    }

    /// Ends a session; its listeners are told that it is gone.
    pub(super) fn remove(&mut self, id: SessionId, reason: Ended) -> Result<(), ModelError> {
        let Some(mut session) = self.table.remove(id) else { return Ok(()) };
        self.metrics.session_ended(reason);
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = %Short(id), ?reason, "ended");
        if let Some(slot) = session.slot {
            self.cache.release(self.target.as_mut(), slot)?;
        }
        let sent = session.target.pass_failed(gone());
        session.say(sent);
        session.flush(&self.metrics);
        Ok(())
    }
}

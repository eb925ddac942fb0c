//! What the scheduler's thread owns, and what it does at a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Instant;

use uhlm_law::advance::{self, SessionId};
use uhlm_law::model::ModelError;
use uhlm_law::pass_times::PassTimes;
use uhlm_law::protocol::{ErrorBody, ErrorCode};

use super::cache::Cache;
use super::job::{Command, Had};
use super::pulse::Pulse;
use super::reading::Reading;
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::{Ended, Metrics};
use crate::session::Table;
use crate::session_id::Short;
use crate::target::Target;

pub(super) fn gone() -> ErrorBody {
    ErrorBody::new(ErrorCode::Gone, "there is no such session")
}

pub(super) fn internal(failure: &ModelError) -> ErrorBody {
    tracing::error!(error = %failure, "the target failed");
    ErrorBody::new(ErrorCode::Internal, failure.to_string())
}

/// Clears the flag when the thread ends, by a panic too.
pub(super) struct Alive(Arc<AtomicBool>);

impl Alive {
    /// Guards a flag that says whether the thread runs.
    pub(super) fn new(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// All state of the scheduler's thread.
pub(super) struct Worker {
    /// The first to be dropped: whoever is told that the thread is gone finds it so.
    _alive: Alive,
    pub(super) target: Box<dyn Target>,
    pub(super) cache: Cache,
    pub(super) table: Table,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    /// How long passes of the engine take.
    pub(super) pass_times: PassTimes,
    /// Who had what in the last one.
    pub(super) last_pass: Vec<Had>,
    /// How fast it reads.
    pub(super) reading: Reading,
    pub(super) pulse: Arc<Pulse>,
    offered: advance::Limits,
    commands: Receiver<Command>,
    stopping: bool,
}

impl Worker {
    pub(super) fn new(
        alive: Alive,
        pulse: Arc<Pulse>,
        target: Box<dyn Target>,
        limits: Limits,
        offered: advance::Limits,
        commands: Receiver<Command>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let cache = Cache::new(target.as_ref(), Arc::clone(&metrics));
        let table = Table::new(limits.sessions);
        Self {
            _alive: alive,
            target,
            cache,
            table,
            metrics,
            limits,
            pass_times: PassTimes::new(),
            last_pass: Vec::new(),
            reading: Reading::default(),
            pulse,
            offered,
            commands,
            stopping: false,
        }
    }

    /// Works until it is told to stop or the engine cannot go on.
    pub(super) fn run(mut self) {
        while !self.stopping {
            self.pulse.beat();
            if let Err(error) = self.receive().and_then(|()| if self.stopping { Ok(()) } else { self.turn() }) {
                tracing::error!(%error, "the target cannot go on");
                break;
            }
        }
        let stopping = ErrorBody::new(ErrorCode::Unavailable, "the server is shutting down");
        for (_, session) in self.table.iter_mut() {
            let sent = session.target.pass_failed(stopping.clone());
            session.say(sent);
            session.flush(&self.metrics);
        }
    }

    /// Takes everything that arrived; waits for it when there is nothing to do.
    fn receive(&mut self) -> Result<(), ModelError> {
        if !self.table.is_busy() {
            let first = match self.table.next_expiry(self.limits.session_idle) {
                Some(at) => self.commands.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(command) => self.handle(command)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.stopping = true,
            }
        }
        self.take_arrived()
    }

    /// Takes everything that arrived.
    pub(super) fn take_arrived(&mut self) -> Result<(), ModelError> {
        while !self.stopping {
            match self.commands.try_recv() {
                Ok(command) => self.handle(command)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.stopping = true,
            }
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
            Command::Close { owner, session, reply } => {
                let answer = match self.table.owned(session, owner) {
                    Some(_) => Ok(self.remove(session, Ended::Closed)?),
                    None => Err(gone()),
                };
                let _ = reply.send(answer);
            }
            Command::Advance(call) => self.accept(*call),
            Command::Stop => self.stopping = true,
        }
        Ok(())
    }

    fn open(&mut self, owner: Owner, id: SessionId) -> Result<Result<(), ErrorBody>, ModelError> {
        if self.table.is_full() {
            let Some(idle) = self.table.longest_idle() else {
                return Ok(Err(ErrorBody::new(ErrorCode::Unavailable, "all sessions are busy")));
            };
            tracing::info!(session = %Short(idle), "evicted to make room");
            self.remove(idle, Ended::Evicted)?;
        }
        self.table.open(id, owner, self.offered, Instant::now());
        self.metrics.sessions_opened.inc();
        self.metrics.sessions_open.set(self.table.len() as i64);
        tracing::debug!(session = %Short(id), "opened");
        Ok(Ok(()))
    }

    /// Ends a session; who listens is told that it is gone.
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

    /// Gives the slot of the session that was unused longest back; `false` when every slot is at work. The session
    /// stays: its tokens are decoded again when it needs them.
    pub(super) fn unload_one(&mut self) -> Result<bool, ModelError> {
        let Some(id) = self.table.longest_unused_slot() else { return Ok(false) };
        if let Some(session) = self.table.get_mut(id)
            && let Some(slot) = session.slot.take()
        {
            session.target.cache_lost(0);
            self.cache.release(self.target.as_mut(), slot)?;
            self.metrics.sessions_unloaded.inc();
            tracing::debug!(session = %Short(id), "unloaded");
        }
        Ok(true)
    }
}

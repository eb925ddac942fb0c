//! The thread that owns the target: takes requests of all sessions, decodes them together, answers.
//!
//! Decides what is asked of a session and when ([`turn`]), how many drafted tokens a pass of it judges ([`width`]),
//! what goes into which pass of the engine ([`pass`]), which rows are scored ([`score`]), and who has to make room
//! ([`crate::session`], [`cache`]). What a session holds, what its next pass is and which frames follow from the rows
//! is [`uhlm_law::advance::TargetSession`]'s.

mod cache;
pub(crate) mod job;
mod pass;
mod score;
mod turn;
mod width;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use uhlm_law::advance::{self, Advance, SessionId};
use uhlm_law::protocol::{ErrorBody, ErrorCode};

use self::job::{Call, Command, Frames, Place, Reply};
use self::worker::{Alive, Worker};
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::target::Target;

/// The way to the scheduler's thread.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    commands: mpsc::Sender<Command>,
    queue: Arc<Semaphore>,
    alive: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Scheduler {
    /// Starts the thread. `offered` is what every session is told that it may ask for.
    pub(crate) fn start(
        target: Box<dyn Target>,
        limits: &Limits,
        offered: advance::Limits,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, receiver) = mpsc::channel();
        let alive = Arc::new(AtomicBool::new(true));
        let flag = Alive::new(Arc::clone(&alive));
        let worker = Worker::new(flag, target, limits.clone(), offered, receiver, Arc::clone(&metrics));
        let thread = std::thread::Builder::new().name("uhlm-scheduler".into()).spawn(move || worker.run())?;
        Ok((Self { commands, queue: Arc::new(Semaphore::new(limits.queue)), alive, metrics }, thread))
    }

    /// Tells whether the thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Refuses what waits and ends the thread after the pass that it is in.
    pub(crate) fn stop(&self) {
        // A thread that is gone has stopped.
        let _ = self.commands.send(Command::Stop);
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T, ErrorBody> {
        let gone = || ErrorBody::new(ErrorCode::Internal, "the target is not running");
        let (reply, answer) = oneshot::channel();
        self.commands.send(make(reply)).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Opens a session.
    pub(crate) async fn open(&self, owner: Owner) -> Result<SessionId, ErrorBody> {
        self.ask(|reply| Command::Open { owner, reply }).await
    }

    /// Ends a session.
    pub(crate) async fn close(&self, owner: Owner, session: SessionId) -> Result<(), ErrorBody> {
        self.ask(|reply| Command::Close { owner, session, reply }).await
    }

    /// Hands a request to its session and returns the frames of its answer, which the session makes as it goes.
    pub(crate) async fn advance(
        &self,
        owner: Owner,
        session: SessionId,
        request: Advance,
    ) -> Result<Frames, ErrorBody> {
        let arrived = Instant::now();
        let Some(place) = Place::take(&self.queue, &self.metrics) else {
            return Err(ErrorBody::new(ErrorCode::Unavailable, "too many requests are waiting"));
        };
        self.ask(|reply| Command::Advance(Call { owner, session, request, arrived, reply, place })).await
    }
}

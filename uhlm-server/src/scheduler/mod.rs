//! The thread that owns the target: takes requests of all sessions, decodes them together, answers.
//!
//! Decides which request is next ([`admission`]), what goes into which pass ([`pass`]) and who has to make room ([`crate::session`], [`cache`]). What a session
//! holds and which verdict follows from the rows is [`uhlm_law::verification`]'s.

mod admission;
mod cache;
pub(crate) mod job;
mod pass;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, ErrorBody, ErrorCode, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::SamplingChain;

use self::job::{Command, Frames, Job, Place, Reply, Work};
use self::worker::Worker;
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::session_id::SessionId;
use crate::target::Target;

pub(crate) fn error(code: ErrorCode, reason: impl Into<String>) -> ErrorBody {
    ErrorBody { code, reason: reason.into(), held: None }
}

/// The way to the scheduler's thread.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    commands: mpsc::Sender<Command>,
    queue: Arc<Semaphore>,
    alive: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

/// Clears the flag when the thread ends, by a panic too.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Scheduler {
    /// Starts the thread. `context` is the longest sequence of one session.
    pub(crate) fn start(
        target: Box<dyn Target>,
        limits: &Limits,
        context: usize,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, receiver) = mpsc::channel();
        let alive = Arc::new(AtomicBool::new(true));
        let flag = Alive(Arc::clone(&alive));
        let worker = Worker::new(target, limits.clone(), context, Arc::clone(&metrics));
        let thread = std::thread::Builder::new().name("uhlm-scheduler".into()).spawn(move || {
            let _flag = flag;
            worker.run(&receiver);
        })?;
        Ok((Self { commands, queue: Arc::new(Semaphore::new(limits.queue)), alive, metrics }, thread))
    }

    /// Whether the thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Refuses what waits and ends the thread after the pass that it is in.
    pub(crate) fn stop(&self) {
        // A thread that is gone has stopped.
        let _ = self.commands.send(Command::Stop);
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T, ErrorBody> {
        let gone = || error(ErrorCode::Internal, "the target is not running");
        let (reply, answer) = oneshot::channel();
        self.commands.send(make(reply)).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    pub(crate) async fn open(&self, owner: Owner, chain: SamplingChain, seed: u64) -> Result<SessionId, ErrorBody> {
        self.ask(|reply| Command::Open { owner, chain, seed, reply }).await
    }

    pub(crate) async fn close(&self, owner: Owner, session: SessionId) -> Result<(), ErrorBody> {
        self.ask(|reply| Command::Close { owner, session, reply }).await
    }

    async fn submit<T>(
        &self,
        owner: Owner,
        session: SessionId,
        work: impl FnOnce(Reply<T>) -> Work,
    ) -> Result<T, ErrorBody> {
        let arrived = Instant::now();
        let Some(place) = Place::take(&self.queue, &self.metrics) else {
            return Err(error(ErrorCode::Unavailable, "too many requests are waiting"));
        };
        self.ask(|reply| Command::Job {
            owner,
            session,
            job: Job { work: work(reply), arrived, early_since: None, place },
        })
        .await
    }

    pub(crate) async fn verify(
        &self,
        owner: Owner,
        session: SessionId,
        request: VerifyRequest,
    ) -> Result<VerifyResponse, ErrorBody> {
        self.submit(owner, session, |reply| Work::Verify { request, reply }).await
    }

    pub(crate) async fn draws(
        &self,
        owner: Owner,
        session: SessionId,
        request: DrawsRequest,
    ) -> Result<DrawsResponse, ErrorBody> {
        self.submit(owner, session, |reply| Work::Draws { request, reply }).await
    }

    pub(crate) async fn continuation(
        &self,
        owner: Owner,
        session: SessionId,
        request: ContinueRequest,
    ) -> Result<Frames, ErrorBody> {
        self.submit(owner, session, |reply| Work::Continue { request, reply }).await
    }
}

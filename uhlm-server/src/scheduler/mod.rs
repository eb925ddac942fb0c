//! The thread that owns the target: takes requests of all sessions, decodes them together, answers.
//!
//! Decides what is asked of a session and when ([`turn`]), how many drafted tokens a pass of it judges ([`width`]),
//! what goes into which pass of the engine ([`pass`]), which rows are scored ([`score`]), and who has to make room
//! ([`crate::session`], [`cache`]). What a session holds, what its next pass is and which frames follow from the rows
//! is [`uhlm_law::advance::TargetSession`]'s.

mod cache;
pub(crate) mod job;
mod pass;
pub(crate) mod pulse;
mod reading;
mod score;
pub(crate) mod source;
mod turn;
mod width;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use uhlm_law::advance::{self, Advance, SessionId};
use uhlm_law::protocol::{ErrorBody, ErrorCode};

use self::job::{Awaited, Call, Command, Place, Reply};
use self::pulse::{Gauge, Pulse};
use self::source::{Source, not_running};
use self::worker::{Alive, Worker};
use crate::auth::Owner;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::session_id;
use crate::target::Target;

/// The way to the scheduler's thread.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    commands: mpsc::Sender<Command>,
    queue: Arc<Semaphore>,
    alive: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
    /// How long an answer says nothing before it says how far the target is.
    progress: Duration,
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
        let pulse = Arc::new(Pulse::new(limits.stall));
        let worker =
            Worker::new(flag, Arc::clone(&pulse), target, limits.clone(), offered, receiver, Arc::clone(&metrics));
        let thread = std::thread::Builder::new().name("uhlm-scheduler".into()).spawn(move || worker.run())?;
        let (queue, progress) = (Arc::new(Semaphore::new(limits.queue)), limits.progress);
        Ok((Self { commands, queue, alive, pulse, progress, metrics }, thread))
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

    fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<Awaited<T>, ErrorBody> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(make(reply)).map_err(|_| not_running())?;
        Ok(answer)
    }

    /// Opens a session. A thread that is at a long pass opens it after that, before it takes any request of it: its
    /// client need not wait.
    pub(crate) async fn open(&self, owner: Owner) -> Result<SessionId, ErrorBody> {
        let no_numbers = || ErrorBody::new(ErrorCode::Internal, "the system gives no random numbers");
        let session = session_id::random().ok_or_else(no_numbers)?;
        let mut answer = self.ask(|reply| Command::Open { owner, session, reply })?;
        let opened = match tokio::time::timeout(self.progress, &mut answer).await {
            Err(_) if self.pulse.is_live() => {
                // Nobody who waits is a client that went away, for which nothing is opened.
                drop(tokio::spawn(answer));
                return Ok(session);
            }
            Err(_) => answer.await,
            Ok(opened) => opened,
        };
        opened.unwrap_or_else(|_| Err(not_running())).map(|()| session)
    }

    /// Ends a session.
    pub(crate) async fn close(&self, owner: Owner, session: SessionId) -> Result<(), ErrorBody> {
        let answer = self.ask(|reply| Command::Close { owner, session, reply })?;
        answer.await.unwrap_or_else(|_| Err(not_running()))
    }

    /// Hands a request to its session and returns where its answer comes from, which the session makes as it goes.
    pub(crate) fn advance(&self, owner: Owner, session: SessionId, request: Advance) -> Result<Source, ErrorBody> {
        let arrived = Instant::now();
        let Some(place) = Place::take(&self.queue, &self.metrics) else {
            return Err(ErrorBody::new(ErrorCode::Unavailable, "too many requests are waiting"));
        };
        let gauge = Arc::new(Gauge::default());
        let call = |reply| Call { owner, session, request, arrived, reply, place, gauge: Arc::clone(&gauge) };
        let answer = self.ask(|reply| Command::Advance(Box::new(call(reply))))?;
        Ok(Source::new(answer, gauge, Arc::clone(&self.pulse), self.progress))
    }
}

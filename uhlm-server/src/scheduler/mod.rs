//! The thread that owns the target: it takes requests of all sessions, decodes them together, and answers them.
//!
//! Decides whose request is taken next ([`inbox`]), which requests come too late to be served in time ([`forecast`]),
//! what is asked of a session and when ([`turn`]), how many drafted tokens a pass of it judges ([`width`]), how long a
//! pass of the engine may be ([`budget`]), whose tokens go into it ([`division`], by what each owner has had:
//! [`fair`]), which rows are scored ([`score`]), what becomes of a pass that fails ([`retry`]), and who has to make
//! room ([`crate::session`], [`room`], [`rotation`], [`slots`], [`cache`]). All that is decided by time rests on what
//! passes took ([`times`]). What a session holds, what its next pass is and which frames follow from the rows is
//! [`uhlm_law::advance::TargetSession`]'s.
//!
//! Where engines behind HTTP run the target, [`gateway`] takes the place of everything that is about passes.
//!
//! [`pass`] and [`worker`] arrange what these decide: [`budget`], [`division`], [`fair`], [`forecast`], [`room`],
//! [`rotation`] and [`times`] know no thread, no clock and no engine.

mod budget;
mod cache;
pub(crate) mod clock;
mod costs;
mod division;
pub(crate) mod fair;
mod forecast;
pub(crate) mod gateway;
pub(crate) mod inbox;
pub(crate) mod job;
mod pass;
pub(crate) mod pulse;
mod retry;
mod room;
mod rotation;
mod score;
mod sharing;
mod slots;
pub(crate) mod source;
mod times;
mod turn;
mod width;
mod windows;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use uhlm_law::advance::{self, Advance, ErrorBody, ErrorCode, SessionId};
use uhlm_law::grammar::Constraint;

use self::clock::Clock;
use self::gateway::{Engines, Gateway};
use self::inbox::Inbox;
use self::job::{Call, Command, Place};
use self::pulse::{Gauge, Pulse};
use self::source::{Source, not_running};
use self::worker::{Alive, Worker};
use crate::limits::Limits;
use crate::metrics::{Limit, Metrics};
use crate::owner::Owner;
use crate::owner::pool::{Full, Held, Pool};
use crate::session_id;
use crate::target::Target;

/// A handle to the scheduler's thread.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    inbox: Arc<Inbox>,
    places: Pool,
    alive: watch::Receiver<bool>,
    pulse: Arc<Pulse>,
    /// Longest silence of an answer before it reports how far the target is.
    progress: Duration,
    metrics: Arc<Metrics>,
    /// The engines that run the target; `None` where this process does.
    engines: Option<Arc<Engines>>,
}

impl Scheduler {
    /// Starts the thread. `offered` holds the limits that every session is told.
    pub(crate) fn start(
        target: Box<dyn Target>,
        limits: &Limits,
        offered: advance::Limits,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (own, counters) = (limits.clone(), Arc::clone(&metrics));
        Self::spawn(limits, metrics, move |flag, pulse, inbox| {
            Worker::new(flag, Clock::System, pulse, target, own, offered, inbox, counters).run();
        })
    }

    /// Starts the thread of a verifier whose target is run by engines behind HTTP. Must be called in a tokio runtime,
    /// whose tasks wait for them.
    pub(crate) fn start_gateway(
        engines: Arc<Engines>,
        limits: &Limits,
        offered: advance::Limits,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (own, counters, asked) = (limits.clone(), Arc::clone(&metrics), Arc::clone(&engines));
        let runtime = tokio::runtime::Handle::current();
        let (started, thread) = Self::spawn(limits, metrics, move |flag, pulse, inbox| {
            Gateway::new(flag, runtime, pulse, asked, own, offered, inbox, counters).run();
        })?;
        Ok((Self { engines: Some(engines), ..started }, thread))
    }

    fn spawn(
        limits: &Limits,
        metrics: Arc<Metrics>,
        run: impl FnOnce(Alive, Arc<Pulse>, Arc<Inbox>) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let inbox = Inbox::new(Arc::clone(&metrics));
        let (flag, alive) = watch::channel(true);
        let flag = Alive::new(flag, Arc::clone(&inbox));
        let pulse = Arc::new(Pulse::new(limits.stall));
        let (of_thread, requests) = (Arc::clone(&pulse), Arc::clone(&inbox));
        let thread =
            std::thread::Builder::new().name("uhlm-scheduler".into()).spawn(move || run(flag, of_thread, requests))?;
        let places = Pool::new(limits.queue, limits.owner.queue_of(limits.queue));
        let progress = limits.progress;
        Ok((Self { inbox, places, alive, pulse, progress, metrics, engines: None }, thread))
    }

    /// Tells whether the thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }

    /// Tells whether the thread runs and, if anybody waits for it, is not stuck at a pass.
    pub(crate) fn is_live(&self) -> bool {
        self.is_alive() && (self.pulse.is_live() || !self.is_asked())
    }

    /// Tells whether the target can be asked: where engines run it, whether one of them answers.
    pub(crate) fn has_target(&self) -> bool {
        self.engines.as_ref().is_none_or(|engines| engines.seen().iter().any(|seen| seen.is_up))
    }

    /// Tells whether anybody waits for an answer: a thread that nobody asks anything rests.
    fn is_asked(&self) -> bool {
        self.metrics.requests_waiting.get() > 0
    }

    /// Completes when the thread has ended.
    pub(crate) async fn ended(&self) {
        // A sender that is gone has ended.
        let _ = self.alive.clone().wait_for(|alive| !alive).await;
    }

    /// Refuses the requests that wait, and ends the thread after the pass that it is in.
    pub(crate) fn stop(&self) {
        self.inbox.stop();
    }

    /// Takes a place in the queue.
    fn place(&self, owner: Owner) -> Result<Place, ErrorBody> {
        Place::take(&self.places, owner, &self.metrics).map_err(|full| {
            self.metrics.by.reached(match full {
                Full::Owner => Limit::OwnerQueue,
                Full::All => Limit::Queue,
            });
            full.refusal("requests waiting")
        })
    }

    /// Opens a session. A thread that is at a long pass opens it after that, before it takes any request of it: its
    /// client need not wait.
    pub(crate) async fn open(&self, owner: Owner) -> Result<SessionId, ErrorBody> {
        let place = self.place(owner)?;
        let no_numbers = || ErrorBody::new(ErrorCode::Internal, "the system gives no random numbers");
        let session = session_id::random().ok_or_else(no_numbers)?;
        let (reply, mut answer) = oneshot::channel();
        let sent = self.inbox.send(owner, None, Command::Open { owner, session, reply });
        let ticket = sent.map_err(|_| not_running())?;
        let opened = match tokio::time::timeout(self.progress, &mut answer).await {
            Err(_) if self.pulse.is_live() => {
                // If nobody waited, that would be a client that went away, for which nothing is opened. The place stays
                // taken.
                drop(tokio::spawn(async move {
                    let _ = answer.await;
                    drop((place, ticket));
                }));
                return Ok(session);
            }
            Err(_) => answer.await,
            Ok(opened) => opened,
        };
        opened.unwrap_or_else(|_| Err(not_running())).map(|()| session)
    }

    /// Finds out whether there is a session, before much work is done for a request of it.
    pub(crate) async fn find(&self, owner: Owner, session: SessionId) -> Result<(), ErrorBody> {
        let _place = self.place(owner)?;
        let (reply, answer) = oneshot::channel();
        let sent = self.inbox.send(owner, None, Command::Find { owner, session, reply });
        let _ticket = sent.map_err(|_| not_running())?;
        answer.await.unwrap_or_else(|_| Err(not_running()))
    }

    /// Ends a session.
    pub(crate) async fn close(&self, owner: Owner, session: SessionId) -> Result<(), ErrorBody> {
        let _place = self.place(owner)?;
        let (reply, answer) = oneshot::channel();
        let sent = self.inbox.send(owner, None, Command::Close { owner, session, reply });
        let _ticket = sent.map_err(|_| not_running())?;
        answer.await.unwrap_or_else(|_| Err(not_running()))
    }

    /// Hands a request to its session and returns the source of its answer, which the session makes as it goes.
    /// `constraint` is the state of the grammar with which the request begins a generation, if it does so with one.
    /// `room` is the room that its body has taken, given back when the session has looked at it.
    pub(crate) fn advance(
        &self,
        owner: Owner,
        session: SessionId,
        request: Advance,
        constraint: Option<Box<dyn Constraint>>,
        room: Held,
    ) -> Result<Source, ErrorBody> {
        let arrived = Instant::now();
        let place = self.place(owner)?;
        let gauge = Arc::new(Gauge::default());
        let (reply, answer) = oneshot::channel();
        let gauge_there = Arc::clone(&gauge);
        let call = Call { owner, session, request, constraint, arrived, reply, gauge: gauge_there, _room: Some(room) };
        let sent = self.inbox.send(owner, Some(session), Command::Advance(Box::new(call)));
        let ticket = sent.map_err(|_| not_running())?;
        Ok(Source::new(answer, gauge, Arc::clone(&self.pulse), self.progress).holding(place, ticket))
    }
}

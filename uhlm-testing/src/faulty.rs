//! A verifier that fails as a test tells it to, around one that works.
//!
//! Decides what becomes of each call. Refusals (desync, gone, busy and the like) are [`Fate::Fail`] with the error that
//! a client makes of them.

mod clock;
mod frames;
mod life;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uhlm_core::verifier::{Call, Part, Reply, Request, Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::{Frame, Opened, SessionId};

use self::clock::Clock;
pub use self::frames::Alter;
use self::frames::Handed;
use self::life::{Life, holding};

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Request::Open`].
    Open,
    /// [`Request::Advance`].
    Advance,
}

/// A call as the script sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Kind of the call.
    pub kind: Kind,
    /// Number of calls of this kind before it.
    pub index: usize,
    /// Number of tokens that it gives.
    pub given: usize,
    /// Number of tokens that it drafts.
    pub drafted: usize,
}

/// The fate of a call.
#[derive(Clone, Debug)]
pub enum Fate {
    /// The verifier answers.
    Pass,
    /// It fails and the verifier never sees it.
    Fail(VerifierError),
    /// It fails after the verifier has taken it: the answer is lost as soon as it begins.
    LoseReply(VerifierError),
    /// The verifier never sees it, and nothing comes back until the deadline.
    Swallow,
    /// The verifier takes it, and after so many parts of the answer nothing comes back until the deadline.
    Silence(usize),
    /// The answer, each part of it, comes later.
    Delay(Duration),
    /// The verifier is asked twice, as by a client that lost a connection; the second answer counts.
    Repeat,
    /// The opened session is changed.
    AlterOpened(Alter<Opened>),
    /// Each frame is changed.
    AlterFrames(Alter<Frame>),
    /// These frames come, and the verifier never sees the call.
    Frames(Vec<Frame>),
    /// The answer breaks off after so many parts.
    BreakAfter(usize, VerifierError),
}

type Script = Box<dyn FnMut(Seen) -> Fate + Send>;

/// The wrapper.
pub struct Faulty {
    inner: Arc<dyn Verifier>,
    script: Mutex<Script>,
    counts: Mutex<Vec<Kind>>,
    alive: Arc<AtomicUsize>,
    closed: Mutex<Vec<SessionId>>,
    opened: Arc<Mutex<Vec<SessionId>>>,
    clock: Clock,
}

impl Faulty {
    /// Makes a wrapper that lets everything pass until [`Self::set`] says otherwise.
    #[must_use]
    pub fn new(inner: impl Verifier + 'static) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(inner),
            script: Mutex::new(Box::new(|_| Fate::Pass)),
            counts: Mutex::default(),
            alive: Arc::default(),
            closed: Mutex::default(),
            opened: Arc::default(),
            clock: Clock::start(),
        })
    }

    /// Decides the fate of calls from now on.
    pub fn set(&self, script: impl FnMut(Seen) -> Fate + Send + 'static) {
        *self.script.lock().expect("no panic") = Box::new(script);
    }

    /// Lets everything pass from now on.
    pub fn mend(&self) {
        self.set(|_| Fate::Pass);
    }

    /// Returns how many calls are neither answered nor dropped.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// Returns how many calls of a kind there were.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.counts.lock().expect("no panic").iter().filter(|seen| **seen == kind).count()
    }

    /// Returns how many sessions the verifier opened and nobody closed.
    #[must_use]
    pub fn left_open(&self) -> usize {
        let closed = self.closed.lock().expect("no panic");
        self.opened.lock().expect("no panic").iter().filter(|name| !closed.contains(name)).count()
    }

    /// Forgets the session opened last, as a server does that runs out of memory.
    pub fn evict(&self) {
        let last = self.opened.lock().expect("no panic").last().copied();
        if let Some(name) = last {
            self.close(name);
        }
    }

    fn fate(&self, kind: Kind, given: usize, drafted: usize) -> Fate {
        let index = self.count(kind);
        self.counts.lock().expect("no panic").push(kind);
        (self.script.lock().expect("no panic"))(Seen { kind, index, given, drafted })
    }

    /// Makes the reply of a verifier that sees the call, and notes the session that it opens, whatever the device
    /// hears.
    fn noting(&self, mut reply: Reply) -> Reply {
        let opened = Arc::clone(&self.opened);
        Box::new(move |heard| {
            if let Ok(Part::Opened(session)) = heard.as_ref().map(|answer| &answer.value) {
                opened.lock().expect("no panic").push(session.session);
            }
            reply(heard);
        })
    }
}

impl Verifier for Faulty {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        let fate = match &request {
            Request::Info | Request::Vocabulary(_) => return self.inner.ask(request, patience, reply),
            Request::Open(_) => self.fate(Kind::Open, 0, 0),
            Request::Advance(_, advance) => self.fate(Kind::Advance, advance.stand.len(), advance.draft.len()),
            Request::Close(session) => {
                self.closed.lock().expect("no panic").push(*session);
                return self.inner.ask(request, patience, reply);
            }
        };
        let life = Life::new(&self.alive);
        let handed = Handed::new(reply, life.clone(), self.clock.clone(), patience);
        let inner = match fate {
            Fate::Fail(error) => {
                handed.hand(Err(error));
                Call::finished()
            }
            Fate::Swallow => {
                handed.give_up();
                Call::finished()
            }
            Fate::Frames(frames) => {
                handed.make_up(frames);
                Call::finished()
            }
            fate => {
                if matches!(fate, Fate::Repeat) {
                    // Its answer goes nowhere, as that of a connection that broke.
                    self.inner.ask(request.clone(), patience, Box::new(|_| {})).detach();
                }
                self.inner.ask(request, patience, self.noting(handed.through(fate)))
            }
        };
        holding(inner, life)
    }

    fn on_network_change(&self) {
        self.inner.on_network_change();
    }
}

#[cfg(test)]
mod tests;

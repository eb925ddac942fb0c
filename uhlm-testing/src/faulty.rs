//! A verifier that fails as a test tells it to, around one that works.
//!
//! Decides what becomes of each call. Refusals (desync, gone, busy and the like) are [`Fate::Fail`] with the error that
//! a client makes of them.

mod clock;
mod frames;
mod life;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Answer, Call, FrameReply, Reply, Verifier, VerifierError};
use uhlm_law::advance::{Advance, Frame, Info, Open, Opened, SessionId};

use self::clock::Clock;
pub use self::frames::Alter;
use self::frames::{Handed, Script as FrameScript};
use self::life::{Life, holding};

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Verifier::open`].
    Open,
    /// [`Verifier::advance`].
    Advance,
}

/// A call as the script sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it asks for.
    pub kind: Kind,
    /// Number of calls of this kind before it.
    pub index: usize,
    /// Number of tokens that it gives.
    pub given: usize,
    /// Number of tokens that it drafts.
    pub drafted: usize,
}

/// What becomes of a call.
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
    /// The verifier takes it, and after so many frames nothing comes back until the deadline.
    Silence(usize),
    /// The answer, each frame of it, comes later.
    Delay(Duration),
    /// The verifier is asked twice, as by a client that lost a connection; the second answer counts.
    Repeat,
    /// The opened session is changed.
    AlterOpened(Alter<Opened>),
    /// Each frame is changed.
    AlterFrames(Alter<Frame>),
    /// These frames come, and the verifier never sees the call.
    Frames(Vec<Frame>),
    /// The answer breaks off after so many frames.
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
}

impl Verifier for Faulty {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.inner.info(deadline, reply)
    }

    fn open(&self, request: Open, deadline: Duration, reply: Reply<Opened>) -> Call {
        let fate = self.fate(Kind::Open, 0, 0);
        let life = Life::new(&self.alive);
        let over = life.clone();
        let reply: Reply<Opened> = Box::new(move |result| {
            if over.end() {
                reply(result);
            }
        });
        let opened = Arc::clone(&self.opened);
        let noted = move |result: Result<Answer<Opened>, VerifierError>, reply: Reply<Opened>| {
            if let Ok(answer) = &result {
                opened.lock().expect("no panic").push(answer.value.session);
            }
            reply(result);
        };
        let inner = match fate {
            Fate::Fail(error) => {
                reply(Err(error));
                Call::finished()
            }
            Fate::Swallow | Fate::Silence(_) => {
                let late = move || reply(Err(VerifierError::DeadlineExceeded { deadline }));
                self.clock.at(Instant::now() + deadline, late);
                Call::finished()
            }
            Fate::LoseReply(error) | Fate::BreakAfter(_, error) => {
                let lost: Reply<Opened> = Box::new(move |_| reply(Err(error)));
                self.inner.open(request, deadline, Box::new(move |result| noted(result, lost)))
            }
            Fate::Delay(by) => {
                let clock = self.clock.clone();
                let late: Reply<Opened> = Box::new(move |result| clock.at(Instant::now() + by, move || reply(result)));
                self.inner.open(request, deadline, Box::new(move |result| noted(result, late)))
            }
            fate => {
                let change: Alter<Opened> = if let Fate::AlterOpened(change) = fate { change } else { |_| {} };
                let altered: Reply<Opened> = Box::new(move |mut result| {
                    if let Ok(answer) = &mut result {
                        change(&mut answer.value);
                    }
                    reply(result);
                });
                self.inner.open(request, deadline, Box::new(move |result| noted(result, altered)))
            }
        };
        holding(inner, life)
    }

    fn advance(&self, session: SessionId, request: Advance, silence: Duration, frames: FrameReply) -> Call {
        let fate = self.fate(Kind::Advance, request.stand.len(), request.draft.len());
        let life = Life::new(&self.alive);
        let handed = Handed::new(frames, life.clone());
        let inner = match fate {
            Fate::Fail(error) => {
                handed.hand(Err(error));
                Call::finished()
            }
            Fate::Swallow => {
                handed.give_up_at(&self.clock, Instant::now() + silence, silence);
                Call::finished()
            }
            Fate::Frames(frames) => {
                handed.make_up(frames);
                Call::finished()
            }
            fate => {
                if matches!(fate, Fate::Repeat) {
                    // Its answer goes nowhere, as that of a connection that broke.
                    self.inner.advance(session, request.clone(), silence, Box::new(|_| {})).detach();
                }
                let script = match fate {
                    Fate::LoseReply(error) => FrameScript::Break(0, error),
                    Fate::BreakAfter(count, error) => FrameScript::Break(count, error),
                    Fate::Silence(count) => FrameScript::Silence(count, silence),
                    Fate::Delay(by) => FrameScript::Delay(by),
                    Fate::AlterFrames(alter) => FrameScript::Alter(alter),
                    _ => FrameScript::Pass,
                };
                self.inner.advance(session, request, silence, handed.through(script, self.clock.clone()))
            }
        };
        holding(inner, life)
    }

    fn close(&self, session: SessionId) {
        self.closed.lock().expect("no panic").push(session);
        self.inner.close(session);
    }

    fn on_network_change(&self) {
        self.inner.on_network_change();
    }
}

#[cfg(test)]
mod tests;

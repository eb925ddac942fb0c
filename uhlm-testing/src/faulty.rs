//! A verifier that fails as a test tells it to, around one that works.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Call, ContinueReply, Continued, Reply, Verifier, VerifierError};
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse,
};

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Verifier::open`].
    Open,
    /// [`Verifier::verify`] without a window: the prompt, or a probe.
    Prefill,
    /// [`Verifier::verify`] with a window.
    Window,
    /// [`Verifier::draws`].
    Draws,
    /// [`Verifier::continuation`].
    Continuation,
}

/// A call as the script sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it asks for.
    pub kind: Kind,
    /// How many calls of this kind came before.
    pub index: usize,
}

/// Changes an answer.
pub type Alter<T> = fn(&mut T);

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fate {
    /// The verifier answers.
    Pass,
    /// It fails and the verifier never sees it.
    Fail(VerifierError),
    /// It fails after the verifier processed it: the reply was lost.
    LoseReply(VerifierError),
    /// Nothing comes back until the deadline.
    Swallow,
    /// The answer comes later.
    Delay(Duration),
    /// The verdict is changed.
    AlterVerdict(Alter<VerifyResponse>),
    /// The draws are changed.
    AlterDraws(Alter<DrawsResponse>),
    /// The opened session is changed.
    AlterOpened(Alter<OpenResponse>),
    /// A continuation breaks after so many tokens.
    BreakAfter(usize, VerifierError),
}

type Script = Box<dyn FnMut(Seen) -> Fate + Send>;

/// The wrapper.
pub struct Faulty {
    inner: Arc<dyn Verifier>,
    script: Mutex<Script>,
    counts: Mutex<Vec<Kind>>,
    alive: Arc<AtomicUsize>,
    closed: Mutex<Vec<String>>,
    opened: Arc<Mutex<Vec<String>>>,
    clock: Sender<(Instant, Box<dyn FnOnce() + Send>)>,
}

impl Faulty {
    /// Everything passes until [`Self::set`] says otherwise.
    #[must_use]
    pub fn new(inner: impl Verifier + 'static) -> Arc<Self> {
        let (clock, due) = channel::<(Instant, Box<dyn FnOnce() + Send>)>();
        std::thread::spawn(move || {
            let mut waiting: Vec<(Instant, Box<dyn FnOnce() + Send>)> = Vec::new();
            loop {
                let now = Instant::now();
                let ready: Vec<_> = waiting.extract_if(.., |entry| entry.0 <= now).collect();
                ready.into_iter().for_each(|entry| entry.1());
                let next = waiting.iter().map(|entry| entry.0).min();
                let patience = next.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
                match due.recv_timeout(patience) {
                    Ok(entry) => waiting.push(entry),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Arc::new(Self {
            inner: Arc::new(inner),
            script: Mutex::new(Box::new(|_| Fate::Pass)),
            counts: Mutex::default(),
            alive: Arc::default(),
            closed: Mutex::default(),
            opened: Arc::default(),
            clock,
        })
    }

    /// Decides the fate of calls from now on.
    pub fn set(&self, script: impl FnMut(Seen) -> Fate + Send + 'static) {
        *self.script.lock().expect("no panic") = Box::new(script);
    }

    /// Everything passes from now on.
    pub fn mend(&self) {
        self.set(|_| Fate::Pass);
    }

    /// Calls that are held and neither answered nor dropped.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// Calls of a kind so far.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.counts.lock().expect("no panic").iter().filter(|seen| **seen == kind).count()
    }

    /// Sessions that the verifier opened and nobody closed.
    #[must_use]
    pub fn left_open(&self) -> usize {
        let closed = self.closed.lock().expect("no panic");
        self.opened.lock().expect("no panic").iter().filter(|name| !closed.contains(name)).count()
    }

    /// Forgets the session opened last, as a server does that runs out of memory.
    pub fn evict(&self) {
        let last = self.opened.lock().expect("no panic").last().cloned();
        if let Some(name) = last {
            self.close(&name);
        }
    }

    fn fate(&self, kind: Kind) -> Fate {
        let index = self.count(kind);
        self.counts.lock().expect("no panic").push(kind);
        (self.script.lock().expect("no panic"))(Seen { kind, index })
    }

    fn at(&self, when: Instant, what: impl FnOnce() + Send + 'static) {
        drop(self.clock.send((when, Box::new(what))));
    }

    fn call<T: Send + 'static>(
        &self,
        fate: Fate,
        deadline: Duration,
        reply: Reply<T>,
        alter: impl FnOnce(&mut T) + Send + 'static,
        send: impl FnOnce(&dyn Verifier, Reply<T>) -> Call,
    ) -> Call {
        let life = Life::new(&self.alive);
        let over = life.clone();
        let reply: Reply<T> = Box::new(move |result| {
            if over.end() {
                reply(result);
            }
        });
        let inner = match fate {
            Fate::Fail(error) => {
                reply(Err(error));
                Call::finished()
            }
            Fate::Swallow => {
                let due = Instant::now() + deadline;
                self.at(due, move || reply(Err(VerifierError::DeadlineExceeded { deadline })));
                Call::finished()
            }
            Fate::LoseReply(error) => send(&*self.inner, Box::new(move |_| reply(Err(error)))),
            Fate::Delay(by) => {
                let clock = self.clock.clone();
                let late = Box::new(move |result| {
                    drop(clock.send((Instant::now() + by, Box::new(move || reply(result)))));
                });
                send(&*self.inner, late)
            }
            _ => send(
                &*self.inner,
                Box::new(move |mut result| {
                    if let Ok(answer) = &mut result {
                        alter(&mut answer.value);
                    }
                    reply(result);
                }),
            ),
        };
        holding(inner, life)
    }
}

/// A call whose end ends the other one; detached, it leaves it running.
fn holding(inner: Call, life: Life) -> Call {
    let inner = ManuallyDrop::new(inner);
    Call::new(move || {
        drop(ManuallyDrop::into_inner(inner));
        life.end();
    })
}

/// Counts a call while it is neither answered nor dropped.
#[derive(Clone)]
struct Life {
    alive: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Life {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::AcqRel);
        Self { alive: Arc::clone(alive), open: Arc::new(AtomicUsize::new(1)) }
    }

    /// Ends it; whether this was the first end.
    fn end(&self) -> bool {
        let first = self.open.swap(0, Ordering::AcqRel) == 1;
        if first {
            self.alive.fetch_sub(1, Ordering::AcqRel);
        }
        first
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) == 1
    }
}

impl Verifier for Faulty {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.inner.info(deadline, reply)
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        let fate = self.fate(Kind::Open);
        let change: Alter<OpenResponse> = if let Fate::AlterOpened(change) = fate { change } else { |_| {} };
        let opened = Arc::clone(&self.opened);
        let alter = move |response: &mut OpenResponse| {
            opened.lock().expect("no panic").push(response.session.clone());
            change(response);
        };
        self.call(fate, deadline, reply, alter, |inner, reply| inner.open(request, deadline, reply))
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        let fate = self.fate(if request.draft.is_empty() { Kind::Prefill } else { Kind::Window });
        let alter: Alter<VerifyResponse> = if let Fate::AlterVerdict(change) = fate { change } else { |_| {} };
        self.call(fate, deadline, reply, alter, |inner, reply| inner.verify(session, request, deadline, reply))
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        let fate = self.fate(Kind::Draws);
        let alter: Alter<DrawsResponse> = if let Fate::AlterDraws(change) = fate { change } else { |_| {} };
        self.call(fate, deadline, reply, alter, |inner, reply| inner.draws(session, request, deadline, reply))
    }

    fn continuation(
        &self,
        session: &str,
        request: ContinueRequest,
        deadline: Duration,
        mut reply: ContinueReply,
    ) -> Call {
        let life = Life::new(&self.alive);
        let (over, ended) = (life.clone(), life.clone());
        let inner = match self.fate(Kind::Continuation) {
            Fate::Fail(error) => {
                over.end();
                reply(Err(error));
                Call::finished()
            }
            Fate::Swallow => {
                let due = Instant::now() + deadline;
                self.at(due, move || {
                    if over.end() {
                        reply(Err(VerifierError::DeadlineExceeded { deadline }));
                    }
                });
                Call::finished()
            }
            fate => {
                let mut broken = if let Fate::BreakAfter(tokens, error) = fate { Some((tokens, error)) } else { None };
                let forward: ContinueReply = Box::new(move |part| {
                    if !over.is_open() {
                        return;
                    }
                    let is_token = matches!(&part, Ok(answer) if matches!(answer.value, Continued::Tokens(_)));
                    match &mut broken {
                        Some((0, error)) => {
                            over.end();
                            return reply(Err(error.clone()));
                        }
                        Some((left, _)) => *left -= 1,
                        None => {}
                    }
                    if !is_token {
                        over.end();
                    }
                    reply(part);
                });
                self.inner.continuation(session, request, deadline, forward)
            }
        };
        holding(inner, ended)
    }

    fn close(&self, session: &str) {
        self.closed.lock().expect("no panic").push(session.to_owned());
        self.inner.close(session);
    }
}

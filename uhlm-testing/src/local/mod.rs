//! The target model in this process, behind the same trait as the remote one: for tests and for evaluation without a
//! network.
//!
//! Decides what is served and when a session is decoded; what a request means is
//! [`TargetSequence`](uhlm_law::verification::TargetSequence)'s. One thread owns every sequence and works through the
//! requests in their order, so a continuation holds up the verdicts behind it.
//!
//! A [`Sequence`] yields logits after its last token only, so a window is decoded token by token here, up to the first
//! rejection. That is exact and slow; the server judges a window in one pass.
//!
//! # Latency
//! With [`LocalConfig::round_trip`] every reply is held back by that time, on a thread of its own, while later requests
//! are already being decoded: as if the way there and back took half of it each.
//!
//! # Cancel safety
//! A request whose [`Call`] is dropped before its turn has no effect; one that is being decoded stops between two
//! tokens and leaves the session as it was; one that was judged counts, and repeating it brings the same verdict.

mod postman;
mod session;
mod work;
mod worker;

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Call, ContinueReply, Reply, Verifier, VerifierError};
use uhlm_law::cancel::Cancel;
use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::TokenId;

use self::postman::Postman;
use self::work::{Ticket, Verify, Work};
use self::worker::Worker;

/// Makes the engine's side of a session; called once for each session that opens.
pub type SequenceFactory = Box<dyn FnMut() -> Result<Box<dyn Sequence>, ModelError> + Send>;

/// What a [`LocalVerifier`] serves and how it behaves.
pub struct LocalConfig {
    /// What `info` and `open` answer; requests are checked against its vocabulary and context.
    pub info: Info,
    /// Whether a token ends a continuation.
    pub is_end: Box<dyn Fn(TokenId) -> bool + Send>,
    /// Time by which every reply is late, besides the time for computing it.
    pub round_trip: Duration,
}

impl LocalConfig {
    /// A verifier without artificial latency whose continuations no token ends.
    #[must_use]
    pub fn new(info: Info) -> Self {
        Self { info, is_end: Box::new(|_| false), round_trip: Duration::ZERO }
    }
}

impl std::fmt::Debug for LocalConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalConfig")
            .field("info", &self.info)
            .field("round_trip", &self.round_trip)
            .finish_non_exhaustive()
    }
}

/// The target model in this process.
///
/// Dropping it lets the requests that were made run to their end; nothing waits for them. Replies run on its threads:
/// without latency on the one that decodes, so a reply that blocks holds up every session.
///
/// The deadline of a continuation is not watched.
#[derive(Debug)]
pub struct LocalVerifier {
    work: Sender<Work>,
}

impl LocalVerifier {
    /// Starts the thread that owns the sequences. `factory` runs on that thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn new(config: LocalConfig, factory: SequenceFactory) -> std::io::Result<Self> {
        let (work, inbox) = channel();
        let postman = Postman::start(config.round_trip)?;
        let worker = Worker::new(config.info, config.is_end, factory, postman);
        std::thread::Builder::new().name("uhlm-local-target".into()).spawn(move || worker.run(&inbox))?;
        Ok(Self { work })
    }

    /// Forgets a session, as a server does that runs out of memory: later requests for it get
    /// [`VerifierError::SessionGone`].
    pub fn evict(&self, session: &str) {
        self.close(session);
    }

    fn submit(&self, deadline: Duration, work: impl FnOnce(Ticket) -> Work) -> Call {
        let cancel = Cancel::new();
        match self.work.send(work(Ticket::new(deadline, cancel.clone()))) {
            Ok(()) => Call::new(move || cancel.cancel()),
            Err(unsent) => {
                unsent.0.fail(VerifierError::Unreachable { reason: "the local target has stopped".into() });
                Call::finished()
            }
        }
    }
}

impl Verifier for LocalVerifier {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.submit(deadline, |ticket| Work::Info(ticket, reply))
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        self.submit(deadline, |ticket| Work::Open(ticket, request, reply))
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        self.submit(deadline, |ticket| Work::Verify(session.to_owned(), Verify { ticket, request, reply }))
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        self.submit(deadline, |ticket| Work::Draws(session.to_owned(), ticket, request, reply))
    }

    fn continuation(&self, session: &str, request: ContinueRequest, deadline: Duration, reply: ContinueReply) -> Call {
        self.submit(deadline, |ticket| Work::Continue(session.to_owned(), ticket, request, reply))
    }

    fn close(&self, session: &str) {
        // A target that has stopped holds no session.
        let _ = self.work.send(Work::Close(session.to_owned()));
    }
}

/// Microseconds since `began`, as the wire carries them.
fn micros_since(began: Instant) -> u32 {
    u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

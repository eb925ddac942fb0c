//! The target model in this process, behind the same trait as the remote one: for tests and for evaluation without a
//! network.
//!
//! Decides which session has the next pass, and how the rows of a pass are computed. What a request means, and what a
//! pass brings, is [`TargetSession`](uhlm_law::advance::TargetSession)'s. One thread owns every sequence; sessions that
//! have something to do take turns, a pass each, and requests are taken between two rows.
//!
//! A [`Sequence`](uhlm_law::model::Sequence) yields logits after its last token only, so a pass is decoded row by row
//! here, up to the row that settles it. That is exact, whatever the windows, and slow; the server decodes a window at
//! once.
//!
//! # Latency
//! With [`LocalConfig::round_trip`] every reply is held back by that time, on a thread of its own, while later requests
//! are already being decoded: as if the way there and back took half of it each.
//!
//! # Cancel safety
//! A request whose [`Call`] is dropped before its turn has no effect; one that was taken counts, and dropping its call
//! resets its stream: what it granted and drafted is gone, what was decided stays.

mod postman;
mod session;
mod stream;
mod work;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use uhlm_core::verifier::{Call, Reply, Request, Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::{Capabilities, Info, Limits, MAX_DRAFT, PROTOCOL, SessionId};
use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::Blocks;
use uhlm_law::model::LanguageModel;

use self::postman::Postman;
use self::work::{Asked, Ticket, Work};
pub use self::worker::SequenceFactory;
use self::worker::Worker;

/// The model that a [`LocalVerifier`] serves, and its behaviour.
pub struct LocalConfig {
    /// The answer to `info` and `open`; requests are checked against its vocabulary and limits.
    pub info: Info,
    /// Whose vocabulary and token keys the target has.
    pub model: Arc<dyn LanguageModel>,
    /// Time by which every reply is late, besides the time for computing it.
    pub round_trip: Duration,
}

impl LocalConfig {
    /// Makes the settings of a verifier that has every capability and no artificial latency, for sequences of up to
    /// `context` tokens.
    #[must_use]
    pub fn of(model: Arc<dyn LanguageModel>, context: u32) -> Self {
        let vocabulary_size = u32::try_from(model.vocabulary().size()).unwrap_or(u32::MAX);
        let info = Info {
            protocol: PROTOCOL.into(),
            model: "local".into(),
            // Of no file.
            fingerprint: Digest([0; 32]),
            vocabulary: model.vocabulary_hash(),
            capabilities: Capabilities::RUNS_AHEAD
                .union(Capabilities::MATCHED)
                .union(Capabilities::PROBABILITIES)
                .union(Capabilities::WIDER_CHAIN),
            limits: Limits { vocabulary_size, context, max_draft: MAX_DRAFT as u32, max_body: 1 << 20 },
            ends: model.vocabulary().ends(),
            blocks: Blocks::default(),
            engine: String::new(),
            vocabulary_file: None,
            hands_off: false,
        };
        Self { info, model, round_trip: Duration::ZERO }
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
        let worker = Worker::new(config.info, config.model, factory, postman, inbox);
        std::thread::Builder::new().name("uhlm-local-target".into()).spawn(move || worker.run())?;
        Ok(Self { work })
    }

    /// Forgets a session, as a server does that runs out of memory: its stream, and later requests for it, get
    /// [`VerifierError::SessionGone`].
    pub fn evict(&self, session: SessionId) {
        self.close(session);
    }

    /// Gives the cache of a session away, as a server does for another one: the session loses time and nothing else.
    pub fn take_cache(&self, session: SessionId) {
        drop(self.work.send(Work::TakeCache(session)));
    }

    /// Starts again, as a server does after a crash: streams break off, and no session is known any more.
    pub fn restart(&self) {
        drop(self.work.send(Work::Restart));
    }
}

impl Verifier for LocalVerifier {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        let cancel = Cancel::new();
        let ticket = Ticket::new(patience, cancel.clone());
        if let Err(unsent) = self.work.send(Work::Asked(Box::new(Asked { ticket, request, reply }))) {
            if let Work::Asked(mut asked) = unsent.0 {
                (asked.reply)(Err(VerifierError::Unreachable { reason: "the local target has stopped".into() }));
            }
            return Call::finished();
        }
        let work = self.work.clone();
        Call::new(move || {
            cancel.cancel();
            // A target that has stopped has no streams.
            drop(work.send(Work::Dropped));
        })
    }
}

#[cfg(test)]
mod tests;

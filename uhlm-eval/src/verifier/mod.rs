//! Judges in virtual time: a target decides, the real one or a recording of it, and the clock and the channel say when
//! its answers have arrived.
//!
//! The law says what a request means ([`uhlm_law::advance::TargetSession`]), as on the server. A request arrives when
//! the modelled link brings it, a pass begins when the modelled target is free and takes the modelled time, and its
//! frames leave when it ends. Every step is a delivery of the clock, so that passes, requests and frames overlap as
//! they would with a real server.

mod engine;
mod ledger;
mod session;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uhlm_core::clock::VirtualClock;
use uhlm_core::verifier::{Answer, BodyBytes, Call, Part, Reply, Request, Verifier, VerifierError};
use uhlm_law::advance::{Advance, Capabilities, Encoding, Info, Limits, MAX_DRAFT, Opened, PROTOCOL, SessionId};
use uhlm_law::cancel::Cancel;
use uhlm_law::fingerprint::Blocks;

use self::engine::Engine;
pub use self::ledger::Ledger;
use self::stream::Stream;
use crate::billing::Billing;
use crate::channel::{Channel, Direction, Place};
use crate::costs::PassCosts;
use crate::models::TargetModel;

/// A verifier whose target is behind a modelled link.
pub struct SimulatedVerifier {
    shared: Arc<Shared>,
}

/// The state that the calls, the clock's deliveries and the resets share.
struct Shared {
    clock: Arc<VirtualClock>,
    target: Arc<dyn TargetModel>,
    costs: PassCosts,
    billing: Billing,
    engine: Mutex<Engine>,
}

impl Shared {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimulatedVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedVerifier").field("costs", &self.shared.costs).finish_non_exhaustive()
    }
}

impl SimulatedVerifier {
    /// Makes a verifier without sessions. `seed` fixes the channel's random choices.
    #[must_use]
    pub fn new(
        target: Arc<dyn TargetModel>,
        clock: Arc<VirtualClock>,
        channel: &Channel,
        costs: PassCosts,
        billing: Billing,
        seed: u64,
    ) -> Self {
        let engine = Mutex::new(Engine::new(channel.open(seed)));
        Self { shared: Arc::new(Shared { clock, target, costs, billing, engine }) }
    }

    /// Counts all further costs for this prompt; returns the costs since the last call.
    #[must_use]
    pub fn begin(&self, prompt: u64) -> Ledger {
        let mut engine = self.shared.engine();
        engine.prompt = prompt;
        std::mem::take(&mut engine.ledger)
    }

    fn info_now(&self) -> Info {
        let target = &self.shared.target;
        Info {
            protocol: PROTOCOL.into(),
            model: target.name().to_owned(),
            fingerprint: target.fingerprint(),
            vocabulary: target.language().vocabulary_hash(),
            capabilities: Capabilities::RUNS_AHEAD.union(Capabilities::MATCHED).union(Capabilities::PROBABILITIES),
            limits: Limits {
                vocabulary_size: target.language().vocabulary().size() as u32,
                context: target.context(),
                max_draft: MAX_DRAFT as u32,
                max_body: 1 << 20,
            },
            ends: target.language().vocabulary().ends(),
            blocks: Blocks::default(),
            engine: String::new(),
            vocabulary_file: None,
            hands_off: false,
        }
    }

    /// Answers a request that takes the target no time.
    fn answer(
        &self,
        up: u64,
        deadline: Duration,
        make: impl FnOnce(&mut Engine) -> Result<Part, VerifierError>,
        mut reply: Reply,
    ) -> Call {
        let shared = &self.shared;
        let mut engine = shared.engine();
        let sent = shared.clock.time();
        let arrived = engine.arrival(Direction::Up, sent, shared.billing.request(up), 0);
        let mut result = make(&mut engine);
        let down = result.as_ref().map_or(0, |part| part.body(Encoding::Binary).len() as u64);
        let mut due = engine.arrival(Direction::Down, arrived, shared.billing.answer(down), 0);
        if due > sent + deadline {
            due = sent + deadline;
            result = Err(VerifierError::DeadlineExceeded { deadline });
        }
        let cancel = Cancel::new();
        let (given_up, elapsed, bytes) = (cancel.clone(), due - sent, BodyBytes { up, down });
        shared.clock.at(due, move || {
            if !given_up.is_cancelled() {
                reply(result.map(|value| Answer { value, bytes, elapsed, attempts: 1 }));
            }
        });
        Call::new(move || cancel.cancel())
    }

    fn advance(&self, session: SessionId, request: Advance, silence: Duration, reply: Reply) -> Call {
        let shared = Arc::clone(&self.shared);
        let vocabulary = shared.target.language().vocabulary().size();
        let up = shared.billing.advance(&request, vocabulary);
        let place = request.draft_start() as usize + request.draft.len();
        let (sent, cancel) = (shared.clock.time(), Cancel::new());
        let mut engine = shared.engine();
        let arrived = engine.arrival(Direction::Up, sent, shared.billing.request(up), place);
        engine.ledger.messages += 1;
        let position = Place { prompt: engine.prompt, token: place as u64 };
        let stream = engine.register(Stream::new(session, sent, silence, up, position, cancel.clone(), reply));
        drop(engine);
        let then = Arc::clone(&shared);
        shared.clock.at(arrived, move || then.accept(session, stream, &request));
        Call::new(move || {
            cancel.cancel();
            // The reset travels over the link as well.
            let mut engine = shared.engine();
            let now = shared.clock.time();
            let arrived = engine.link_arrival(Direction::Up, now, 0, position);
            drop(engine);
            let then = Arc::clone(&shared);
            shared.clock.at(arrived, move || then.reset(session, stream));
        })
    }
}

impl Verifier for SimulatedVerifier {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        let up = request.body(Encoding::Binary).len() as u64;
        match request {
            Request::Info => self.answer(up, patience, |_| Ok(Part::Info(self.info_now())), reply),
            // What is evaluated shares one vocabulary.
            Request::Vocabulary(_) => self.answer(up, patience, |_| Err(VerifierError::SessionGone), reply),
            Request::Open(_) => {
                let info = self.info_now();
                let make = |engine: &mut Engine| {
                    let session = engine.open(self.shared.target.as_ref(), &info)?;
                    Ok(Part::Opened(Opened { session, info }))
                };
                self.answer(up, patience, make, reply)
            }
            Request::Advance(session, advance) => self.advance(session, advance, patience, reply),
            Request::Close(session) => {
                self.shared.engine().close(session);
                Call::finished()
            }
        }
    }
}

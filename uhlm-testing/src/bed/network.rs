//! The way between the device and the verifier.
//!
//! Decides when a message arrives, whether it does, and what the device is told. Every step is a delivery of the clock
//! that tells the device at most one thing. The beginning of a request's way is in [`uplink`](super::uplink).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Part, VerifierError};
use uhlm_law::advance::{
    Advance, Capabilities, Encoding, Frame, Info, Limits, PROGRESS_SECONDS, PROTOCOL, Progress, Sent, StreamId,
};
use uhlm_law::fingerprint::Blocks;
use uhlm_law::model::{LanguageModel as _, Vocabulary as _};

use super::clock::BedClock;
use super::dice::Dice;
use super::draft::Times;
use super::faults::{Chances, Counts, Fault};
use super::server::Server;
use super::wire::{Early, Listener, Telling};
use crate::synthetic::{SyntheticModel, VOCABULARY};

/// The properties of the way and of the verifier at its end.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Shortest time that a message takes.
    pub least: Duration,
    /// Largest time on top of that, without a fault.
    pub jitter: Duration,
    /// Largest time on top of that for a late message.
    pub late: Duration,
    /// Times of the target's passes.
    pub times: Times,
    /// Number of replicas, at least 1.
    pub replicas: usize,
    /// Largest number of drafted tokens in a pass.
    pub max_draft: u32,
    /// Largest size of a request's body, in bytes.
    pub max_body: u32,
    /// Whether the verifier tells its progress.
    pub tells_progress: bool,
    /// Chances of faults of messages and passes.
    pub chances: Chances,
}

impl Way {
    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::RUNS_AHEAD.union(Capabilities::MATCHED).union(Capabilities::PROBABILITIES);
        if self.tells_progress { all.union(Capabilities::PROGRESS) } else { all }
    }
}

/// Time without a frame after which a verifier tells its progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(PROGRESS_SECONDS);

/// The verifier of a bed, at the other end of its way.
pub struct Network {
    pub(super) clock: Arc<BedClock>,
    pub(super) info: Info,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) way: Way,
    pub(super) dice: Dice,
    counts: Counts,
    pub(super) server: Server,
    /// The replica that requests go to.
    pub(super) active: usize,
    pub(super) listeners: BTreeMap<u64, Listener>,
    /// Number of requests so far.
    pub(super) streams: u64,
    /// Time before which nothing gets through.
    pub(super) outage: Duration,
    /// Number of times that the device was told anything or woken, then the number of failures among them.
    pub(super) told: u64,
    pub(super) failures: u64,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("way", &self.state().way).finish_non_exhaustive()
    }
}

impl State {
    /// Rolls the dice for a fault, and counts it if it happens.
    pub(super) fn happens(&mut self, thousandths: usize, fault: Fault) -> bool {
        let happens = self.dice.happens(thousandths);
        if happens {
            self.counts.count(fault);
        }
        happens
    }

    /// Draws how long the next message takes; one that is late is counted as the fault `late`.
    pub(super) fn travel(&mut self, late: Fault) -> Duration {
        let Way { least, jitter, late: most, chances, .. } = self.way;
        let longest = if self.happens(chances.late, late) { most } else { jitter };
        least + self.dice.span(longest)
    }

    /// Makes the message that the listener of an answer hears, and forgets the listener where nothing follows.
    fn tell(&mut self, stream: u64, now: Duration, heard: Result<Part, VerifierError>) -> Option<Telling> {
        let goes_on = heard.as_ref().is_ok_and(|part| !part.is_last());
        let down = heard.as_ref().map_or(0, |part| part.body(Encoding::Binary).len() as u64);
        self.failures += u64::from(heard.is_err());
        let telling = self.listeners.get_mut(&stream)?.tell(now, down, heard);
        self.told += 1;
        if !goes_on {
            self.listeners.remove(&stream);
        }
        Some(telling)
    }
}

impl Network {
    /// Makes a network with a verifier that has no session.
    #[must_use]
    pub fn new(clock: Arc<BedClock>, target: SyntheticModel, way: Way, seed: u64) -> Arc<Self> {
        let limits = Limits {
            vocabulary_size: VOCABULARY as u32,
            context: target.capacity as u32,
            max_draft: way.max_draft,
            max_body: way.max_body,
        };
        let info = Info {
            protocol: PROTOCOL.into(),
            model: "bed".into(),
            fingerprint: target.fingerprint(),
            vocabulary: target.vocabulary_hash(),
            capabilities: way.capabilities(),
            limits,
            ends: target.ends(),
            blocks: Blocks::default(),
            engine: String::new(),
            vocabulary_file: None,
            hands_off: false,
        };
        let state = State {
            dice: Dice::new(seed, 1),
            counts: Counts::default(),
            server: Server::new(Arc::new(target), limits, way.replicas),
            active: 0,
            listeners: BTreeMap::new(),
            streams: 0,
            outage: Duration::ZERO,
            told: 0,
            failures: 0,
            way,
        };
        Arc::new(Self { clock, info, state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how often each fault happened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Returns how often the device was told anything.
    pub(super) fn told(&self) -> u64 {
        self.state().told
    }

    /// Returns how often the device was told of a failure.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.state().failures
    }

    /// Returns how many sessions are open.
    #[must_use]
    pub fn left_open(&self) -> usize {
        self.state().server.left_open()
    }

    /// Counts a fault that happens elsewhere and wakes the session.
    pub(super) fn wakes(&self, fault: Fault) {
        let mut state = self.state();
        state.counts.count(fault);
        state.told += 1;
    }

    /// Lets nothing go wrong from now on.
    pub(super) fn mend(&self) {
        let mut state = self.state();
        state.way.chances = Chances::default();
        state.outage = Duration::ZERO;
    }

    /// Lets a fault of the verifier or of the whole way happen.
    pub(super) fn strike(self: &Arc<Self>, fault: Fault) {
        let now = self.clock.time();
        let mut state = self.state();
        state.counts.count(fault);
        let replicas = state.server.replicas();
        let replica = state.dice.roll(replicas);
        match fault {
            Fault::Restart => {
                state.server.restart(replica);
                let broken: Vec<u64> =
                    state.listeners.iter().filter(|(_, heard)| heard.replica == replica).map(|(id, _)| *id).collect();
                drop(state);
                broken.into_iter().for_each(|stream| self.cut(stream, Duration::ZERO));
            }
            Fault::CacheEvicted => state.server.evict(replica),
            Fault::SessionEvicted => state.server.forget(),
            Fault::Switch => state.active = (state.active + 1) % replicas,
            Fault::Outage => state.outage = now + state.dice.span(Duration::from_secs(8)),
            _ => {}
        }
    }

    /// Lets nothing through from now on.
    #[cfg(test)]
    pub(super) fn fall_silent(&self) {
        self.state().outage = Duration::MAX;
    }

    /// Tells the device after `delay` that an answer broke off.
    fn cut(self: &Arc<Self>, stream: u64, delay: Duration) {
        let then = Arc::clone(self);
        self.clock.after(delay, move || {
            let error = VerifierError::Unreachable { reason: "the connection broke".into() };
            then.tell(stream, Err(error));
        });
    }

    pub(super) fn tell(self: &Arc<Self>, stream: u64, heard: Result<Part, VerifierError>) {
        let telling = self.state().tell(stream, self.clock.time(), heard);
        if let Some(telling) = telling {
            telling.tell();
        }
    }

    /// Takes a request that arrives at a replica.
    pub(super) fn arrive(self: &Arc<Self>, replica: usize, session: u128, stream: u64, request: &Advance) {
        let mut state = self.state();
        let now = self.clock.time();
        if now < state.outage {
            return;
        }
        let sent = state.server.accept(replica, session, StreamId(stream), request, now);
        self.send(&mut state, replica, sent);
        self.work(&mut state, replica);
        if state.way.tells_progress {
            let life = state.server.life(replica);
            drop(state);
            self.report(replica, life, stream);
        }
    }

    /// Tells the progress of an answer from time to time, as long as it lasts and its replica lives.
    fn report(self: &Arc<Self>, replica: usize, life: u64, stream: u64) {
        let then = Arc::clone(self);
        self.clock.after(PROGRESS_EVERY, move || {
            let mut state = then.state();
            let is_live = state.server.life(replica) == life && state.server.is_answering(replica, stream);
            let Some(listener) = state.listeners.get(&stream).filter(|_| is_live) else { return };
            if listener.said + PROGRESS_EVERY <= then.clock.time() {
                let frame = Frame::Progress(Progress::default());
                then.send(&mut state, replica, vec![Sent { stream: StreamId(stream), frame }]);
            }
            drop(state);
            then.report(replica, life, stream);
        });
    }

    /// Begins the next pass of a replica, if it is free.
    fn work(self: &Arc<Self>, state: &mut State, replica: usize) {
        let mut sent = Vec::new();
        let begun = state.server.work(replica, &mut sent);
        self.send(state, replica, sent);
        let Some(begun) = begun else { return };
        let span = state.way.times.of(begun.tokens).mul_f64(0.5 + state.dice.roll(1000) as f64 / 1000.0);
        let (then, failed) = (Arc::clone(self), state.way.chances.failed);
        self.clock.after(span, move || {
            let mut state = then.state();
            let fails = state.happens(failed, Fault::FailedPass);
            let sent = state.server.ended(&begun, span, then.clock.time(), fails);
            then.send(&mut state, replica, sent);
            then.work(&mut state, replica);
        });
    }

    /// Sends frames on their way.
    fn send(self: &Arc<Self>, state: &mut State, replica: usize, sent: Vec<Sent>) {
        let now = self.clock.time();
        for Sent { stream: StreamId(stream), frame } in sent {
            let travel = state.travel(Fault::LateFrame);
            let is_out = now < state.outage;
            let Some(listener) = state.listeners.get_mut(&stream) else {
                // Nobody listens to a repetition; the server finds out when it answers, unless that is lost too.
                if state.dice.happens(500) {
                    state.server.reset(replica, stream);
                }
                continue;
            };
            let early = listener.early.as_mut().map(|(left, early)| {
                let ends = *left == 0;
                *left = left.saturating_sub(1);
                (ends, *early)
            });
            match early {
                Some((true, Early::Silent)) => {}
                _ if is_out => listener.early = Some((0, Early::Silent)),
                _ => {
                    listener.said = now;
                    listener.due = listener.due.max(now + travel);
                    let (then, delay) = (Arc::clone(self), listener.due - now);
                    if matches!(early, Some((true, Early::Cut))) {
                        self.cut(stream, delay);
                        continue;
                    }
                    let heard = Part::of(frame);
                    self.clock.after(delay, move || then.tell(stream, heard));
                }
            }
        }
    }

    /// Ends an answer, after `delay`, that nothing was heard of for too long; watches on while something is.
    pub(super) fn watch(self: &Arc<Self>, stream: u64, delay: Duration) {
        let then = Arc::clone(self);
        self.clock.after(delay, move || {
            let mut state = then.state();
            let now = then.clock.time();
            let Some(listener) = state.listeners.get(&stream) else { return };
            let (deadline, due) = (listener.silence, listener.heard + listener.silence);
            if due > now {
                drop(state);
                return then.watch(stream, due - now);
            }
            let replica = listener.replica;
            let telling = state.tell(stream, now, Err(VerifierError::DeadlineExceeded { deadline }));
            drop(state);
            then.reset(replica, stream);
            if let Some(telling) = telling {
                telling.tell();
            }
        });
    }

    /// Sends the reset of an answer that nobody waits for any more.
    pub(super) fn reset(self: &Arc<Self>, replica: usize, stream: u64) {
        let mut state = self.state();
        let lost = state.way.chances.lost;
        if state.happens(lost, Fault::LostReset) || self.clock.time() < state.outage {
            return;
        }
        let (then, travel) = (Arc::clone(self), state.travel(Fault::LateRequest));
        self.clock.after(travel, move || then.state().server.reset(replica, stream));
    }
}

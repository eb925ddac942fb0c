//! Phones of two owners around one worker, stepped in virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::{self, SessionId};

use super::super::clock::{Clock, VirtualClock};
use super::super::inbox::{Inbox, Ticket};
use super::super::job::{Awaited, Call, Command, Place};
use super::super::pulse::{Gauge, Pulse};
use super::super::worker::{Alive, Worker};
use super::engine::{Engine, Room, VOCABULARY};
use super::phone::{Habit, Listening, Phone};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::owner::Owner;
use crate::owner::pool::Pool;

const PEACEFUL: Owner = Owner::Token([1; 32]);
const OTHER: Owner = Owner::Token([2; 32]);
/// Time that each reading of the clock costs: a request is read with some of them.
const READING: Duration = Duration::from_micros(2);
/// Time for which a phone drafts before it sends a window.
const DRAFTING: Duration = Duration::from_millis(60);
/// Time at which the attack, and with it the counting, begins.
const WARM: Duration = Duration::from_secs(2);

/// Number of phones of the other owner that let the target write on, in both arms: it uses its share without an attack
/// too.
const STREAMS: u32 = 48;

/// The attack that the other owner makes beside its phones' requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Opens sessions as fast as they are answered, as many at once as it may.
    OpenFlood,
    /// Has twice as many sessions as there are slots write on for ever.
    Hoard,
    /// Has eight prompts read, each nearly as long as the cache.
    GiantPrompts,
    /// Sends requests and resets them, some at once and some a moment later.
    OpenAndReset,
    /// Has sixteen sessions judge windows of 256 tokens under a chain that is costly to score, with all labels.
    CostlyChains,
}

/// Room of the engine on which one owner attacks another.
const ROOM: Room = Room { slots: 64, capacity: 16_384 };

pub(super) struct World {
    worker: Worker,
    clock: Arc<VirtualClock>,
    inbox: Arc<Inbox>,
    places: Pool,
    metrics: Arc<Metrics>,
    phones: Vec<Phone>,
    /// Phones by the time at which each sends its next request.
    due: BTreeSet<(Duration, usize)>,
    attack: Option<Attack>,
    opens: Vec<(Awaited<()>, Place, Ticket)>,
    resets: Vec<Listening>,
    names: u64,
}

impl World {
    /// Makes a world with nobody in it.
    pub(super) fn empty(room: Room, limits: Limits) -> Self {
        let clock = VirtualClock::new(READING);
        let metrics = Arc::new(Metrics::new());
        let inbox = Inbox::new(Arc::clone(&metrics));
        let alive = Alive::new(watch::channel(true).0, Arc::clone(&inbox));
        let context = room.capacity as u32;
        let offered = advance::Limits { vocabulary_size: VOCABULARY, context, max_draft: 64, max_body: 1 << 20 };
        let places = Pool::new(limits.queue, limits.owner.queue);
        let worker = Worker::new(
            alive,
            Clock::Virtual(Arc::clone(&clock)),
            Arc::new(Pulse::new(limits.stall)),
            Box::new(Engine::new(Arc::clone(&clock), room)),
            limits,
            offered,
            Arc::clone(&inbox),
            Arc::clone(&metrics),
        );
        Self {
            worker,
            clock,
            inbox,
            places,
            metrics,
            phones: Vec::new(),
            due: BTreeSet::new(),
            attack: None,
            opens: Vec::new(),
            resets: Vec::new(),
            names: 0,
        }
    }

    /// Makes a world of two owners, one of whom may attack.
    pub(super) fn new(attack: Option<Attack>) -> Self {
        let mut world = Self::empty(ROOM, Limits { pass_target: Duration::ZERO, ..Limits::default() });
        world.attack = attack;
        (0..4).for_each(|i| world.join(PEACEFUL, Habit::Drafting, DRAFTING / 4 * i));
        (0..8).for_each(|i| world.join(OTHER, Habit::Drafting, DRAFTING / 8 * i));
        (0..STREAMS).for_each(|i| world.join(OTHER, Habit::Streaming, DRAFTING / 8 * i));
        match attack {
            Some(Attack::Hoard) => (0..2 * ROOM.slots).for_each(|_| world.join(OTHER, Habit::Streaming, WARM)),
            Some(Attack::GiantPrompts) => {
                (0..8).for_each(|_| world.join(OTHER, Habit::Reading(ROOM.capacity - 400), WARM));
            }
            Some(Attack::CostlyChains) => (0..16).for_each(|_| world.join(OTHER, Habit::Costly, WARM)),
            Some(Attack::OpenFlood | Attack::OpenAndReset) | None => {}
        }
        world
    }

    /// Makes a world of `count` owners with a phone each, whose texts grow to `longest` tokens.
    pub(super) fn of_phones(
        room: Room,
        limits: Limits,
        count: usize,
        longest: usize,
        deadline_ms: Option<u32>,
    ) -> Self {
        let mut world = Self::empty(room, limits);
        for i in 0..count {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&(i as u64).to_le_bytes());
            world.join(Owner::Token(name), Habit::Drafting, DRAFTING.mul_f64(i as f64 / count as f64));
            world.phones[i].longest = longest;
            world.phones[i].deadline_ms = deadline_ms;
        }
        world
    }

    fn join(&mut self, owner: Owner, habit: Habit, at: Duration) {
        let number = self.phones.len();
        self.phones.push(Phone::new(owner, habit, number as u64));
        self.due.insert((at, number));
    }

    /// Has sessions at work give way to whoever asks, as if that cost nothing.
    pub(super) fn turn_always(&mut self) {
        self.worker.rotation.is_free = true;
    }

    /// Returns the number of tokens that all phones have got since the counting began.
    pub(super) fn gained(&self) -> usize {
        self.phones.iter().map(|phone| phone.gained).sum()
    }

    /// Returns the number of phones.
    pub(super) fn phones(&self) -> usize {
        self.phones.len()
    }

    /// Returns the number of phones that have got anything since the counting began.
    pub(super) fn served(&self) -> usize {
        self.phones.iter().filter(|phone| phone.gained > 0).count()
    }

    /// Returns how often phones were refused, and the refusals that did not say when to come back.
    pub(super) fn refusals(&self) -> (usize, Vec<ErrorCode>) {
        let without_hint = self.phones.iter().flat_map(|phone| phone.without_hint.clone()).collect();
        (self.phones.iter().map(|phone| phone.lost).sum(), without_hint)
    }

    /// Returns the number of times that a session was unloaded.
    pub(super) fn unloaded(&self) -> u64 {
        self.metrics.snapshot().sessions_unloaded
    }

    /// Returns the times that the verdicts of the peaceful owner's phones took since the attack began.
    pub(super) fn verdicts(&self) -> Vec<Duration> {
        self.phones.iter().filter(|phone| phone.owner == PEACEFUL).flat_map(|phone| phone.verdicts.clone()).collect()
    }

    /// Returns how often a phone of the peaceful owner was refused or lost its session.
    pub(super) fn lost(&self) -> usize {
        self.phones.iter().filter(|phone| phone.owner == PEACEFUL).map(|phone| phone.lost).sum()
    }

    /// Lets the time `long` pass.
    pub(super) fn run(&mut self, long: Duration) {
        let mut is_warm = false;
        while self.clock.elapsed() < WARM + long {
            let now = self.clock.elapsed();
            if now >= WARM && !is_warm {
                is_warm = true;
                self.phones.iter_mut().for_each(Phone::restart);
            }
            while let Some((_, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
                self.due.pop_first();
                self.send(number);
            }
            if is_warm {
                self.attack();
            }
            let mut allowance = self.worker.allowance();
            self.worker.take_arrived(&mut allowance).expect("the engine works");
            let is_busy = self.worker.table.is_busy();
            if is_busy {
                self.worker.turn().expect("the engine works");
            }
            let since_start = |until: Instant| until.saturating_duration_since(self.clock.at(Duration::ZERO));
            let held_back = self.worker.held_back.take().map(since_start);
            if held_back.is_some() || !is_busy {
                // Nothing happens before that.
                let next = self.due.first().map(|(at, _)| *at);
                let next = held_back.into_iter().chain(next).min();
                next.into_iter().for_each(|at| self.clock.advance(at.saturating_sub(self.clock.elapsed())));
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let now = self.clock.elapsed();
        for number in 0..self.phones.len() {
            if self.phones[number].hear(now) {
                let pause = self.phones[number].pause(DRAFTING);
                self.due.insert((now + pause, number));
            }
        }
    }

    fn name(&mut self) -> SessionId {
        self.names += 1;
        let mut name = [0; 16];
        name[..8].copy_from_slice(&self.names.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        SessionId(name)
    }

    fn open(&mut self, owner: Owner) -> Option<(SessionId, Awaited<()>, Place, Ticket)> {
        let place = Place::take(&self.places, owner, &self.metrics).ok()?;
        let session = self.name();
        let (reply, answer) = oneshot::channel();
        let ticket = self.inbox.send(owner, None, Command::Open { owner, session, reply }).ok()?;
        Some((session, answer, place, ticket))
    }

    /// Has a phone send its next request, by way of a new session if it has none.
    fn send(&mut self, number: usize) {
        let (owner, now) = (self.phones[number].owner, self.clock.elapsed());
        if self.phones[number].session.is_none() {
            let Some((session, answer, place, ticket)) = self.open(owner) else { return self.later(number) };
            self.phones[number].session = Some(session);
            self.opens.push((answer, place, ticket));
        }
        let Ok(place) = Place::take(&self.places, owner, &self.metrics) else { return self.later(number) };
        let phone = &mut self.phones[number];
        let Some(session) = phone.session else { return };
        let request = phone.request(now);
        let (reply, answer) = oneshot::channel();
        let (arrived, gauge) = (self.clock.at(now), Arc::new(Gauge::default()));
        let call = Call { owner, session, request, constraint: None, arrived, reply, gauge, _room: None };
        let Ok(ticket) = self.inbox.send(owner, Some(session), Command::Advance(Box::new(call))) else { return };
        phone.listening = Some(Listening { answer: Some(answer), frames: None, _place: place, ticket });
    }

    fn later(&mut self, number: usize) {
        self.phones[number].lost += 1;
        self.due.insert((self.clock.elapsed() + Duration::from_millis(500), number));
    }

    fn attack(&mut self) {
        self.opens.retain_mut(|(answer, _, _)| answer.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        match self.attack {
            Some(Attack::OpenFlood) => {
                while let Some((_, answer, place, ticket)) = self.open(OTHER) {
                    self.opens.push((answer, place, ticket));
                }
            }
            Some(Attack::OpenAndReset) => {
                // Requests that were sent before are reset now, wherever they are.
                self.resets.clear();
                self.reset_some();
            }
            Some(Attack::Hoard | Attack::GiantPrompts | Attack::CostlyChains) | None => {}
        }
    }

    /// Sends as many requests as there are places for, and resets every other one at once.
    fn reset_some(&mut self) {
        let Some(number) = self.phones.iter().rposition(|phone| phone.owner == OTHER) else { return };
        let Some(session) = self.phones[number].session else { return };
        for i in 0.. {
            let Ok(place) = Place::take(&self.places, OTHER, &self.metrics) else { break };
            let now = self.clock.elapsed();
            let mut stranger = Phone::new(OTHER, Habit::Drafting, i + self.names);
            self.names += 1;
            let mut request = stranger.request(now);
            request.generation = u32::try_from(self.names).unwrap_or(u32::MAX);
            let (reply, answer) = oneshot::channel();
            let (arrived, gauge) = (self.clock.at(now), Arc::new(Gauge::default()));
            let call = Call { owner: OTHER, session, request, constraint: None, arrived, reply, gauge, _room: None };
            let Ok(ticket) = self.inbox.send(OTHER, Some(session), Command::Advance(Box::new(call))) else { break };
            let listening = Listening { answer: Some(answer), frames: None, _place: place, ticket };
            if i % 2 == 0 {
                self.resets.push(listening);
            }
        }
    }
}

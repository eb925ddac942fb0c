//! Generations over real sockets through bad weather, with a server that is killed and started again, on phones whose
//! clocks jump and whose disk is full at random.
//!
//! Decides when the weather changes and the server dies, from a seed, and what is left over at the end. Which promises
//! a generation has is `outcome`'s, which a write has `keeping`'s; the server is its caller's.

mod clock;
mod disk;
mod files;
mod identity;
mod keeping;
mod loopback;
mod outcome;
mod phones;
mod proxy;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use uhlm_law::chat::DraftModel;
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::TrustPolicy;

use self::keeping::Storage;
use self::phones::Phones;
use self::proxy::{Proxy, Weather};
use crate::error::LoadTestError;
use crate::place::Place;
use crate::resources;
use crate::scrape::Counters;

pub use self::identity::certificate;
pub use self::outcome::{Halves, Outcome, Served, Tally, Writes};
pub use crate::resources::Held;

/// A server that can be killed.
pub trait Victim {
    /// Returns the address that it listens on, the same one after each start.
    fn address(&self) -> SocketAddr;
    /// Returns the number of its process; `None` where it runs in this one.
    fn process(&self) -> Option<u32>;
    /// Kills it without a word; returns whether it was still running.
    fn kill(&mut self) -> bool;
    /// Starts it again, and waits until it listens.
    ///
    /// # Errors
    /// [`LoadTestError::Settings`] with the reason why it does not start.
    fn revive(&mut self) -> Result<(), LoadTestError>;
    /// Returns the number of panics that it has told of in all its lives, also of those that did not end it; 0 where it
    /// runs in this process, whose own are counted.
    fn panics(&self) -> u64;
}

/// The extent of a run.
#[derive(Clone, Debug)]
pub struct ChaosPlan {
    /// Number of generations of all phones together.
    pub generations: u64,
    /// Number of phones that generate at the same time.
    pub phones: u64,
    /// Seed that weather, kills, phones, their clocks and their disk follow from. Times are real ones, so a run is not
    /// the same again.
    pub seed: u64,
}

/// Interval at which the weather may change and the server die.
const STEP: Duration = Duration::from_millis(50);
/// One in so many steps changes the weather, and kills the server.
const CHANGE: u64 = 5;
const KILL: u64 = 60;
/// Longest time for which the server stays dead, in steps.
const DEAD: u64 = 20;
/// Time in which everything that was left has to go.
const SETTLE: Duration = Duration::from_secs(60);

/// Panics of this process.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts panics from now on, for the life of the process; they are reported as before.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            report(panic);
        }));
    });
}

/// Runs the plan against a server that trusts nobody and whose certificate `trust` names. `tick` is told the number of
/// generations that have begun.
///
/// # Errors
/// [`LoadTestError`] where phones or server cannot be started; what goes wrong after that is in the outcome.
pub fn run(
    draft: &DraftModel,
    victim: &mut dyn Victim,
    trust: &TrustPolicy,
    plan: &ChaosPlan,
    tick: &mut dyn FnMut(u64),
) -> Result<Outcome, LoadTestError> {
    count_panics();
    let panics = PANICS.load(Ordering::Relaxed);
    let began = Instant::now();
    // What is made once for the process is there before anything is counted.
    let storage = Storage::new(plan.seed)?;
    let once = ChaosPlan { generations: 4, phones: 1, ..plan.clone() };
    phones(draft, victim.address(), trust, &storage, &once).work(0)?;
    let place = Place {
        url: format!("https://{}", victim.address()),
        trust: trust.clone(),
        owners: Vec::new(),
        hostile: Vec::new(),
    };
    let before = (settled(&place, None, None), of_server(victim));
    let mut outcome = Outcome::default();
    {
        let proxy = Proxy::start(victim.address(), plan.seed)?;
        let phones = phones(draft, proxy.address(), trust, &storage, plan);
        let storm = Storm { proxy: &proxy, dice: Rng::at(plan.seed, Stream::Simulation, u64::MAX), dead: 0 };
        through(storm, &phones, plan.phones, victim, &mut outcome, tick)?;
        outcome.tally = phones.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let met = phones.met.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.weather.extend(met.weather);
        (outcome.writes, outcome.broken) = (met.writes, met.broken);
    }
    let server = before.1.zip(victim.process());
    let (phones, served) = settled(&place, before.0.0, server);
    outcome.phones = before.0.0.zip(phones);
    outcome.server = before.1.zip(of_server(victim));
    outcome.served = served;
    outcome.panics = PANICS.load(Ordering::Relaxed) - panics;
    outcome.server_panics = victim.panics();
    outcome.took = began.elapsed();
    Ok(outcome)
}

fn phones<'a>(
    draft: &'a DraftModel,
    address: SocketAddr,
    trust: &TrustPolicy,
    storage: &'a Storage,
    plan: &ChaosPlan,
) -> Phones<'a> {
    Phones {
        draft,
        address,
        trust: trust.clone(),
        storage,
        generations: plan.generations,
        seed: plan.seed,
        begun: AtomicU64::new(0),
        tally: Mutex::default(),
        met: Mutex::default(),
    }
}

/// The weather and the server's life.
struct Storm<'a> {
    proxy: &'a Proxy,
    dice: Rng,
    /// Number of steps for which the server stays dead; 0 while it lives.
    dead: u64,
}

/// Lets all phones work while the storm goes on, and ends it with a server that lives.
fn through(
    mut storm: Storm<'_>,
    phones: &Phones<'_>,
    count: u64,
    victim: &mut dyn Victim,
    outcome: &mut Outcome,
    tick: &mut dyn FnMut(u64),
) -> Result<(), LoadTestError> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|phone| scope.spawn(move || phones.work(phone))).collect();
        let (mut result, mut halves) = (Ok(()), [None; 2]);
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(STEP);
            let begun = phones.begun.load(Ordering::Relaxed).min(phones.generations);
            tick(begun);
            let half = if begun * 2 < phones.generations { &mut halves[0] } else { &mut halves[1] };
            *half = (*half).max(resources::memory());
            // The phones end by themselves whatever becomes of the server.
            if result.is_ok() {
                result = storm.step(victim, phones.storage, outcome);
            }
        }
        outcome.memory = halves[0].zip(halves[1]).map(|(first, second)| Halves { first, second });
        if storm.dead > 0 {
            result = result.and(revive(victim, phones.storage));
        }
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(LoadTestError::Phone)));
        ended.fold(result, Result::and)
    })
}

impl Storm<'_> {
    fn step(&mut self, victim: &mut dyn Victim, storage: &Storage, outcome: &mut Outcome) -> Result<(), LoadTestError> {
        if self.dice.next_u64().is_multiple_of(CHANGE) {
            // Every other change clears up, so that something gets through.
            let kind = if self.dice.next_u64().is_multiple_of(2) {
                0
            } else {
                self.dice.next_u64() as usize % Weather::ALL.len()
            };
            let weather = Weather::ALL[kind];
            self.proxy.set(weather);
            *outcome.weather.entry(format!("{weather:?}").to_lowercase()).or_default() += 1;
        }
        if self.dead > 0 {
            self.dead -= 1;
            return if self.dead == 0 { revive(victim, storage) } else { Ok(()) };
        }
        if self.dice.next_u64().is_multiple_of(KILL) {
            outcome.kills += 1;
            outcome.server_ends += u64::from(!victim.kill());
            self.dead = 1 + self.dice.next_u64() % DEAD;
        }
        Ok(())
    }
}

/// Starts the server while the disk has room: a process that is started inherits the limit which makes it full.
fn revive(victim: &mut dyn Victim, storage: &Storage) -> Result<(), LoadTestError> {
    let started = storage.disk.with_room(None, || victim.revive());
    started.map_err(|error| LoadTestError::Settings(format!("no limit is set: {error}")))?
}

/// Returns what this process holds and what the server holds for its sessions, once both processes hold no more than
/// `before` (of the server with its process), and nothing is left on the server; after a while whatever it is then.
fn settled(place: &Place, before: Option<Held>, server: Option<(Held, u32)>) -> (Option<Held>, Option<Served>) {
    let began = Instant::now();
    let is_back = |held: Held, before: Held| held.threads <= before.threads && held.descriptors <= before.descriptors;
    loop {
        let (held, served) = (resources::held(None), serves(place));
        // The server notices that a connection is gone some time after the phone has let go of it.
        let there = server.and_then(|(before, process)| Some(is_back(resources::held(Some(process))?, before)));
        let fits = match (held, before) {
            (Some(held), Some(before)) => is_back(held, before) && there != Some(false),
            // Connections of the phones before are closed a moment after them.
            (_, None) => began.elapsed() > 20 * STEP,
            (None, _) => true,
        };
        if (fits && served == Some(Served::default())) || began.elapsed() > SETTLE {
            return (held, served);
        }
        std::thread::sleep(STEP);
    }
}

fn of_server(victim: &dyn Victim) -> Option<Held> {
    resources::held(Some(victim.process()?))
}

/// Asks the server what it holds for its sessions.
fn serves(place: &Place) -> Option<Served> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let counters = runtime.block_on(Counters::fetch(place))?;
    let gauge = |name| counters.now(name).map(|value| value as u64);
    Some(Served { sessions: gauge("uhlm_sessions_open")?, sequences: gauge("uhlm_slots_used")? })
}

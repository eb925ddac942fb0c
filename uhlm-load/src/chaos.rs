//! Generations over real sockets through bad weather, with a server that is killed and started again.
//!
//! Decides when the weather changes and the server dies, from a seed, and what is left over at the end. Which promises
//! a generation has is `outcome`'s; the server is its caller's.

mod outcome;
mod phones;
mod proxy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};
use uhlm_law::chat::DraftModel;
use uhlm_law::digest::Digest;
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::TrustPolicy;

use self::phones::Phones;
use self::proxy::{Proxy, Weather};
use crate::error::LoadTestError;
use crate::place::Place;
use crate::resources;
use crate::scrape::Counters;

pub use self::outcome::{Outcome, Served, Tally};
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
}

/// The extent of a run.
#[derive(Clone, Debug)]
pub struct ChaosPlan {
    /// Number of generations of all phones together.
    pub generations: u64,
    /// Number of phones that generate at the same time.
    pub phones: u64,
    /// Seed that weather, kills and phones follow from. Times are real ones, so a run is not the same again.
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
    write(draft, victim.address(), trust, &ChaosPlan { generations: 4, phones: 1, ..plan.clone() })?;
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
        let phones = phones(draft, proxy.address(), trust, plan);
        let storm = Storm { proxy: &proxy, dice: Rng::at(plan.seed, Stream::Simulation, u64::MAX), dead: 0 };
        through(storm, &phones, plan.phones, victim, &mut outcome, tick)?;
        outcome.tally = phones.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
    let server = before.1.zip(victim.process());
    let (phones, served) = settled(&place, before.0.0, server);
    outcome.phones = before.0.0.zip(phones);
    outcome.server = before.1.zip(of_server(victim));
    outcome.served = served;
    outcome.panics = PANICS.load(Ordering::Relaxed) - panics;
    outcome.took = began.elapsed();
    Ok(outcome)
}

fn phones<'a>(draft: &'a DraftModel, address: SocketAddr, trust: &TrustPolicy, plan: &ChaosPlan) -> Phones<'a> {
    let (trust, begun, tally) = (trust.clone(), AtomicU64::new(0), Mutex::default());
    Phones { draft, address, trust, generations: plan.generations, seed: plan.seed, begun, tally }
}

/// Generates in clear weather.
fn write(draft: &DraftModel, at: SocketAddr, trust: &TrustPolicy, plan: &ChaosPlan) -> Result<(), LoadTestError> {
    phones(draft, at, trust, plan).work(0)
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
        let mut result = Ok(());
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(STEP);
            tick(phones.begun.load(Ordering::Relaxed).min(phones.generations));
            // The phones end by themselves whatever becomes of the server.
            if result.is_ok() {
                result = storm.step(victim, outcome);
            }
        }
        if storm.dead > 0 {
            result = result.and(victim.revive());
        }
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(LoadTestError::Phone)));
        ended.fold(result, Result::and)
    })
}

impl Storm<'_> {
    fn step(&mut self, victim: &mut dyn Victim, outcome: &mut Outcome) -> Result<(), LoadTestError> {
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
            return if self.dead == 0 { victim.revive() } else { Ok(()) };
        }
        if self.dice.next_u64().is_multiple_of(KILL) {
            outcome.kills += 1;
            outcome.server_ends += u64::from(!victim.kill());
            self.dead = 1 + self.dice.next_u64() % DEAD;
        }
        Ok(())
    }
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

/// Writes a certificate for the loopback addresses and its key into a folder, so that a server has the same one after
/// each start. Returns both files, and the trust in the certificate alone.
///
/// # Errors
/// [`LoadTestError::Settings`] with the reason.
pub fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf, TrustPolicy), LoadTestError> {
    let failed = |error: &dyn std::fmt::Display| LoadTestError::Settings(format!("no certificate: {error}"));
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(|error| failed(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let trust = TrustPolicy::Fingerprint(Digest(Sha256::digest(certificate.der()).into()));
    let paths = (folder.join("certificate.pem"), folder.join("key.pem"));
    for (path, text) in [(&paths.0, certificate.pem()), (&paths.1, key.serialize_pem())] {
        std::fs::write(path, text).map_err(|error| failed(&error))?;
    }
    Ok((paths.0, paths.1, trust))
}

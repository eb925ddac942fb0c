//! Histories on real models: a device, a gateway and two engines that llama.cpp runs, and on the way whatever can go
//! wrong. Nothing is written twice or out of order, in the modes that promise it the text is the target's own, the
//! session goes on once everything is mended, and nothing is left behind.
//!
//! The bed of `tests/histories.rs` has far more of them on synthetic models; these show the same of real sockets and
//! real passes. `UHLM_HISTORIES` says how many there are, `UHLM_FIRST_HISTORY` the seed of the first. A history's
//! faults follow from its seed, and when they meet what is under way does not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Canceller, FinishReason, Generation, GenerationError, LinkConfig, LinkState, Mode, OfflinePolicy, Origin, Session,
    SessionOptions,
};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::{Limits, ServerConfig};
use uhlm_testing::bed::check::{Said, listen};
use uhlm_testing::bed::dice::Dice;
use uhlm_testing::engine::{StandIn, Trouble};
use uhlm_testing::eventually::eventually;
use uhlm_testing::patient;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::served::Served;

use crate::support::{Alone, KINDS, begin, is_up, prompts, session_with, stand_in, temperatures, upstream};

/// Number of histories without `UHLM_HISTORIES`.
const HISTORIES: u64 = 12;
/// Longest time for which a session waits under the policy to wait: no fault lasts as long.
const LONG: Duration = Duration::from_secs(120);
/// Longest time from the beginning of a reply to its last fault.
const MOMENTS: Duration = Duration::from_millis(80);

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// An engine is killed, and started again when the reply is over.
    Kill(usize),
    /// An engine answers some requests otherwise than it should.
    Trouble(usize, Trouble, usize),
    /// The network before the gateway.
    Weather(Weather),
    /// The system reports another network.
    NetworkChange,
    /// The person cancels.
    Cancel,
}

/// Everything between the device and the target.
struct World {
    engines: [Mutex<StandIn>; 2],
    served: Served,
    proxy: Proxy,
}

impl World {
    fn new(kind: usize) -> Self {
        let engines = [stand_in(KINDS[kind]), stand_in(KINDS[kind])];
        let upstream = Some(upstream(&[&engines[0], &engines[1]]));
        // A session whose end was lost on the way ends by itself.
        let served = Served::start_with(|config| {
            let limits = Limits { session_idle: Duration::from_secs(10), ..config.limits };
            ServerConfig { upstream, limits, ..config }
        });
        let proxy = Proxy::start(served.address());
        Self { engines: engines.map(Mutex::new), served, proxy }
    }

    fn with<T>(&self, engine: usize, what: impl FnOnce(&mut StandIn) -> T) -> T {
        what(&mut self.engines[engine].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn strike(&self, fault: Fault, session: &Session, generation: &Canceller) {
        match fault {
            Fault::Kill(engine) => self.with(engine, StandIn::kill),
            Fault::Trouble(engine, trouble, count) => self.with(engine, |engine| engine.fail(trouble, count)),
            Fault::Weather(weather) => self.proxy.set(weather),
            Fault::NetworkChange => session.on_network_change(),
            Fault::Cancel => generation.cancel(),
        }
    }

    /// Mends everything, and waits until the gateway knows.
    fn mend(&self, faults: &[(Duration, Fault)]) {
        self.proxy.set(Weather::Clear);
        for engine in 0..2 {
            self.with(engine, |engine| engine.fail(Trouble::Busy, 0));
            if faults.iter().any(|(_, fault)| matches!(fault, Fault::Kill(killed) if *killed == engine)) {
                self.with(engine, StandIn::revive);
            }
            eventually("an engine is asked again", || self.with(engine, |engine| is_up(&self.served, engine)));
        }
    }
}

fn faults(dice: &mut Dice) -> Vec<(Duration, Fault)> {
    let late = Trouble::Late(Duration::from_millis(30));
    let fault = |dice: &mut Dice| match dice.roll(8) {
        0 => Fault::Kill(dice.roll(2)),
        1 => Fault::Weather(dice.one(&[Weather::Resets, Weather::BlackHole, Weather::Stall])),
        2 => Fault::Weather(Weather::Clear),
        3 => Fault::NetworkChange,
        4 if dice.happens(400) => Fault::Cancel,
        _ => {
            let troubles =
                [Trouble::Busy, Trouble::Broken, Trouble::FewTokens, Trouble::OtherIds, Trouble::Nonsense, late];
            Fault::Trouble(dice.roll(2), dice.one(&troubles), 1 + dice.roll(4))
        }
    };
    let mut all: Vec<_> = (0..dice.roll(5)).map(|_| (dice.span(MOMENTS), fault(dice))).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

/// The plan of a session, which a seed decides.
struct Plan {
    mode: Mode,
    sampling: SamplingParams,
    offline: OfflinePolicy,
}

impl Plan {
    fn new(dice: &mut Dice) -> Self {
        Self {
            mode: dice.one(&[Mode::Exact, Mode::Exact, Mode::RemoteOnly, Mode::Opportunistic]),
            sampling: dice.one(&temperatures()),
            offline: dice.one(&[
                OfflinePolicy::Wait(LONG),
                OfflinePolicy::Wait(LONG),
                OfflinePolicy::GoOn,
                OfflinePolicy::Fail,
            ]),
        }
    }

    fn session(&self, world: &World, seed: u64) -> Session {
        let config = HttpConfig::new(format!("https://{}", world.proxy.address())).with_trust(world.served.trust());
        let verifier = Arc::new(HttpVerifier::new(config).expect("a client"));
        let second = Duration::from_secs(1);
        let link = LinkConfig {
            min_deadline: second,
            max_deadline: second,
            back_off: Duration::from_millis(20),
            max_back_off: Duration::from_millis(60),
            seed,
            ..LinkConfig::default()
        };
        let options = patient::options(self.mode, self.sampling.clone(), seed);
        session_with(verifier, SessionOptions { link, offline: self.offline, ..options })
    }

    /// Checks a reply by what the target writes alone; tells whether all of it is the target's.
    fn check(&self, said: &Said, expected: &[TokenId], limit: usize) -> Result<bool, String> {
        let is_own = said.tokens.iter().all(|(_, origin)| matches!(origin, Origin::Verified | Origin::Target));
        let ids: Vec<TokenId> = said.tokens.iter().map(|token| token.0).collect();
        if self.mode != Mode::Opportunistic {
            // What the device wrote out of reach is the draft model's, and what follows it follows that.
            let own = said.tokens.iter().take_while(|(_, origin)| *origin != Origin::Unverified).count();
            if !expected.starts_with(&ids[..own]) {
                return Err(format!("{:?} is said to be the target's, which writes {expected:?}", &ids[..own]));
            }
        }
        match &said.end {
            Ok((FinishReason::EndOfReply, _)) if is_own && ids.len() != expected.len() => {
                Err(format!("it ends after {} of {} tokens", ids.len(), expected.len()))
            }
            Ok((FinishReason::MaxTokens, _)) if ids.len() != limit => Err(format!("{} of {limit} tokens", ids.len())),
            Ok(_) => Ok(is_own),
            Err(GenerationError::Offline { .. }) if self.offline == OfflinePolicy::Fail => Ok(false),
            Err(error) => Err(format!("it failed: {error}")),
        }
    }
}

/// The counts of histories.
#[derive(Debug, Default)]
struct Counts {
    replies: usize,
    targets_own: usize,
    cancelled: usize,
    failed: usize,
    faults: usize,
    tokens: usize,
    unverified: usize,
}

fn history(world: &World, seed: u64, counts: &mut Counts) -> Result<(), String> {
    let mut dice = Dice::new(seed, 0);
    let plan = Plan::new(&mut dice);
    let (session, mut alone) = (plan.session(world, seed), Alone::new(&plan.sampling));
    let prompts = prompts();
    let replies = 1 + dice.roll(2);
    let mut ask = |faults: &[(Duration, Fault)], dice: &mut Dice| -> Result<bool, String> {
        let (prompt, own, limit) = (dice.one(&prompts[..20]), dice.bits(), 10 + dice.roll(40));
        let expected = alone.write(&prompt, own);
        let mut generation: Generation = begin(&session, &prompt, own, limit);
        let canceller = generation.canceller();
        let said = std::thread::scope(|scope| {
            scope.spawn(|| {
                let began = Instant::now();
                for &(at, fault) in faults {
                    std::thread::sleep(at.saturating_sub(began.elapsed()));
                    world.strike(fault, &session, &canceller);
                }
                // Under the policy to wait a reply goes on when everything is mended.
                std::thread::sleep(MOMENTS);
                world.mend(faults);
            });
            listen(&mut generation, false)
        })?;
        let is_own = plan.check(&said, &expected, limit)?;
        counts.replies += 1;
        counts.targets_own += usize::from(is_own);
        counts.cancelled += usize::from(matches!(said.end, Ok((FinishReason::Cancelled, _))));
        counts.failed += usize::from(said.end.is_err());
        counts.faults += faults.len();
        counts.tokens += said.tokens.len();
        counts.unverified += said.tokens.iter().filter(|token| token.1 == Origin::Unverified).count();
        Ok(is_own)
    };
    for _ in 0..replies {
        let faults = faults(&mut dice);
        ask(&faults, &mut dice).map_err(|violation| format!("{violation}, with {faults:?}"))?;
    }
    // A reply that begins out of reach brings the link back, and may end before it is there.
    let began = Instant::now();
    while !(ask(&[], &mut dice)? || plan.mode == Mode::Opportunistic && session.status().link == LinkState::Online) {
        if began.elapsed() > LONG {
            return Err("the session does not come back".into());
        }
    }
    Ok(())
}

#[test]
fn whatever_happens_on_real_models_the_text_is_the_targets_own_and_nothing_is_left() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let (count, first) = (number("UHLM_HISTORIES").unwrap_or(HISTORIES), number("UHLM_FIRST_HISTORY").unwrap_or(0));
    let (worlds, mut counts) = ([0, 1, 2].map(World::new), Counts::default());
    for seed in first..first + count {
        let world = &worlds[(seed % 3) as usize];
        if let Err(violation) = history(world, seed, &mut counts) {
            panic!("history {seed}: {violation}; UHLM_HISTORIES=1 UHLM_FIRST_HISTORY={seed} tries it again");
        }
    }
    println!("{count} histories: {counts:?}");
    // What is never tried is not shown to hold.
    assert!(counts.targets_own > 0 && counts.faults > 0, "{counts:?}");
    for world in worlds {
        let metrics = world.served.metrics();
        eventually("no session is left", || metrics.snapshot().sessions_open == 0);
        eventually("nothing waits", || metrics.snapshot().requests_waiting == 0);
    }
}

//! The phones: real sessions with a draft model, one generation after the other, each with a deadline in real time,
//! whatever the phone's clock shows. Between two of them each phone writes what it keeps.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::timeout;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Consent, Event, GenerationError, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Session,
    SessionOptions,
};
use uhlm_law::chat::DraftModel;
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::TrustPolicy;

use super::clock::UnsteadyClock;
use super::keeping::{Keeper, Storage};
use super::outcome::{DEADLINE, Ended, Met, Tally};
use crate::error::LoadTestError;

/// Time for which a reply waits that is to wait.
const WAIT: Duration = Duration::from_secs(2);
const MODES: [Mode; 4] = [Mode::Exact, Mode::RemoteOnly, Mode::Opportunistic, Mode::DeviceOnly];
const POLICIES: [OfflinePolicy; 3] = [OfflinePolicy::GoOn, OfflinePolicy::Wait(WAIT), OfflinePolicy::Fail];
/// First of the dice of the phones' clocks; those of the phones themselves are below it.
const CLOCK_DICE: u64 = 1 << 32;
const PROMPTS: [&str; 4] = ["Tell me a story.", "What is 3 plus 4?", "Name a colour.", "Why is the sky blue?"];

/// What the phones have in common.
pub(crate) struct Phones<'a> {
    pub(crate) draft: &'a DraftModel,
    /// Address that they reach the server at.
    pub(crate) address: SocketAddr,
    pub(crate) trust: TrustPolicy,
    pub(crate) storage: &'a Storage,
    /// Number of generations of all phones.
    pub(crate) generations: u64,
    pub(crate) seed: u64,
    pub(crate) begun: AtomicU64,
    pub(crate) tally: Mutex<Tally>,
    pub(crate) met: Mutex<Met>,
}

impl Phones<'_> {
    fn client(&self) -> Result<Arc<HttpVerifier>, LoadTestError> {
        let config = HttpConfig { connect_timeout: WAIT, ..HttpConfig::new(format!("https://{}", self.address)) };
        Ok(Arc::new(HttpVerifier::new(config.with_trust(self.trust.clone()))?))
    }

    fn session(&self, dice: &mut Rng, clock: Arc<UnsteadyClock>) -> Result<Session, LoadTestError> {
        let mut one = |of: usize| dice.next_u64() as usize % of;
        let (mode, offline) = (MODES[one(MODES.len())], POLICIES[one(POLICIES.len())]);
        let link = LinkConfig {
            min_deadline: Duration::from_millis(300),
            max_deadline: Duration::from_secs(1),
            grace: Duration::from_millis(500),
            back_off: Duration::from_millis(50),
            max_back_off: Duration::from_millis(500),
            max_fruitless: WAIT,
            ..LinkConfig::default()
        };
        let (seed, consent) = (Some(dice.next_u64()), Consent::Conversation);
        let options = SessionOptions { mode, offline, link, seed, consent, threads: 1, ..SessionOptions::default() };
        Session::with_clock(self.draft.clone(), Some(self.client()?), options, clock)
            .map_err(|error| LoadTestError::Settings(error.to_string()))
    }

    /// Works as one phone until all generations are begun: a session for a few of them, then another.
    pub(crate) fn work(&self, phone: u64) -> Result<(), LoadTestError> {
        let mut met = Met::default();
        let clock = Arc::new(UnsteadyClock::new(Rng::at(self.seed, Stream::Simulation, CLOCK_DICE | phone)));
        let worked = self.generate_all(phone, &clock, &mut met);
        met.changes(clock.changes());
        self.met.lock().unwrap_or_else(PoisonError::into_inner).join(met);
        worked
    }

    fn generate_all(&self, phone: u64, clock: &Arc<UnsteadyClock>, met: &mut Met) -> Result<(), LoadTestError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(LoadTestError::Network)?;
        let mut keeper = Keeper::new(self.storage, self.draft, self.seed, phone)?;
        let mut dice = Rng::at(self.seed, Stream::Simulation, phone);
        loop {
            let session = self.session(&mut dice, Arc::clone(clock))?;
            for _ in 0..=dice.next_u64() % 4 {
                if self.begun.fetch_add(1, Ordering::Relaxed) >= self.generations {
                    return Ok(());
                }
                let ended = generate(&runtime, &session, &mut dice);
                self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(ended);
                keeper.keep(&session, met);
            }
        }
    }
}

/// Writes one reply, which one in ten cancels.
fn generate(runtime: &Runtime, session: &Session, dice: &mut Rng) -> Ended {
    let prompt = PROMPTS[dice.next_u64() as usize % PROMPTS.len()].to_owned();
    // What joins the conversation is in the saved session; the rest is not.
    let prompt = if dice.next_u64().is_multiple_of(2) { Prompt::Chat(prompt) } else { Prompt::Raw(prompt) };
    let max_tokens = 4 + dice.next_u64() as usize % 40;
    let cancelled_after = (dice.next_u64().is_multiple_of(10)).then(|| dice.next_u64() % 20);
    let began = Instant::now();
    let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
    let mut generation = match session.generate(prompt, options) {
        Ok(generation) => generation,
        Err(error) => return Ended::failed(&error, began.elapsed()),
    };
    let mut events = 0;
    loop {
        if cancelled_after.is_some_and(|after| events >= after) {
            generation.cancel();
        }
        let left = DEADLINE.saturating_sub(began.elapsed());
        let next = runtime.block_on(async { timeout(left, generation.next()).await });
        events += 1;
        match next {
            Err(_) => return Ended::hung(),
            Ok(None) => return Ended::failed(&GenerationError::SessionFailed, began.elapsed()),
            Ok(Some(Err(error))) => return Ended::failed(&error, began.elapsed()),
            Ok(Some(Ok(Event::Finished { reason, statistics, .. }))) => {
                return Ended::finished(reason, &statistics, began.elapsed());
            }
            Ok(Some(Ok(_))) => {}
        }
    }
}

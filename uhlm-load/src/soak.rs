//! Generations in a loop for as long as is wanted, and whether anything grows meanwhile.
//!
//! Decides what is sampled and when something counts as growing. The server is its caller's; it should be a process of
//! its own, so that what grows there is told from what grows here.

mod course;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::verifier::Verifier;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Consent, Event, GenerationError, GenerationOptions, Mode, OfflinePolicy, Prompt, Session, SessionOptions,
};
use uhlm_law::chat::DraftModel;
use uhlm_law::rng::{Rng, Stream};

use crate::error::LoadTestError;
use crate::place::Place;
use crate::resources;

pub use self::course::{Course, Growth, Sample};

/// The extent of a soak.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    /// Time for which generations go on.
    pub lasts: Duration,
    /// Number of phones that generate at the same time.
    pub phones: u64,
    /// Number of tokens of a reply.
    pub tokens: usize,
    /// Time between two samples.
    pub every: Duration,
    /// Seed that the phones follow from.
    pub seed: u64,
}

/// Number of generations of a session before the phone opens another one.
const A_SESSION: u64 = 20;
const MODES: [Mode; 4] = [Mode::Exact, Mode::RemoteOnly, Mode::Opportunistic, Mode::DeviceOnly];
const PROMPTS: [&str; 4] = ["Tell me a story.", "What is 3 plus 4?", "Name a colour.", "Why is the sky blue?"];

/// What the phones have done since the last sample.
#[derive(Default)]
struct Done {
    generations: u64,
    tokens: u64,
    /// Seconds of each generation.
    took: Vec<f64>,
}

struct Phones<'a> {
    draft: &'a DraftModel,
    place: &'a Place,
    plan: &'a SoakPlan,
    is_over: AtomicBool,
    done: Mutex<Done>,
    sessions: AtomicU64,
}

/// Runs a soak against the server at `place`, whose process is `server` if it is another one than this. `sampled` is
/// told each sample.
///
/// # Errors
/// [`LoadTestError`] where a phone cannot start; [`LoadTestError::Settings`] with the reason where a generation fails,
/// which none should.
pub fn run(
    draft: &DraftModel,
    place: &Place,
    server: Option<u32>,
    plan: &SoakPlan,
    sampled: &mut dyn FnMut(&Sample),
) -> Result<Course, LoadTestError> {
    let phones = Phones {
        draft,
        place,
        plan,
        is_over: AtomicBool::new(false),
        done: Mutex::default(),
        sessions: AtomicU64::new(0),
    };
    let (began, mut course) = (Instant::now(), Course::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.phones).map(|_| scope.spawn(|| phones.work())).collect();
        let mut last = began;
        while began.elapsed() < plan.lasts && !workers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(plan.every.min(plan.lasts.saturating_sub(began.elapsed())));
            let now = Instant::now();
            let sample = phones.sample(now - began, now - last, server);
            sampled(&sample);
            course.samples.push(sample);
            last = now;
        }
        phones.is_over.store(true, Ordering::Release);
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(LoadTestError::Phone)));
        ended.fold(Ok(()), Result::and)
    })?;
    Ok(course)
}

impl Phones<'_> {
    fn sample(&self, at: Duration, since: Duration, server: Option<u32>) -> Sample {
        let mut done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        done.took.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = (share * done.took.len() as f64) as usize;
            done.took.get(place.min(done.took.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Sample {
            seconds: at.as_secs_f64(),
            generations: done.generations,
            tokens_per_second: done.tokens as f64 / since.as_secs_f64().max(1e-3),
            p50: quantile(0.5),
            p95: quantile(0.95),
            phones: resources::held(None).unwrap_or_default(),
            server: server.and_then(|process| resources::held(Some(process))),
        }
    }

    /// Works as one phone until the time is over: a session for some generations, then another.
    fn work(&self) -> Result<(), LoadTestError> {
        while !self.is_over.load(Ordering::Acquire) {
            let number = self.sessions.fetch_add(1, Ordering::Relaxed);
            let session = self.session(number)?;
            let mut dice = Rng::at(self.plan.seed, Stream::Simulation, number);
            for _ in 0..A_SESSION {
                if self.is_over.load(Ordering::Acquire) {
                    break;
                }
                let began = Instant::now();
                let prompt = PROMPTS[dice.next_u64() as usize % PROMPTS.len()];
                let tokens = generate(&session, prompt, self.plan.tokens)
                    .map_err(|error| LoadTestError::Settings(format!("a generation failed: {error}")))?;
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.generations += 1;
                done.tokens += tokens;
                done.took.push(began.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }

    fn session(&self, number: u64) -> Result<Session, LoadTestError> {
        let config = HttpConfig::new(&self.place.url).with_trust(self.place.trust.clone());
        let verifier: Arc<dyn Verifier> = Arc::new(HttpVerifier::new(config)?);
        let options = SessionOptions {
            mode: MODES[number as usize % MODES.len()],
            offline: OfflinePolicy::Wait(Duration::from_secs(60)),
            seed: Some(self.plan.seed.wrapping_add(number)),
            consent: Consent::Conversation,
            threads: 1,
            ..SessionOptions::default()
        };
        Session::new(self.draft.clone(), Some(verifier), options)
            .map_err(|error| LoadTestError::Settings(error.to_string()))
    }
}

/// Writes one reply, and returns the number of its tokens.
fn generate(session: &Session, prompt: &str, max_tokens: usize) -> Result<u64, GenerationError> {
    let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Raw(prompt.into()), options)?;
    while let Some(event) = generation.blocking_next() {
        if let Event::Finished { statistics, .. } = event? {
            return Ok(statistics.tokens());
        }
    }
    Err(GenerationError::SessionFailed)
}

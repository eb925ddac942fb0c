//! One engine, with all that is known of it: whether it may be asked, how much it is asked, how fast it answers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uhlm_law::sampling::PartialRow;

use crate::ask::{Ask, TokenSet};
use crate::breaker::Breaker;
use crate::engine::Abilities;
use crate::error::UpstreamError;
use crate::http::Http;
use crate::identity::{CheckError, Checked, Mismatch, Probe, Signature};
use crate::rendezvous::number;
use crate::settings::EngineAddress;

/// Time between two checks of an engine that answers.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Time after a check within which a refusal is no reason for another one.
const RECHECK: Duration = Duration::from_secs(1);
/// Number of tokens a row that a vLLM is asked for at first, to learn its limit: more than any vocabulary has, so that
/// its refusal names the limit.
const WANTED_TOP: usize = 1 << 24;
/// Longest time for which an engine that is busy is not asked.
const MAX_BUSY: Duration = Duration::from_secs(2);
/// The same, where it does not say how long.
const BUSY: Duration = Duration::from_millis(100);
/// Number of answers after which an engine's times are known.
const SAMPLES: u32 = 16;
/// Least time after which a second engine may be asked the same.
const LEAST_HEDGE: Duration = Duration::from_millis(50);

/// Running estimate of the time that rows take, and of how much it varies.
#[derive(Clone, Copy, Debug, Default)]
struct Latency {
    samples: u32,
    mean: f64,
    deviation: f64,
}

impl Latency {
    fn observe(&mut self, seconds: f64) {
        if self.samples == 0 {
            (self.mean, self.deviation) = (seconds, seconds / 2.0);
        } else {
            self.deviation += 0.1 * ((seconds - self.mean).abs() - self.deviation);
            self.mean += 0.1 * (seconds - self.mean);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Returns the time after which an answer is unusually late; `None` as long as too little is known.
    fn late(self) -> Option<Duration> {
        let seconds = self.mean + 4.0 * self.deviation;
        (self.samples >= SAMPLES).then(|| Duration::from_secs_f64(seconds).max(LEAST_HEDGE))
    }
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    busy_until: Option<Instant>,
    signature: Option<Signature>,
    /// Largest number of tokens that a row may list; 0 as long as it is not known.
    top: usize,
    latency: Latency,
    checked: Option<Instant>,
    /// The last failure of a check, so that it is told once.
    problem: Option<CheckError>,
}

/// One engine.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: EngineAddress,
    pub(crate) name: u64,
    http: Http,
    probes: Arc<[Probe]>,
    tokens: TokenSet,
    wanted_top: usize,
    batch_invariant: bool,
    load: AtomicUsize,
    requests: AtomicU64,
    failures: AtomicU64,
    state: Mutex<State>,
    /// Wakes the task that checks the engine.
    pub(crate) wake: Notify,
}

/// What is to be seen of an engine, for people and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Its kind and its URL.
    pub address: EngineAddress,
    /// Whether it is asked.
    pub is_up: bool,
    /// Number of requests for rows.
    pub requests: u64,
    /// Number of those that brought none.
    pub failures: u64,
    /// Number of requests under way.
    pub load: usize,
}

/// A request that is under way.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(load: &'a AtomicUsize) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(load)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    pub(crate) fn new(
        address: EngineAddress,
        http: Http,
        probes: Arc<[Probe]>,
        tokens: TokenSet,
        wanted_top: usize,
        batch_invariant: bool,
    ) -> Self {
        let state = State {
            breaker: Breaker::unknown(Instant::now()),
            busy_until: None,
            signature: None,
            top: 0,
            latency: Latency::default(),
            checked: None,
            problem: None,
        };
        Self {
            name: number(&address.url),
            address,
            http,
            probes,
            tokens,
            wanted_top,
            batch_invariant,
            load: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            state: Mutex::new(state),
            wake: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Tells whether the engine may be asked now.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        let state = self.state();
        state.breaker.is_closed() && state.busy_until.is_none_or(|until| until <= now)
    }

    /// Returns what the engine can do; `None` as long as it was not reached.
    pub(crate) fn abilities(&self) -> Option<Abilities> {
        let kind = self.address.kind;
        let top = Some(self.state().top).filter(|top| *top > 0)?;
        Some(Abilities {
            takes_windows: kind.takes_windows(),
            one_forward: kind == crate::EngineKind::Sglang,
            takes_names: kind == crate::EngineKind::Sglang,
            top,
            batch_invariant: self.batch_invariant,
        })
    }

    /// Returns the signature of the engine's model, if it was seen.
    pub(crate) fn signature(&self) -> Option<Signature> {
        self.state().signature.clone()
    }

    pub(crate) fn seen(&self) -> ReplicaState {
        ReplicaState {
            address: self.address.clone(),
            is_up: self.state().breaker.is_closed(),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            load: self.load(),
        }
    }

    /// Returns the time at which the engine is to be checked next.
    pub(crate) fn next_check(&self) -> Instant {
        let state = self.state();
        state.breaker.due().unwrap_or_else(|| state.checked.unwrap_or_else(Instant::now) + CHECK_EVERY)
    }

    /// Returns the time after which an answer of the engine is unusually late.
    pub(crate) fn late(&self) -> Option<Duration> {
        self.state().latency.late()
    }

    /// Asks the engine for rows.
    pub(crate) async fn rows(&self, ask: &Ask) -> Result<Vec<PartialRow>, UpstreamError> {
        let (model, top) = {
            let state = self.state();
            let model = state.signature.as_ref().map(|signature| signature.about.model.clone());
            (model.ok_or(UpstreamError::NoEngine)?, state.top)
        };
        if ask.top > top {
            return Err(UpstreamError::TopLimit { most: top });
        }
        let _under_way = UnderWay::new(&self.load);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let kind = self.address.kind;
        let post = kind.rows(ask, &model);
        let answer = self.http.post(&format!("{}{}", self.address.url, post.path), &post.body, ask.is_warm).await;
        let rows = match answer {
            Ok(body) => kind.read_rows(ask, &model, &body, &self.tokens),
            Err(refused) => match kind.read_top_limit(&refused.body) {
                Some(most) => Err(UpstreamError::TopLimit { most }),
                None => Err(refused.error),
            },
        };
        self.heard(&rows, ask, began);
        rows
    }

    fn heard(&self, rows: &Result<Vec<PartialRow>, UpstreamError>, ask: &Ask, began: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        let Err(error) = rows else {
            state.breaker.succeeded();
            if ask.is_warm {
                state.latency.observe(now.saturating_duration_since(began).as_secs_f64());
            }
            return;
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        match error {
            UpstreamError::Busy { after } => {
                state.busy_until = Some(now + after.unwrap_or(BUSY).clamp(BUSY, MAX_BUSY));
            }
            UpstreamError::TopLimit { most } => state.top = state.top.min(*most),
            // What an engine does not take is no failure of the engine. But it may run another model by now.
            UpstreamError::Status(400..=499) => {
                if state.checked.is_some_and(|checked| now.saturating_duration_since(checked) > RECHECK) {
                    state.checked = now.checked_sub(CHECK_EVERY);
                    self.wake.notify_one();
                }
            }
            error => {
                state.breaker.failed(error.is_break(), now);
                drop(state);
                tracing::warn!(engine = %self.address, %error, "an engine failed");
                self.wake.notify_one();
            }
        }
    }

    /// Checks what the engine runs. `agrees` tells whether a model is the one that all engines are to run.
    pub(crate) async fn check(&self, agrees: impl FnOnce(&Signature) -> bool) -> Result<(), CheckError> {
        let checked = Checked {
            http: &self.http,
            kind: self.address.kind,
            url: &self.address.url,
            probes: &self.probes,
            tokens: &self.tokens,
        };
        let known = self.signature();
        let outcome = async {
            let signature = checked.look().await?;
            if known.as_ref().is_some_and(|known| known.about != signature.about) {
                return Err(Mismatch::Name.into());
            }
            if known.as_ref().is_some_and(|known| !known.agrees(&signature)) || !agrees(&signature) {
                return Err(Mismatch::Rows.into());
            }
            let wanted = if self.wanted_top == 0 { self.most_wanted() } else { self.wanted_top };
            let top = if known.is_some() { None } else { Some(checked.top(wanted, &signature.about.model).await?) };
            Ok((signature, top))
        };
        let outcome: Result<(Signature, Option<usize>), CheckError> = outcome.await;
        let now = Instant::now();
        let mut state = self.state();
        state.checked = Some(now);
        match outcome {
            Ok((signature, top)) => {
                if state.problem.take().is_some() || !state.breaker.is_closed() {
                    tracing::info!(engine = %self.address, "an engine is asked");
                }
                state.breaker.checked(true, now);
                state.top = top.unwrap_or(state.top);
                // The first one stays, so that small changes do not add up.
                state.signature.get_or_insert(signature);
                Ok(())
            }
            // Who has no room now was known before to run the target.
            Err(CheckError::Upstream(UpstreamError::Busy { .. })) if state.breaker.is_closed() => Ok(()),
            Err(error) => {
                if state.problem.as_ref() != Some(&error) {
                    tracing::error!(engine = %self.address, %error, "an engine is not asked");
                }
                state.breaker.checked(false, now);
                state.problem = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Returns the number of tokens that a row is to list at most, where the operator has not said it.
    fn most_wanted(&self) -> usize {
        match self.address.kind {
            crate::EngineKind::Vllm => WANTED_TOP,
            _ => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_late_only_by_what_was_seen_before() {
        let mut latency = Latency::default();
        for i in 0..SAMPLES {
            assert_eq!(latency.late(), None, "{i} samples");
            latency.observe(0.2);
        }
        let late = latency.late().expect("enough samples");
        assert!(late > Duration::from_millis(200) && late < Duration::from_millis(700), "{late:?}");
        let mut quick = Latency::default();
        (0..SAMPLES).for_each(|_| quick.observe(0.001));
        assert_eq!(quick.late(), Some(LEAST_HEDGE));
    }
}

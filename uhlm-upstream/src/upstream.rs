//! All engines that run one target: which is asked, what becomes of a failure, and when a second one is asked the same.
//!
//! A question may be asked anywhere and any number of times, so a failure costs time and nothing else. Every row comes
//! whole from one answer of one engine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::{sleep, sleep_until};
use uhlm_law::sampling::PartialRow;
use uhlm_net::TrustError;

use crate::ask::{Ask, TokenSet};
use crate::engine::Abilities;
use crate::error::UpstreamError;
use crate::http::Http;
use crate::identity::{CheckError, Mismatch, Signature};
use crate::rendezvous::{Candidate, mix, order};
use crate::replica::{Replica, ReplicaState};
use crate::settings::{EngineAddress, Settings};

/// Time for which a question is asked again, where no engine answers it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time for which the start waits for an engine.
const START: Duration = Duration::from_secs(10);
/// First and longest pause between two rounds over all engines.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Number of questions for each one that may be asked of a second engine as well.
const HEDGE_ONE_IN: u64 = 20;

/// The reason why engines are not used at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No engine was named.
    #[error("no engine is named")]
    None,
    /// The certificates that are trusted cannot be used.
    #[error("the certificates for engines cannot be used: {0}")]
    Trust(#[from] TrustError),
    /// An engine runs something else than the target.
    #[error("{engine}: {mismatch}")]
    Mismatch {
        /// The engine.
        engine: EngineAddress,
        /// What is wrong.
        mismatch: Mismatch,
    },
    /// No engine could be asked.
    #[error("{engine}: {error}")]
    Unusable {
        /// One of the engines.
        engine: EngineAddress,
        /// Its failure.
        error: UpstreamError,
    },
}

#[derive(Debug)]
struct Shared {
    replicas: Vec<Replica>,
    /// What the first engine that was reached has shown of the model.
    reference: Mutex<Option<Signature>>,
    questions: AtomicU64,
    hedges: AtomicU64,
    repeats: AtomicU64,
}

/// All engines that run one target. Dropped, it no longer checks them.
#[derive(Debug)]
pub struct Upstream {
    shared: Arc<Shared>,
    checks: Vec<AbortHandle>,
}

impl Shared {
    async fn check(&self, index: usize) -> Result<(), CheckError> {
        let replica = &self.replicas[index];
        let reference = || self.reference.lock().unwrap_or_else(PoisonError::into_inner);
        let agrees = |seen: &Signature| reference().as_ref().is_none_or(|known| known.agrees(seen));
        replica.check(agrees).await?;
        if let Some(seen) = replica.signature() {
            reference().get_or_insert(seen);
        }
        Ok(())
    }

    /// Checks an engine whenever that is due, for ever.
    async fn watch(&self, index: usize) {
        let replica = &self.replicas[index];
        loop {
            tokio::select! {
                () = sleep_until(replica.next_check().into()) => {
                    // What is wrong is logged where it is found.
                    let _ = self.check(index).await;
                }
                // The next check may be due earlier now.
                () = replica.wake.notified() => {}
            }
        }
    }
}

impl Upstream {
    /// Checks all engines and goes on to do so. Engines that cannot be reached are tried again later, as long as one
    /// can.
    ///
    /// # Errors
    /// [`StartError`], where no engine can be asked, or where one runs something else than the target.
    pub async fn start(settings: Settings, tokens: TokenSet) -> Result<Self, StartError> {
        let Settings { engines, key, trust, probes, top, batch_invariant } = settings;
        let http = Http::new(&trust, key.as_ref())?;
        let probes: Arc<[_]> = probes.into();
        let replica =
            |address| Replica::new(address, http.clone(), Arc::clone(&probes), tokens.clone(), top, batch_invariant);
        let shared = Arc::new(Shared {
            replicas: engines.into_iter().map(replica).collect(),
            reference: Mutex::new(None),
            questions: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
        });
        let began = Instant::now();
        loop {
            let mut failure = None;
            for (index, replica) in shared.replicas.iter().enumerate() {
                let engine = replica.address.clone();
                match shared.check(index).await {
                    Ok(()) => {}
                    Err(CheckError::Mismatch(mismatch)) => return Err(StartError::Mismatch { engine, mismatch }),
                    Err(CheckError::Upstream(error)) => failure = Some(StartError::Unusable { engine, error }),
                }
            }
            if shared.replicas.iter().any(|replica| replica.abilities().is_some()) {
                break;
            }
            if began.elapsed() >= START || shared.replicas.is_empty() {
                return Err(failure.unwrap_or(StartError::None));
            }
            sleep(PAUSE * 10).await;
        }
        let watch = |index| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.watch(index).await }).abort_handle()
        };
        let checks = (0..shared.replicas.len()).map(watch).collect();
        Ok(Self { shared, checks })
    }

    /// Returns what can be asked of any of the engines.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        let known = self.shared.replicas.iter().filter_map(Replica::abilities);
        let both = |a: Abilities, b: Abilities| Abilities {
            takes_windows: a.takes_windows && b.takes_windows,
            one_forward: a.one_forward && b.one_forward,
            takes_names: a.takes_names && b.takes_names,
            top: a.top.min(b.top),
            batch_invariant: a.batch_invariant && b.batch_invariant,
        };
        known.reduce(both).unwrap_or(Abilities {
            takes_windows: false,
            one_forward: false,
            takes_names: false,
            top: 1,
            batch_invariant: false,
        })
    }

    /// Returns the length of the longest sequence that all engines take, in tokens, as far as they say.
    #[must_use]
    pub fn context(&self) -> Option<u32> {
        let signatures = self.shared.replicas.iter().filter_map(Replica::signature);
        signatures.filter_map(|signature| signature.about.context).min()
    }

    /// Returns the name by which the first engine that was reached calls its model.
    #[must_use]
    pub fn model(&self) -> String {
        let first = self.shared.replicas.iter().find_map(Replica::signature);
        first.map(|signature| signature.about.model).unwrap_or_default()
    }

    /// Returns a description of all engines, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut kinds: Vec<&str> = self.shared.replicas.iter().map(|replica| replica.address.kind.name()).collect();
        kinds.sort_unstable();
        let of_kind =
            |same: &[&str]| if same.len() == 1 { same[0].to_owned() } else { format!("{} x {}", same[0], same.len()) };
        let kinds: Vec<String> = kinds.chunk_by(|a, b| a == b).map(of_kind).collect();
        format!("{}: {}", kinds.join(", "), self.abilities())
    }

    /// Returns what is to be seen of each engine.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaState> {
        self.shared.replicas.iter().map(Replica::seen).collect()
    }

    /// Returns the number of questions that were asked of a second engine while the first one had not answered.
    #[must_use]
    pub fn hedges(&self) -> u64 {
        self.shared.hedges.load(Ordering::Relaxed)
    }

    /// Returns the number of questions that were asked again after a failure.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.shared.repeats.load(Ordering::Relaxed)
    }

    /// Asks for rows, of any engine, until one answers. Dropped, it asks no more, and an engine at work is told.
    ///
    /// # Errors
    /// The last [`UpstreamError`], where no engine has answered for some seconds, or where none takes the question.
    pub async fn rows(&self, ask: &Ask) -> Result<Vec<PartialRow>, UpstreamError> {
        let shared = &*self.shared;
        let began = Instant::now();
        let question = shared.questions.fetch_add(1, Ordering::Relaxed);
        let (mut failed, mut pause, mut last) = (Vec::new(), PAUSE, UpstreamError::NoEngine);
        loop {
            let order = self.order(ask, &failed);
            let Some(&first) = order.first() else {
                let is_refused = matches!(last, UpstreamError::Status(400..=499));
                if is_refused || began.elapsed() >= PATIENCE {
                    return Err(last);
                }
                failed.clear();
                // Those who failed together do not come back together.
                let jitter = 1.0 + (mix(ask.session ^ question) % 1000) as f64 / 2000.0;
                sleep(pause.mul_f64(jitter)).await;
                pause = (pause * 2).min(MAX_PAUSE);
                continue;
            };
            match self.ask_hedged(first, order.get(1).copied(), ask).await {
                Ok(rows) => return Ok(rows),
                Err(error) if !error.is_temporary() => return Err(error),
                Err(error) => {
                    tracing::debug!(engine = %shared.replicas[first].address, %error, "asked again");
                    shared.repeats.fetch_add(1, Ordering::Relaxed);
                    failed.push(first);
                    last = error;
                }
            }
        }
    }

    /// Returns the engines that can be asked now and have not failed at the question, in the session's order.
    fn order(&self, ask: &Ask, failed: &[usize]) -> Vec<usize> {
        let now = Instant::now();
        let candidates = self.shared.replicas.iter().enumerate();
        let usable = candidates.filter(|(index, replica)| !failed.contains(index) && replica.is_usable(now));
        order(
            ask.session,
            usable.map(|(index, replica)| Candidate { index, name: replica.name, load: replica.load() }).collect(),
        )
    }

    /// Asks an engine, and a second one where the first is unusually late.
    async fn ask_hedged(
        &self,
        first: usize,
        second: Option<usize>,
        ask: &Ask,
    ) -> Result<Vec<PartialRow>, UpstreamError> {
        let shared = &*self.shared;
        let late = second.zip(shared.replicas[first].late()).filter(|_| ask.is_warm);
        let first = shared.replicas[first].rows(ask);
        let Some((second, late)) = late else { return first.await };
        tokio::pin!(first);
        tokio::select! {
            rows = &mut first => return rows,
            () = sleep(late) => {}
        }
        let (hedges, questions) = (shared.hedges.load(Ordering::Relaxed), shared.questions.load(Ordering::Relaxed));
        if hedges * HEDGE_ONE_IN > questions {
            return first.await;
        }
        shared.hedges.fetch_add(1, Ordering::Relaxed);
        let second = shared.replicas[second].rows(ask);
        tokio::pin!(second);
        tokio::select! {
            rows = &mut first => match rows {
                Ok(rows) => Ok(rows),
                Err(error) => second.await.map_err(|_| error),
            },
            rows = &mut second => match rows {
                Ok(rows) => Ok(rows),
                Err(_) => first.await,
            },
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.checks.iter().for_each(AbortHandle::abort);
    }
}

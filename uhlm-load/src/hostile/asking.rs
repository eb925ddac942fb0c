//! Hostile phones that speak the protocol: they ask for more than their share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uhlm_core::verifier::{Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::{
    Advance, Begin, Capabilities, Frame, Grants, Info, Labelling, MAX_DRAFT, Open, PrefixHash, SessionId,
};
use uhlm_law::rng::{Rng, Stream, derived};
use uhlm_law::sampling::{MAX_PENALTY_LAST_N, SamplingParams, TokenId};

use crate::attack::Attack;
use crate::client;

/// Number of requests that one hostile phone has under way, as many as a connection takes.
const AT_ONCE: u64 = 32;
/// Longest time that it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two requests: the load generator shares a machine with those whom it measures.
const PAUSE: Duration = Duration::from_millis(2);
/// Largest number of tokens of a prompt in one request.
const GIANT: usize = 200_000;

/// Lets one hostile phone begin.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    attack: Attack,
    verifier: &Arc<dyn Verifier>,
    info: &Info,
    seed: u64,
    count: &Arc<AtomicU64>,
) {
    for number in 0..AT_ONCE {
        let phone = Hostile {
            verifier: Arc::clone(verifier),
            info: info.clone(),
            rng: Rng::new(derived(seed, number), Stream::Simulation),
            count: Arc::clone(count),
            generation: 0,
        };
        tasks.spawn(phone.run(attack));
    }
}

struct Hostile {
    verifier: Arc<dyn Verifier>,
    info: Info,
    rng: Rng,
    count: Arc<AtomicU64>,
    generation: u32,
}

impl Hostile {
    async fn run(mut self, attack: Attack) {
        loop {
            match attack {
                Attack::OpenFlood => drop(self.open().await),
                Attack::OpenAndReset => self.open_and_reset().await,
                _ => {
                    if let Ok(session) = self.open().await {
                        self.use_up(attack, session).await;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn did(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    async fn open(&self) -> Result<SessionId, VerifierError> {
        self.did();
        Ok(client::open(&self.verifier, self.info.vocabulary, PATIENCE).await?.value.session)
    }

    async fn open_and_reset(&mut self) {
        self.did();
        let request = Open { vocabulary: self.info.vocabulary, needs: Capabilities::NONE };
        let call = self.verifier.open(request, PATIENCE, |_| {});
        // Long enough for the request to leave, mostly too short for the answer.
        sleep(Duration::from_secs_f64(0.003 * self.rng.uniform())).await;
        drop(call);
    }

    /// Uses a session as hard as it can, until it is refused.
    async fn use_up(&mut self, attack: Attack, session: SessionId) {
        let (tell, mut heard) = mpsc::unbounded_channel();
        loop {
            self.did();
            let request = self.request(attack);
            let call = client::advance(&self.verifier, session, request, PATIENCE, 0, &tell);
            let is_refused = loop {
                match heard.recv().await {
                    Some((_, Ok(answer))) if matches!(answer.value, Frame::End(_)) => break false,
                    Some((_, Ok(_))) => {}
                    Some((_, Err(_))) | None => break true,
                }
            };
            call.detach();
            if is_refused {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    fn ids(&mut self, count: usize) -> Vec<TokenId> {
        let size = f64::from(self.info.limits.vocabulary_size);
        (0..count).map(|_| (self.rng.uniform() * size) as TokenId).collect()
    }

    fn request(&mut self, attack: Attack) -> Advance {
        let context = self.info.limits.context as usize;
        let costly = SamplingParams {
            temperature: 1.0,
            top_p: 0.999,
            min_p: 1e-6,
            // With more the verifier refuses the request before it does anything for it.
            penalty_last_n: MAX_PENALTY_LAST_N,
            penalty_repeat: 1.1,
            penalty_frequency: 0.1,
            penalty_presence: 0.1,
            ..SamplingParams::default()
        };
        let (prompt, draft, grants, sampling) = match attack {
            Attack::GiantPrompts => (context.saturating_sub(8).clamp(2, GIANT), 1, Grants::NONE, costly),
            Attack::CostlyChains => (2, MAX_DRAFT.min(context.saturating_sub(8).max(1)), Grants::NONE, costly),
            _ => (2, 0, Grants::UNLIMITED, SamplingParams::default()),
        };
        let labels = match attack {
            Attack::CostlyChains => Labelling { matched: true, probabilities: true },
            _ => Labelling::NONE,
        };
        let begin = Begin {
            seed: self.rng.next_u64(),
            sampling,
            reply_start: prompt as u32,
            max_tokens: context as u32,
            stop: Vec::new(),
            grammar: None,
        };
        self.generation += 1;
        Advance {
            generation: self.generation,
            seq: 0,
            have: prompt as u32,
            base: 0,
            check: PrefixHash::EMPTY,
            stand: self.ids(prompt),
            draft: self.ids(draft),
            grants,
            labels,
            begin: Some(begin),
            deadline_ms: None,
        }
    }
}

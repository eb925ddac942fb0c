//! One load from its beginning to its end: phones, arrivals, hostile phones, and the account of it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use uhlm_core::verifier::Verifier;
use uhlm_law::rng::derived;

use crate::arrivals::Arrival;
use crate::error::LoadTestError;
use crate::hostile::Attackers;
use crate::phone::{Ended, Phone};
use crate::place::Place;
use crate::plan::{Pattern, Plan};
use crate::record::{Arm, Memory};
use crate::recording::Texts;
use crate::resources;
use crate::scrape::Counters;
use crate::tally::{Live, Tally};

mod account;

/// Time between two looks at the counters.
const TICK: Duration = Duration::from_millis(250);
/// Longest time over which the phones begin one after the other. A server takes only so many connections of one
/// address at once that have not shown yet that they may ask.
const RAMP: Duration = Duration::from_secs(3);
/// Shortest time between two phones that begin.
const STEP: Duration = Duration::from_millis(20);
/// Time that a wish may wait for a free phone without being late.
const LATE: Duration = Duration::from_millis(100);
/// Time that the server gets for closing sessions before memory is looked at.
const FAREWELL: Duration = Duration::from_millis(500);

/// The state of a load while it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// Time since the beginning.
    pub elapsed: Duration,
    /// Time that the load takes, without what replies take to become complete.
    pub total: Duration,
    /// Tokens committed since the beginning.
    pub tokens: u64,
    /// Verdicts since the beginning.
    pub verdicts: u64,
    /// Refusals and other failures since the beginning.
    pub refusals: u64,
}

/// Puts a load on a server and measures. `tick` is told several times a second how it goes. Blocks.
///
/// # Errors
/// [`LoadTestError`], if no phone can be made or the settings make no sense. What the server does under load is
/// measured, not an error.
pub fn run(place: &Place, plan: &Plan, texts: &Arc<Texts>, tick: &mut dyn FnMut(&Tick)) -> Result<Arm, LoadTestError> {
    if plan.phones == 0 || plan.measured.is_zero() || texts.all.is_empty() {
        return Err(LoadTestError::Settings("a load needs a phone, a text and some time".into()));
    }
    let runtime = uhlm_net::runtime::network().map_err(LoadTestError::Network)?;
    runtime.block_on(Load { place, plan, texts }.run(tick))
}

/// A wish on its way to a phone.
struct Job {
    wished: Instant,
    text: usize,
}

/// Wishes for replies, as phones take them.
#[derive(Clone)]
enum Jobs {
    Closed { texts: usize, next: Arc<AtomicU64> },
    Open(Arc<Mutex<mpsc::UnboundedReceiver<Job>>>),
}

impl Jobs {
    /// Returns the next wish, once there is one; `None` where there will be none.
    async fn next(&self) -> Option<Job> {
        match self {
            Self::Closed { texts, next } => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                Some(Job { wished: Instant::now(), text: number as usize % texts })
            }
            Self::Open(jobs) => jobs.lock().await.recv().await,
        }
    }
}

/// What one phone has seen, with what became of its wishes.
#[derive(Default)]
struct Seen {
    tally: Tally,
    late: u64,
    failed: u64,
}

struct Load<'a> {
    place: &'a Place,
    plan: &'a Plan,
    texts: &'a Arc<Texts>,
}

impl Load<'_> {
    async fn run(&self, tick: &mut dyn FnMut(&Tick)) -> Result<Arm, LoadTestError> {
        let plan = self.plan;
        let mut memory = Watched::new();
        let began = Instant::now();
        let (from, to) = (began + plan.warmup, began + plan.warmup + plan.measured);
        let live = Arc::new(Live::default());
        let (jobs, feeder) = self.jobs(began);
        let mut phones = JoinSet::new();
        for number in 0..plan.phones {
            let verifier = self.place.client(self.place.owner(number))?;
            let times = (began, to, to + plan.grace);
            phones.spawn(self.phone(number, verifier, times, jobs.clone(), Arc::clone(&live)));
        }
        let mut neighbours = JoinSet::new();
        for number in 0..plan.neighbours {
            let verifier = self.place.client(self.place.neighbour(plan.attack))?;
            let number = plan.phones + number;
            neighbours.spawn(self.phone(number, verifier, (began, to, to), self.closed(), Arc::default()));
        }
        let attackers = match plan.attack {
            Some(attack) => Some(Attackers::start(attack, self.place, plan, &self.texts.info)?),
            None => None,
        };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut before, mut after) = (None, None);
        while Instant::now() < to {
            ticks.tick().await;
            if before.is_none() && Instant::now() >= from {
                before = Some(Counters::fetch(self.place).await);
            }
            memory.look();
            tick(&self.state(began, &live));
        }
        if let Some(Some(before)) = before {
            after = Counters::fetch(self.place).await.map(|after| (before, after));
        }
        let attacks = attackers.map_or(0, Attackers::stop);
        let never_begun = feeder.map_or(0, |feeder| feeder.stop());
        let mut seen = Seen::default();
        while let Some(ended) = phones.join_next().await {
            let phone = ended.map_err(|_| LoadTestError::Phone)?;
            seen.tally.join(phone.tally);
            seen.late += phone.late;
            seen.failed += phone.failed;
            tick(&self.state(began, &live));
        }
        neighbours.join_all().await;
        tokio::time::sleep(FAREWELL).await;
        let memory = memory.end();
        Ok(account::arm(plan, (began, from, to), seen, after, memory, account::Sides { attacks, never_begun }))
    }

    fn state(&self, began: Instant, live: &Live) -> Tick {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tick {
            elapsed: began.elapsed(),
            total: self.plan.warmup + self.plan.measured,
            tokens: of(&live.tokens),
            verdicts: of(&live.verdicts),
            refusals: of(&live.refusals),
        }
    }

    /// Makes a phone that serves wishes from the first time on until the second one, when what is measured is over, and
    /// gives up at the third.
    fn phone(
        &self,
        number: usize,
        verifier: Arc<dyn Verifier>,
        (began, to, stop): (Instant, Instant, Instant),
        jobs: Jobs,
        live: Arc<Live>,
    ) -> impl Future<Output = Seen> + Send + use<> {
        let plan = self.plan;
        let texts = Arc::clone(self.texts);
        let seed = derived(plan.seed, number as u64);
        let mut phone = Phone::new(verifier, texts.info.clone(), plan.behaviour.clone(), seed, began, live);
        let ramp = STEP.saturating_mul(number as u32).min(RAMP.mul_f64(number as f64 / plan.phones as f64));
        async move {
            let mut seen = Seen::default();
            sleep_until(began + ramp).await;
            loop {
                let job = tokio::select! {
                    job = jobs.next() => job,
                    () = sleep_until(to) => None,
                };
                let Some(Job { wished, text }) = job.filter(|_| Instant::now() < to) else { break };
                seen.late += u64::from(wished.elapsed() > LATE);
                if let Ended::Failed(_) = phone.reply(&texts.all[text], wished, stop).await {
                    seen.failed += 1;
                    // It would be refused again at once.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            phone.hang_up();
            seen.tally = std::mem::take(&mut phone.tally);
            seen
        }
    }

    /// Makes wishes of which there is always a next one.
    fn closed(&self) -> Jobs {
        Jobs::Closed { texts: self.texts.all.len(), next: Arc::default() }
    }

    fn jobs(&self, began: Instant) -> (Jobs, Option<Feeder>) {
        match &self.plan.pattern {
            Pattern::Closed => (self.closed(), None),
            Pattern::Open(arrivals) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let receiver = Arc::new(Mutex::new(receiver));
                let feeder = Feeder::start(arrivals.clone(), began, sender, Arc::clone(&receiver));
                (Jobs::Open(receiver), Some(feeder))
            }
        }
    }
}

/// The task that hands out wishes at their time.
struct Feeder {
    task: tokio::task::JoinHandle<()>,
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
}

impl Feeder {
    fn start(
        arrivals: Vec<Arrival>,
        began: Instant,
        sender: mpsc::UnboundedSender<Job>,
        waiting: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
    ) -> Self {
        let task = tokio::spawn(async move {
            for Arrival { at, text } in arrivals {
                let wished = began + at;
                sleep_until(wished).await;
                if sender.send(Job { wished, text }).is_err() {
                    return;
                }
            }
            // While this is kept, phones wait for more; they end with the measured time.
            std::future::pending::<()>().await;
        });
        Self { task, waiting }
    }

    /// Ends the task; returns the number of wishes that no phone has taken.
    fn stop(self) -> u64 {
        self.task.abort();
        // A phone that waits for a wish holds the lock, and then there is none.
        self.waiting.try_lock().map_or(0, |waiting| waiting.len() as u64)
    }
}

/// The memory of this process while the load runs.
struct Watched(Option<Memory>);

impl Watched {
    fn new() -> Self {
        let now = resources::memory().zip(resources::descriptors());
        Self(now.map(|(memory, descriptors)| Memory {
            before: memory,
            peak: memory,
            after: memory,
            descriptors_before: descriptors,
            descriptors_peak: descriptors,
            descriptors_after: descriptors,
        }))
    }

    fn look(&mut self) {
        if let (Some(seen), Some((memory, descriptors))) =
            (&mut self.0, resources::memory().zip(resources::descriptors()))
        {
            seen.peak = seen.peak.max(memory);
            seen.descriptors_peak = seen.descriptors_peak.max(descriptors);
            (seen.after, seen.descriptors_after) = (memory, descriptors);
        }
    }

    fn end(mut self) -> Option<Memory> {
        self.look();
        self.0
    }
}

//! One history: a session gets several prompts while things go wrong, and all that it says is checked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::{
    Canceller, DeviceState, FinishReason, Generation, GenerationError, LinkState, Mode, OfflinePolicy, Origin, Prompt,
    Session, USEFUL_REPLY,
};
use uhlm_law::advance::Begin;
use uhlm_law::chat::{ChatTemplate as _, Message};

use super::check::{Expected, Said, listen};
use super::clock::BedClock;
use super::draft::BedDraft;
use super::faults::{Counts, Fault};
use super::network::Network;
use super::plan::{Ask, LONG, Plan};
use super::uplink::Uplink;

/// A rule that a session broke, in words.
pub type Violation = String;

/// The counts of a history, or of several.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Faults on the way, and how often each happened.
    pub faults: Counts,
    /// Number of replies that were requested.
    pub generations: u64,
    /// Of those, the number that are the target's own from first to last.
    pub targets_own: u64,
    /// Of those, the number that were cancelled.
    pub cancelled: u64,
    /// Of those, the number that failed for want of a verifier, where the policy says so.
    pub offline: u64,
    /// Number of tokens that stand.
    pub tokens: u64,
    /// Of those, the number written while the verifier was out of reach.
    pub unverified: u64,
    /// Virtual time that passed.
    pub time: Duration,
}

impl Summary {
    /// Adds another history's counts.
    pub fn add(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.generations += other.generations;
        self.targets_own += other.targets_own;
        self.cancelled += other.cancelled;
        self.offline += other.offline;
        self.tokens += other.tokens;
        self.unverified += other.unverified;
        self.time += other.time;
    }
}

/// The state of one history.
struct History {
    plan: Plan,
    clock: Arc<BedClock>,
    network: Arc<Network>,
    session: Arc<Session>,
    /// Generations so far. Dropping one wakes the session: they are kept to the end.
    generations: Vec<Generation>,
    /// State of the verifier that was told last.
    told: LinkState,
    summary: Summary,
}

/// Runs the history of a seed.
///
/// # Errors
/// The rule that the session broke.
pub fn history(seed: u64) -> Result<Summary, Violation> {
    let plan = Plan::new(seed);
    let clock = Arc::new(BedClock::default());
    let network = Network::new(Arc::clone(&clock), plan.target, plan.way, seed);
    let draft = BedDraft { model: plan.draft, times: plan.times, clock: Arc::clone(&clock) };
    let verifier = Arc::new(Uplink(Arc::clone(&network)));
    let session = Session::with_clock(draft, Some(verifier), plan.options.clone(), Arc::clone(&clock) as _);
    let session = Arc::new(session.map_err(|error| error.to_string())?);
    let mut history = History {
        plan,
        clock,
        network,
        session,
        generations: Vec::new(),
        told: LinkState::Online,
        summary: Summary::default(),
    };
    let outcome = history.run();
    history.clock.stop();
    outcome.map(|()| history.summary)
}

impl History {
    fn run(&mut self) -> Result<(), Violation> {
        self.rest(0)?;
        let asks = self.plan.asks.clone();
        for (i, ask) in asks.iter().enumerate() {
            let is_last = i + 1 == asks.len();
            self.prepare(ask, is_last)?;
            let was_online = self.is_online();
            self.answer(ask, is_last).map_err(|violation| format!("reply {i}: {violation}"))?;
            // A reply that begins out of reach brings the link back, and may end before it is there.
            if is_last && !was_online {
                self.prepare(ask, true)?;
                if !self.is_online() && !self.has_budget() {
                    return Err("the link does not come back".into());
                }
                self.answer(ask, true).map_err(|violation| format!("the last reply: {violation}"))?;
            }
        }
        self.summary.faults = self.network.counts();
        self.summary.time = self.clock.time();
        Ok(())
    }

    /// Runs one generation and waits until the session's thread rests.
    fn answer(&mut self, ask: &Ask, is_last: bool) -> Result<(), Violation> {
        let before = self.clock.rests();
        self.ask(ask, is_last)?;
        self.rest(before)
    }

    /// Waits until the session's thread has come to rest more than `before` times.
    fn rest(&self, before: u64) -> Result<(), Violation> {
        if self.clock.wait_for_rest(before) { Ok(()) } else { Err("the session's thread is gone".into()) }
    }

    /// Does something that sends the session one message, and waits until it has been taken.
    fn tell(&self, what: impl FnOnce(&Session) -> Result<(), GenerationError>) -> Result<(), Violation> {
        let before = self.clock.rests();
        what(&self.session).map_err(|error| error.to_string())?;
        self.rest(before)
    }

    /// Lets time pass before a generation: answers that are late reach a session that does nothing.
    fn prepare(&mut self, ask: &Ask, is_last: bool) -> Result<(), Violation> {
        let end = self.clock.time() + ask.pause;
        self.pass(end)?;
        if is_last {
            self.network.mend();
            // Messages on their way come or are given up, and pauses between attempts end.
            self.pass(end + Duration::from_secs(60))?;
        }
        if ask.resets {
            self.tell(Session::reset)?;
        }
        self.tell(|session| {
            session.set_device(ask.device);
            Ok(())
        })
    }

    /// Lets the time until `end` pass while nothing is generated; the session takes each message before the next one
    /// comes.
    fn pass(&self, end: Duration) -> Result<(), Violation> {
        loop {
            let (before, told) = (self.clock.rests(), self.network.told());
            if !self.clock.deliver_next(end) {
                break;
            }
            if self.network.told() > told {
                self.rest(before)?;
            }
        }
        self.clock.pass_until(end);
        Ok(())
    }

    /// Runs one generation and checks what it said.
    fn ask(&mut self, ask: &Ask, is_last: bool) -> Result<(), Violation> {
        let mut messages = self.session.messages();
        messages.push(Message::user(ask.message.clone()));
        let prompt = self.plan.target.prompt(&messages).map_err(|error| error.to_string())?;
        let (failures, began, was_online) = (self.network.failures(), self.clock.time(), self.is_online());
        self.clock.hold();
        let generation = self.session.generate(Prompt::Chat(ask.message.clone()), ask.options.clone());
        let mut generation = generation.map_err(|error| error.to_string())?;
        let cancelled = self.arrange(ask, &generation);
        self.clock.release();
        let said = listen(&mut generation, self.has_budget())?;
        self.generations.push(generation);
        if said.links.first() == Some(&LinkState::Online) && self.told == LinkState::Online {
            return Err("the verifier is back, and was never said to be away".into());
        }
        self.told = said.links.last().copied().unwrap_or(self.told);
        let elapsed = self.clock.time() - began;
        let Plan { draft, target, options, .. } = &self.plan;
        let (sampling, options) = (&options.sampling, &ask.options);
        let expected = Expected { draft, target, sampling, prompt: &prompt, options, elapsed };
        expected.check(&said)?;
        self.check_end(ask, &said, prompt.len(), cancelled.lock().unwrap_or_else(PoisonError::into_inner).take())?;
        // After each failure the target may have to read everything again, and the slowest one takes minutes for that.
        let failed = u32::try_from(self.network.failures() - failures).unwrap_or(u32::MAX);
        if elapsed > LONG + self.plan.way.times.of(self.plan.target.capacity).saturating_mul(failed) {
            return Err(format!("it took {elapsed:?}"));
        }
        let unverified = said.tokens.iter().filter(|token| token.1 == Origin::Unverified).count() as u64;
        let is_kept = self.network.failures() > 0 || self.has_budget();
        if unverified > 0 && (!is_kept || self.plan.options.offline != OfflinePolicy::GoOn) {
            return Err("a token is not verified, and nothing kept the verifier from it".into());
        }
        self.check_budget()?;
        if is_last && !self.has_budget() && self.network.failures() == failures && unverified > 0 && was_online {
            return Err("nothing went wrong any more, and a token is not verified".into());
        }
        let is_own = expected.is_targets_own(&said);
        if is_own {
            self.check_own(ask, &said, &prompt)?;
        }
        let summary = &mut self.summary;
        summary.generations += 1;
        summary.targets_own += u64::from(is_own);
        summary.tokens += said.tokens.len() as u64;
        summary.unverified += unverified;
        match said.end {
            Ok((FinishReason::Cancelled, _)) => summary.cancelled += 1,
            Err(_) => summary.offline += 1,
            Ok(_) => {}
        }
        Ok(())
    }

    /// Arranges the faults that happen during a generation; returns a cell that will hold the time at which it was
    /// cancelled.
    fn arrange(&self, ask: &Ask, generation: &Generation) -> Arc<Mutex<Option<Duration>>> {
        let at = Arc::new(Mutex::new(None));
        for &(delay, fault) in &ask.faults {
            let (network, clock) = (Arc::clone(&self.network), Arc::clone(&self.clock));
            match fault {
                Fault::Cancel => {
                    let (canceller, at): (Canceller, _) = (generation.canceller(), Arc::clone(&at));
                    self.clock.after(delay, move || {
                        network.wakes(fault);
                        at.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(clock.time());
                        canceller.cancel();
                    });
                }
                Fault::NetworkChange => {
                    let session = Arc::downgrade(&self.session);
                    self.clock.after(delay, move || {
                        if let Some(session) = session.upgrade() {
                            network.wakes(fault);
                            session.on_network_change();
                        }
                    });
                }
                fault => self.clock.after(delay, move || network.strike(fault)),
            }
        }
        at
    }

    /// Tells whether the session may take only so much of its verifier.
    fn has_budget(&self) -> bool {
        self.plan.options.budget.target_passes.is_some()
    }

    /// Checks that no more passes were taken than the budget has. In `remote_only` the target writes until it hears
    /// that it is to stop, and a request that was given up may come to the verifier after all.
    fn check_budget(&self) -> Result<(), Violation> {
        let Some(limit) = self.plan.options.budget.target_passes else { return Ok(()) };
        let mut modes = self.plan.asks.iter().filter_map(|ask| ask.options.mode).chain([self.plan.options.mode]);
        // Where it is hot or short of memory, the device leaves everything to the target.
        let is_fit = self.plan.asks.iter().all(|ask| ask.device == DeviceState::default());
        let taken = self.session.totals().target_passes.saturating_sub(self.network.failures());
        if taken > limit && is_fit && modes.all(|mode| mode != Mode::RemoteOnly) {
            return Err(format!("{taken} passes were taken beyond those that failed, of {limit}"));
        }
        Ok(())
    }

    fn is_online(&self) -> bool {
        self.session.status().link == LinkState::Online
    }

    /// Checks that a generation ended for a reason that it had.
    fn check_end(&self, ask: &Ask, said: &Said, prompt: usize, cancelled: Option<Duration>) -> Result<(), Violation> {
        let policy = self.plan.options.offline;
        match &said.end {
            Ok((FinishReason::Cancelled, _)) => {
                let Some(at) = cancelled else { return Err("nobody cancelled".into()) };
                let took = self.clock.time().saturating_sub(at);
                // A pass that is under way is not broken off.
                if took > self.clock.longest() {
                    Err(format!("it went on for {took:?} when cancelled"))
                } else {
                    Ok(())
                }
            }
            Ok(_) => Ok(()),
            Err(GenerationError::PromptTooLong { tokens, reply, capacity }) => {
                // The device's context is as long as the target's.
                let least = USEFUL_REPLY.min(ask.options.max_tokens);
                let told = (*tokens, *reply, *capacity) == (prompt, least, self.plan.target.capacity);
                if told && prompt + least > self.plan.target.capacity {
                    Ok(())
                } else {
                    Err(format!("{prompt} tokens are said not to fit: {tokens} and {reply} of {capacity}"))
                }
            }
            Err(GenerationError::BudgetSpent) if self.has_budget() && policy != OfflinePolicy::GoOn => Ok(()),
            Err(GenerationError::Offline { .. })
                if self.network.failures() > 0
                    && matches!(policy, OfflinePolicy::Wait(limit) if limit < LONG)
                        | (policy == OfflinePolicy::Fail) =>
            {
                Ok(())
            }
            Err(error) => Err(format!("it failed, of {ask:?}: {error}")),
        }
    }

    /// Compares a reply that is the target's own with what the target writes in a plain loop.
    fn check_own(&self, ask: &Ask, said: &Said, prompt: &[u32]) -> Result<(), Violation> {
        if ask.options.mode.unwrap_or(self.plan.options.mode) == Mode::DeviceOnly {
            return Ok(());
        }
        let begin = Begin {
            seed: ask.options.seed.unwrap_or_default(),
            sampling: self.plan.options.sampling.clone(),
            reply_start: prompt.len() as u32,
            max_tokens: ask.options.max_tokens as u32,
            stop: Vec::new(),
            grammar: None,
        };
        let plain = self.plan.target.reply(&begin, prompt);
        let ids: Vec<u32> = said.tokens.iter().map(|token| token.0).collect();
        let is_whole = !matches!(said.end, Ok((FinishReason::StopSequence, _)));
        if plain.starts_with(&ids) && (!is_whole || plain.len() == ids.len()) {
            return Ok(());
        }
        Err(format!("the reply is {ids:?}, the target alone writes {plain:?}"))
    }
}

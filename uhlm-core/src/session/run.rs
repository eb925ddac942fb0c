//! The loop of a generation: draft, send, hear, commit, roll back; drafting goes on while verdicts travel.
//!
//! The loop only arranges: [`Drafter`] computes, [`Pipeline`] knows what does not stand yet, [`Reply`] what the reader
//! sees, and [`Remote`] what the verifier knows. It runs on the session's thread; answers and cancellation reach it
//! through the inbox, and it blocks only when there is nothing left to draft.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use uhlm_law::advance::{Capabilities, Grant, Grants, Labelling};
use uhlm_law::pace::Pacer;

use super::closing::Closing;
use super::drafter::Drafter;
use super::end::End;
use super::inbox::{Inbox, Opened, Queue, Tag};
use super::observed::Observed;
use super::outage::Outage;
use super::pipeline::Pipeline;
use super::remote::Remote;
use super::reply::Reply;
use super::token::Standing;
use super::unread::Part;
use crate::clock::Clock;
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::generation::EventSink;
use crate::mode::Mode;
use crate::options::{OfflinePolicy, SessionOptions};
use crate::state::{SessionState, locked};
use crate::totals::Totals;
use crate::verifier::{BodyBytes, VerifierError};

/// Longest time that the loop sleeps before it looks at its clocks again.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// One generation.
pub(super) struct Run<'a> {
    pub(super) drafter: &'a mut Drafter,
    pub(super) pipeline: &'a mut Pipeline,
    pub(super) pacer: &'a mut Pacer,
    pub(super) remote: Option<&'a mut Remote>,
    /// Options of this generation: those that the app requested, as far as the device's state allows.
    pub(super) options: &'a SessionOptions,
    pub(super) mode: Mode,
    pub(super) reply: Reply,
    /// Number of tokens of the prompt.
    pub(super) prompt: usize,
    /// Least number of tokens that a reply needs.
    pub(super) least: usize,
    pub(super) sink: &'a EventSink,
    pub(super) inbox: &'a Receiver<Inbox>,
    pub(super) queue: &'a mut Queue,
    pub(super) shared: &'a SessionState,
    pub(super) clock: &'a dyn Clock,
    pub(super) started: Instant,
    pub(super) closing: Closing,
    pub(super) mail: Mail,
    /// Whether the open window is to be sent.
    pub(super) due: bool,
    pub(super) outage: Outage,
    /// Sizes of the bodies since the last verdict.
    pub(super) bytes: BodyBytes,
    pub(super) target: Observed,
    /// What was taken of the verifier before this reply, as far as it counts against the budget.
    pub(super) spent: Totals,
    /// Whether tokens are told with their reasons.
    pub(super) explains: bool,
    /// Number of the request whose answer is being heard.
    pub(super) heard_request: Option<u64>,
    /// Mode whose decisions are reported although the device writes alone; `None` for a generation in earnest.
    pub(super) dry_run: Option<Mode>,
}

/// Parts of answers that came and were not looked at yet.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) frames: VecDeque<(Tag, Part)>,
    /// Answer to an attempt to open a session.
    pub(super) opened: Option<Result<Opened, VerifierError>>,
}

impl Run<'_> {
    /// Runs to the end and hands over the tokens that stand; returns how the generation ended.
    pub(super) fn run(mut self) -> (Result<FinishReason, GenerationError>, Reply) {
        let Err(end) = self.write();
        let reason = end.into_result();
        self.close(&reason);
        (reason, self.reply)
    }

    /// Writes the reply; the error says how it ended.
    fn write(&mut self) -> Result<Infallible, End> {
        if self.reply.is_sealed(&[]) {
            return Err(FinishReason::MaxTokens.into());
        }
        if self.mode == Mode::DeviceOnly {
            // Answers for which an earlier reply has asked may come yet.
            self.recall_state();
        } else {
            if self.remote.is_none() {
                return Err(GenerationError::NoVerifier.into());
            }
            self.resume()?;
            self.check_grammar()?;
            self.keep_budget()?;
            self.open()?;
        }
        if self.mode != Mode::RemoteOnly {
            self.check_prompt()?;
            // In a session that is open already, the target may read the prompt while the device does.
            if self.mode == Mode::Exact && self.remote.as_ref().is_some_and(|remote| remote.is_ready()) {
                self.offer_prompt()?;
            }
            self.read_prompt()?;
        }
        if self.mode != Mode::DeviceOnly {
            self.await_open()?;
        }
        self.check_prompt()?;
        let capacity = self.capacity()?;
        locked(&self.shared.context).context = Some(capacity).filter(|&capacity| capacity < usize::MAX);
        loop {
            self.turn()?;
        }
    }

    /// Makes one turn of the loop: hears what came, sends what is due, and drafts one token, waits or stands still.
    fn turn(&mut self) -> Result<(), End> {
        self.receive(Duration::ZERO);
        self.settle()?;
        self.check_cancelled()?;
        self.keep_budget()?;
        self.revive()?;
        self.choose_pace()?;
        self.rein_in()?;
        self.send()?;
        if !self.can_draft()? {
            self.stall()
        } else if self.stands_still() {
            self.stand_still()
        } else if self.catch_up()? {
            Ok(())
        } else {
            self.draft()
        }
    }

    pub(super) fn check_cancelled(&self) -> Result<(), End> {
        if self.sink.cancel().is_cancelled() { Err(FinishReason::Cancelled.into()) } else { Ok(()) }
    }

    /// Checks that the verifier, as far as it is known, takes the reply's grammar: one that does not would skip it.
    pub(super) fn check_grammar(&self) -> Result<(), End> {
        let info = self.remote.as_ref().and_then(|remote| remote.info.as_ref());
        let lacks = info.is_some_and(|info| !info.capabilities.contains(Capabilities::GRAMMAR));
        if lacks && self.drafter.has_grammar() && self.mode != Mode::DeviceOnly {
            let reason = "the verifier does not take grammars".into();
            return Err(GenerationError::Grammar { reason }.into());
        }
        Ok(())
    }

    /// Checks that the prompt leaves room for a useful reply, as far as is known of the contexts.
    pub(super) fn check_prompt(&mut self) -> Result<(), End> {
        let (capacity, tokens, reply) = (self.capacity()?, self.prompt, self.least);
        if tokens.saturating_add(reply) <= capacity {
            return Ok(());
        }
        Err(GenerationError::PromptTooLong { tokens, reply, capacity }.into())
    }

    /// Returns how many tokens a conversation may have, as far as is known.
    fn capacity(&mut self) -> Result<usize, End> {
        let target = self.remote.as_ref().and_then(|remote| remote.context()).filter(|_| self.mode != Mode::DeviceOnly);
        if self.mode == Mode::RemoteOnly && !self.is_alone() {
            return Ok(target.unwrap_or(usize::MAX));
        }
        let device = self.drafter.capacity()?;
        Ok(target.map_or(device, |target| target.min(device)))
    }

    /// Tells whether no token fits any more. Across a bridge the capacity moves with the text, and the limit that the
    /// verifier was told does not.
    pub(super) fn is_full(&mut self) -> Result<bool, End> {
        Ok(self.pipeline.is_at_limit() || self.pipeline.len() >= self.capacity()?)
    }

    /// Does what is left where nothing can be drafted: waits for what is on its way, or finds that nothing will come.
    fn stall(&mut self) -> Result<(), End> {
        // Drafted tokens wait for a verdict even while there is no session to ask for one.
        let pending = self.pipeline.windows_in_flight() > 0 || !self.pipeline.branch().is_empty();
        let streams = self.runs_on() && !self.is_alone();
        if !pending && !streams && self.is_full()? {
            return Err(FinishReason::ContextFull.into());
        }
        if !pending && !streams && self.drafter.is_bridged() && self.drafter.is_stuck(self.pipeline.ids()) {
            return self.hand_on();
        }
        // No token joins this window before the next verdict, so there is no reason to wait with sending it.
        let waits_for_drafts = !self.is_paced() || self.pacer.policy().drafts;
        if !self.due && waits_for_drafts && self.has_room_in_flight() && self.needs_verdict() && self.mode.judges() {
            self.due = true;
            return Ok(());
        }
        if self.keep_up()? { Ok(()) } else { self.rest() }
    }

    /// Does what is left where the draft model says something that the target's tokens cannot: the target writes a
    /// token, and where none is asked, the reply ends.
    fn hand_on(&mut self) -> Result<(), End> {
        if self.mode == Mode::DeviceOnly || self.is_alone() {
            return Err(FinishReason::EndOfReply.into());
        }
        let waits = self.remote.as_ref().is_none_or(|remote| !remote.is_ready() || !remote.streams.is_empty());
        if !waits {
            self.ask_with(Grants { after_mismatch: Grant::NONE, after_agreement: Grant::Passes(1) })?;
        }
        self.rest()
    }

    /// Waits for news, for as long as nothing is due.
    pub(super) fn rest(&mut self) -> Result<(), End> {
        let began = self.now();
        self.give_up_if_waited_too_long()?;
        self.receive(self.patience());
        self.reply.statistics.waiting += self.since(began);
        Ok(())
    }

    /// Returns how long to sleep when only the inbox or a clock can bring news.
    pub(super) fn patience(&self) -> Duration {
        let retry = self.remote.as_ref().and_then(|remote| remote.patience(self.now()));
        let given_up = match (self.outage.waiting_since(), self.options.offline) {
            (Some(since), OfflinePolicy::Wait(limit)) => Some(limit.saturating_sub(self.since(since))),
            _ => None,
        };
        let sleep = retry.into_iter().chain(given_up).fold(MAX_SLEEP, Duration::min);
        sleep.max(Duration::from_millis(1))
    }

    /// Takes the messages in the inbox, waiting at most `patience` for the first one.
    pub(super) fn receive(&mut self, patience: Duration) {
        let mut next = if patience.is_zero() { self.inbox.try_recv().ok() } else { self.wait(patience) };
        while let Some(message) = next {
            match message {
                Inbox::Opened(result) => self.mail.opened = Some(result),
                Inbox::Frame { tag, part } => self.mail.frames.push_back((tag, part)),
                // A generation may be asked for as soon as this one is cancelled; it begins when this one has ended.
                Inbox::Job(job) => self.queue.jobs.push_back(*job),
                Inbox::Task(task) => self.queue.tasks.push_back(task),
                // The session was dropped: this generation ends, and the thread with it.
                Inbox::Close => {
                    self.queue.closed = true;
                    self.sink.cancel().cancel();
                }
                Inbox::Wake => self.attend_network(),
                Inbox::Reset => {}
            }
            next = self.inbox.try_recv().ok();
        }
    }

    /// Returns the next message, waiting at most `patience` for it.
    fn wait(&mut self, patience: Duration) -> Option<Inbox> {
        self.hand_over();
        self.sink.flush();
        self.inbox.try_recv().ok().or_else(|| {
            let patience = self.clock.idle(patience);
            self.inbox.recv_timeout(patience).ok()
        })
    }

    /// Forgets what was known of the link if the system reported another network: nothing is known of it there, and
    /// waiting for a pause to end makes no sense.
    fn attend_network(&mut self) {
        if self.shared.news.network.swap(false, Ordering::AcqRel)
            && let Some(remote) = &mut self.remote
        {
            remote.on_network_change();
        }
    }

    /// Hands the reply's events to its consumer.
    pub(super) fn hand_over(&mut self) {
        locked(&self.shared.context).tokens = self.prompt + self.reply.committed();
        self.reply.take_events().into_iter().for_each(|event| self.sink.send(event));
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn since(&self, began: Instant) -> Duration {
        self.now().saturating_duration_since(began)
    }

    /// Commits a token that stands in the pipeline, in the place of a drafted one or not. Returns the end as an error
    /// if the reply ends with the token.
    pub(super) fn commit(&mut self, standing: Standing, replaces: bool) -> Result<(), End> {
        let elapsed = self.since(self.started);
        let told = self.told(&standing, replaces);
        let piece = self.drafter.standing_piece(standing.id, standing.origin);
        let end = self.reply.commit(piece, standing.origin, told, elapsed);
        self.outage.went_on();
        self.drafter.gate.observe_committed();
        self.pacer.observe_token(self.reply.statistics.target_passes as usize);
        self.hand_over();
        end.map_or(Ok(()), |reason| Err(reason.into()))
    }

    /// Commits tokens that stand in the pipeline, in order, with the number of drafted ones taken back before each. A
    /// reasoning that has used up its budget is ended, and the tokens that follow in this text are void.
    pub(super) fn commit_all(&mut self, all: Vec<(usize, Standing)>) -> Result<(), End> {
        let mut all = all.into_iter();
        while let Some((taken_back, standing)) = all.next() {
            self.reply.roll_back(taken_back);
            self.commit(standing, taken_back > 0)?;
            if self.reply.thinks_too_long() {
                let unsaid: usize =
                    all.map(|(taken_back, standing)| taken_back + usize::from(standing.drafted.is_some())).sum();
                return self.end_reasoning(unsaid);
            }
        }
        Ok(())
    }

    /// Returns which labels the target is asked for. The opportunistic law goes on learning from judged tokens.
    pub(super) fn labelling(&self) -> Labelling {
        let collects = self.reply.statistics.labels.is_some();
        // The target's probability of a token says nothing about the draft model's, which is of other tokens.
        let probabilities = !self.drafter.is_bridged();
        match self.mode {
            Mode::Opportunistic => {
                Labelling { matched: collects || self.drafter.gate.learns_from_skipped(), probabilities }
            }
            _ => Labelling { matched: false, probabilities: collects && probabilities },
        }
    }

    /// Takes all provisional tokens back and hands over the text that stands.
    fn close(&mut self, reason: &Result<FinishReason, GenerationError>) {
        let now = self.now();
        let goes_on = matches!(reason, Ok(reason) if *reason != FinishReason::Cancelled);
        let vocabulary = self.drafter.language().words.vocabulary_hash();
        if let Some(remote) = &mut self.remote {
            if let Some(result) = self.mail.opened.take() {
                remote.opened_late(result, vocabulary, now);
                let (link, cause) = remote.news();
                self.shared.set_link(link, cause);
            }
            // Dropping an answer that is awaited resets its request.
            remote.abandon(goes_on && self.pipeline.windows_in_flight() == 0, now);
        }
        self.reply.roll_back(self.pipeline.take_back());
        // Text that was held back is no part of the text that was shown after it.
        self.reply.release_rest();
        self.reply.statistics.elapsed = self.since(self.started);
        self.hand_over();
    }
}

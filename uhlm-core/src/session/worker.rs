//! The part of a session that lives between generations, on the thread that owns the model's context, and the way from
//! a job to a reply.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use uhlm_grammar::GrammarError;
use uhlm_law::advance::{Begin, MAX_STOP_BYTES, MAX_STOPS};
use uhlm_law::chat::{Channel, DraftModel, ReasoningSplitter, RenderOptions, TemplateError};
use uhlm_law::model::{ModelError, Special};
use uhlm_law::pace::Pacer;
use uhlm_law::rng;
use uhlm_law::sampling::{SamplingError, TokenId};
use uhlm_tools::ToolParser;

use super::apart::Apart;
use super::closing::Closing;
use super::drafter::Drafter;
use super::ends::{has_control_opener, tool_format};
use super::forced;
use super::inbox::{Inbox, Job, Opened, Queue, Tag, Task};
use super::observed::Observed;
use super::outage::Outage;
use super::pipeline::Pipeline;
use super::prompt::{Asked, Room};
use super::remote::Remote;
use super::reply::Reply;
use super::run::{Mail, Run};
use super::terms::Terms;
use super::uncrossed::CrossError;
use super::unread::Heard;
use crate::clock::Clock;
use crate::device::{Limits, ThreadShare};
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::generation::EventSink;
use crate::language::Language;
use crate::metrics::Statistics;
use crate::mode::Mode;
use crate::options::{DraftAhead, GenerationOptions, OfflinePolicy, Overflow, Prompt, SessionOptions, Thinking};
use crate::prefixes::Prefixes;
use crate::seed;
use crate::state::{SessionState, locked};
use crate::totals::Totals;
use crate::verifier::{BodyBytes, Verifier, VerifierError};

/// The state of a session on its thread.
pub(crate) struct Worker {
    pub(super) drafter: Drafter,
    pub(super) pipeline: Pipeline,
    pacer: Pacer,
    pub(super) remote: Option<Remote>,
    /// Options that the app requested.
    pub(super) asked: SessionOptions,
    /// Seed of the replies that have no seed of their own.
    pub(super) seed: u64,
    /// Number of generations so far.
    pub(super) generations: u64,
    pub(super) shared: Arc<SessionState>,
    pub(super) clock: Arc<dyn Clock>,
    queue: Queue,
    /// Beginnings that sessions of the same engine have read.
    pub(super) prefixes: Arc<Prefixes>,
    /// Whether the verifier hands whole replies to a chat service.
    pub(super) is_handed_off: bool,
}

impl Worker {
    pub(crate) fn new(
        model: DraftModel,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        inbox: Sender<Inbox>,
        shared: Arc<SessionState>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SamplingError> {
        let seed = options.seed.unwrap_or_else(seed::fresh);
        let pipeline = Pipeline::new(model.language.vocabulary().size());
        let pacer = Pacer::new(options.pace, options.max_passes_per_token, options.calibration.mean_beta());
        Ok(Self {
            drafter: Drafter::new(model, &options, seed)?,
            pipeline,
            pacer,
            remote: verifier.map(|verifier| Remote::new(verifier, inbox, options.link.clone())),
            asked: options,
            seed,
            generations: 0,
            shared,
            clock,
            queue: Queue::default(),
            prefixes: Arc::default(),
            is_handed_off: false,
        })
    }

    /// Shares the beginnings of other sessions, and its own with them.
    pub(crate) fn share(&mut self, prefixes: Arc<Prefixes>) {
        self.prefixes = prefixes;
    }

    /// Works until the session is dropped. It calls `ended` for each generation before its last event is sent, so that
    /// a consumer that has seen it may start the next one.
    pub(crate) fn work(mut self, inbox: &Receiver<Inbox>, ended: impl Fn()) {
        while let Some(message) = self.next(inbox) {
            match message {
                Inbox::Job(job) => self.queue.jobs.push_back(*job),
                Inbox::Task(task) => self.queue.tasks.push_back(task),
                Inbox::Opened(result) => self.opened_late(result),
                Inbox::Frame { tag, part } => self.heard_late(tag, part.read()),
                Inbox::Wake => self.attend(),
                Inbox::Reset => self.drafter.unload(),
                Inbox::Close => break,
            }
            while let Some(job) = self.queue.jobs.pop_front().filter(|_| !self.queue.closed) {
                self.run(job, inbox, &ended);
            }
            if self.queue.closed {
                break;
            }
            while let Some(task) = self.queue.tasks.pop_front() {
                self.attend_to(task);
            }
        }
    }

    /// Does work beside generations.
    fn attend_to(&mut self, task: Task) {
        match task {
            Task::Save { path, done } => drop(done.send(self.save(&path))),
            Task::Warm { beginning, asks, done } => drop(done.send(self.warm(&beginning, asks))),
        }
    }

    /// Returns the next message, and blocks until there is one; `None` once nobody can send one.
    fn next(&self, inbox: &Receiver<Inbox>) -> Option<Inbox> {
        inbox.try_recv().ok().or_else(|| {
            self.clock.rest();
            inbox.recv().ok()
        })
    }

    /// Runs one generation and sends its last event.
    fn run(&mut self, job: Job, inbox: &Receiver<Inbox>, ended: &impl Fn()) {
        let Job { prompt, options, sink } = job;
        // This is declared after the sink, so that it is dropped before it: who has seen the end is not told that the
        // session is busy.
        let _ended = EndedByPanic(ended);
        let started = self.clock.now();
        self.attend();
        let limits = self.limits();
        let kept = self.keep_to(&limits);
        let wanted = options.mode.unwrap_or(self.asked.mode);
        let asked_mode = limits.mode(wanted, self.remote.is_some());
        let mode = if options.dry_run { Mode::DeviceOnly } else { asked_mode };
        // Of a text that the target would write alone, it is asked for everything.
        let reported = if asked_mode == Mode::RemoteOnly { Mode::Exact } else { asked_mode };
        let dry_run = Some(reported).filter(|_| options.dry_run);
        let terms = Terms { kept: &kept, wanted, mode, dry_run, started };
        let last = self.converse(prompt, &options, &terms, &sink, inbox);
        *locked(&self.shared.calibration) = self.drafter.gate.tracked();
        self.attend();
        ended();
        sink.finish(last);
    }

    /// Writes the reply to a prompt. Where the target's context turns out to be shorter than was known, and turns may
    /// be dropped, it begins again with fewer of them; where the target turns out to have another vocabulary, with
    /// that. Nothing was written by then.
    pub(super) fn write(
        &mut self,
        prompt: &Prompt,
        read: Option<&[String]>,
        options: &GenerationOptions,
        terms: &Terms<'_>,
        sink: &EventSink,
        inbox: &Receiver<Inbox>,
    ) -> Result<(Result<FinishReason, GenerationError>, Reply), GenerationError> {
        let Terms { kept, wanted, mode, dry_run, started } = *terms;
        let forgotten = locked(&self.shared.conversation).dropped();
        let reply = kept.overflow.reply(options.max_tokens);
        let mut room = Room { capacity: self.known_capacity(mode)?, reply, overflow: kept.overflow };
        let number = self.generations;
        let seed = options.seed.unwrap_or_else(|| rng::derived(self.seed, number));
        let has_form = options.grammar.is_some() || options.tools.choice.is_forced();
        let thinking = match (has_form, options.thinking) {
            (false, thinking) => thinking.or(self.asked.thinking),
            (true, Some(thinking)) if thinking.is_on() => {
                return Err(GenerationError::Grammar { reason: "a model does not think before such a reply".into() });
            }
            (true, _) => Some(Thinking::Off),
        };
        let render = RenderOptions {
            add_generation_prompt: true,
            thinking: thinking.map(Thinking::is_on),
            variables: self.asked.template_variables.with(&options.template_variables),
        };
        let (mut crossed, mut summarised) = (false, forgotten);
        if let Some(remote) = &mut self.remote
            && std::mem::take(&mut remote.is_foreign)
        {
            // It answered, if only to refuse: this reply waits for it, and is bridged.
            remote.link.on_reachable();
        }
        loop {
            let language = self.drafter.language().clone();
            let options = &*forced::with_call(options, &language);
            let invalid = |error: GrammarError| GenerationError::Grammar { reason: error.to_string() };
            self.drafter.compile(options.grammar.as_ref()).map_err(invalid)?;
            let mode = self.mode_of_service(wanted, mode)?;
            let strict = self.unbridged_alone(kept);
            let kept = strict.as_ref().unwrap_or(kept);
            let mode = match mode {
                Mode::Opportunistic if strict.is_some() => Mode::Exact,
                Mode::DeviceOnly if strict.is_some() => {
                    let reason = "in the target's tokens the draft model cannot follow it alone".into();
                    return Err(GenerationError::Grammar { reason });
                }
                mode => mode,
            };
            let asked = Asked {
                language: &language,
                held: self.pipeline.ids(),
                prompt,
                read,
                redaction: kept.redaction.as_ref(),
                options: &render,
                tools: &options.tools.definitions,
            };
            let shares = read.is_some();
            let (read, dropped) = {
                let mut conversation = locked(&self.shared.conversation);
                (asked.read(&mut conversation, &room), conversation.dropped() - forgotten)
            };
            if matches!(read, Err(GenerationError::Template(TemplateError::Missing)))
                && !crossed
                && mode != Mode::DeviceOnly
            {
                // The target may have a template, and then a session in its tokens needs none of the draft model's.
                crossed = true;
                let crossing = self.cross(wanted, &Statistics::default(), sink.cancel());
                crossing.map_err(|error| error.without_template())?;
                room.capacity = self.known_capacity(mode)?;
                continue;
            }
            let read = read?;
            if dropped + forgotten > summarised && matches!(kept.overflow, Overflow::Summarise { .. }) {
                let seed = summary_seed(seed, dropped + forgotten);
                self.summarise_forgotten(summarised, seed, shares, kept, sink.cancel(), inbox);
                summarised = dropped + forgotten;
                // The prompt has the summary now.
                continue;
            }
            let (tokens, rendered) = (read.tokens, read.text);
            if self.drafter.is_bridged() {
                let own = self.own_prompt(&asked, rendered.as_deref())?;
                self.drafter.cross(tokens.len(), own);
            }
            let reasoning = language.template.reasoning().filter(|_| rendered.is_some());
            let mut closing = Closing::default();
            if let Some(reasoning) = reasoning {
                closing.ids = language.words.tokenize(&reasoning.closing(), Special::Parse)?;
            }
            let format = reasoning.map(|reasoning| reasoning.format);
            let splitter = ReasoningSplitter::new(format, rendered.as_deref().unwrap_or_default());
            if options.grammar.is_some() && splitter.channel() == Channel::Reasoning {
                let reason = "the model's chat template begins every reply with reasoning".into();
                return Err(GenerationError::Grammar { reason });
            }
            // A file that was restored may have named any number.
            self.generations = number.wrapping_add(1);
            // Judged tokens must fit into the device's context too; the target alone has only its own.
            let left = if mode.judges() { self.drafter.capacity()?.saturating_sub(tokens.len()) } else { usize::MAX };
            let tools = self.parser(&language, options, rendered.as_deref());
            let mut begin = begin(seed, kept, options, tokens.len(), left);
            if self.drafter.is_bridged() && !begin.sampling.logit_bias.is_empty() {
                let reason = "a logit bias names tokens of the draft model, and the target has others".into();
                return Err(GenerationError::Refused { reason });
            }
            if reasoning.is_some() || tools.is_some() {
                // A stop string in the reasoning or in a call stops nothing, which the verifier cannot know.
                begin.stop.clear();
            }
            self.drafter.begin(&begin)?;
            self.drafter.tell_top(options.top_tokens);
            if let Some(goal) = options.goal {
                self.drafter.aim_at(goal);
            }
            let target =
                self.remote.as_ref().filter(|_| mode != Mode::DeviceOnly).and_then(|remote| remote.info.as_ref());
            self.drafter.draft_for(target.map_or(&[], |info| &info.ends));
            self.pacer.begin(options.pace.unwrap_or(self.asked.pace));
            let peer = self.remote.as_mut().map(|remote| &mut remote.peer);
            let held = self.pipeline.begin(begin, &tokens, peer);
            // What was read ahead of the message counts like what earlier turns left. Across a bridge nothing is read
            // ahead, and the draft model's tokens are others.
            let is_bridged = self.drafter.is_bridged();
            let unread = if is_bridged { tokens.len() } else { self.drafter.unread(&tokens) };
            let reused = held.max(tokens.len().saturating_sub(unread));
            let reply = Reply::new(options, tokens.len(), reused);
            let mut reply = reply.with_parts(Apart::new(splitter, tools), thinking.and_then(Thinking::budget));
            reply.statistics.dropped_messages = dropped as u64;
            reply.statistics.bridged = self.drafter.is_bridged();
            reply.statistics.handed_off = self.is_handed_off && mode == Mode::RemoteOnly;
            let run = Run {
                drafter: &mut self.drafter,
                pipeline: &mut self.pipeline,
                pacer: &mut self.pacer,
                remote: self.remote.as_mut(),
                options: kept,
                mode,
                reply,
                closing,
                prompt: tokens.len(),
                least: room.reply,
                sink,
                inbox,
                queue: &mut self.queue,
                shared: &self.shared,
                clock: self.clock.as_ref(),
                started,
                mail: Mail::default(),
                due: false,
                outage: Outage::default(),
                bytes: BodyBytes::default(),
                target: Observed::default(),
                spent: taken(&kept.spent, &locked(&self.shared.totals)),
                explains: options.explain,
                heard_request: None,
                dry_run,
            };
            let (reason, mut reply) = run.run();
            let whole = self.drafter.is_complete(self.pipeline.ids());
            // What a stop string cuts off is missing from the text that the app sees.
            reply.statistics.grammar_complete = whole.map(|whole| whole && reason != Ok(FinishReason::StopSequence));
            let begins_again = |totals: &mut Totals| totals.spend(&reply.statistics);
            match reason {
                Err(GenerationError::PromptTooLong { capacity, .. })
                    if kept.overflow != Overflow::Stop && capacity < room.capacity =>
                {
                    room.capacity = capacity;
                    begins_again(&mut locked(&self.shared.totals));
                }
                Err(GenerationError::VocabularyMismatch { reason }) if !crossed && reply.committed() == 0 => {
                    crossed = true;
                    match self.cross(wanted, &reply.statistics, sink.cancel()) {
                        Ok(()) => room.capacity = self.known_capacity(mode)?,
                        Err(CrossError::Cancelled) => return Ok((Ok(FinishReason::Cancelled), reply)),
                        Err(error) if error.is_outage() && kept.offline == OfflinePolicy::GoOn => {
                            // The device writes this reply alone, in its own tokens; the next one asks again.
                            if let Some(remote) = &mut self.remote {
                                remote.is_foreign = true;
                            }
                        }
                        Err(error) => return Ok((Err(error.into_failure(&reason)), reply)),
                    }
                    begins_again(&mut locked(&self.shared.totals));
                }
                reason => {
                    if matches!(reason, Err(GenerationError::PromptTooLong { .. })) {
                        locked(&self.shared.conversation).set_dropped(forgotten);
                    }
                    return Ok((reason, reply));
                }
            }
        }
    }

    /// Returns what the draft model reads of a prompt in place of the target's tokens: the same messages in its own
    /// chat template, or where it has none for them the target's text.
    fn own_prompt(&self, asked: &Asked<'_>, rendered: Option<&str>) -> Result<Vec<TokenId>, ModelError> {
        let own = Language::from(&self.drafter.model);
        let asked = Asked { language: &own, held: self.drafter.own_tokens(&[]), ..*asked };
        let read = asked.all(&mut locked(&self.shared.conversation));
        let text = rendered.map_or_else(|| asked.prompt.text(asked.read), str::to_owned);
        read.map(|read| read.tokens).or_else(|_| own.words.tokenize(&text, Special::ParseWithBos))
    }

    /// Returns the parser of calls in a reply to the text `rendered`; `None` without tools, or for raw text.
    fn parser(&self, language: &Language, options: &GenerationOptions, rendered: Option<&str>) -> Option<ToolParser> {
        let tools = &options.tools.definitions;
        let rendered = rendered.filter(|_| !tools.is_empty())?;
        let names = tools.iter().map(|tool| tool.name.clone());
        let used = locked(&self.shared.conversation).call_ids();
        let parser = ToolParser::new(tool_format(language), names, rendered, used);
        Some(if has_control_opener(language) { parser.with_control_opener() } else { parser })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Takes up what callers changed since the session's thread was last awake.
    fn attend(&mut self) {
        if let Some(remote) = &mut self.remote {
            if self.shared.news.network.swap(false, Ordering::AcqRel) {
                remote.on_network_change();
            }
            if self.shared.news.withdrawn.swap(false, Ordering::AcqRel) {
                remote.give_up();
            }
        }
        if self.limits().unload {
            self.drafter.unload();
            self.prefixes.clear();
        }
    }

    /// Returns the limits that the device's state asks for.
    pub(super) fn limits(&self) -> Limits {
        self.asked.device.decide(&locked(&self.shared.device), self.drafter.is_on_gpu())
    }

    /// Returns the options of the generation that begins, as far as `limits` allows, and sets the number of threads.
    /// Nothing that a window in flight rests on may change under it.
    pub(super) fn keep_to(&mut self, limits: &Limits) -> SessionOptions {
        let asked = &self.asked;
        let max_window = limits.max_window.map_or(asked.max_window, |most| asked.max_window.min(most));
        let draft_ahead = if limits.no_draft_ahead { DraftAhead::Off } else { asked.draft_ahead };
        let threads = match limits.threads {
            ThreadShare::All => asked.threads,
            share => {
                share.of(if asked.threads == 0 { self.drafter.model.decoder.default_threads() } else { asked.threads })
            }
        };
        let kept = SessionOptions { max_window, draft_ahead, threads, ..asked.clone() };
        self.drafter.set_threads(threads);
        kept
    }

    /// Takes the answer to an attempt to open a session after the generation that made it.
    fn opened_late(&mut self, result: Result<Opened, VerifierError>) {
        let (now, vocabulary) = (self.clock.now(), self.drafter.language().words.vocabulary_hash());
        if let Some(remote) = &mut self.remote {
            remote.opened_late(result, vocabulary, now);
            let (link, cause) = remote.news();
            self.shared.set_link(link, cause);
        }
    }

    /// Takes a frame after the generation that asked for it: the answer to a request that tries the link.
    fn heard_late(&mut self, tag: Tag, heard: Heard) {
        let now = self.clock.now();
        let Some(remote) = &mut self.remote else { return };
        remote.heard_late(tag, heard, now);
        let (link, cause) = remote.news();
        self.shared.set_link(link, cause);
    }
}

/// A guard that ends a generation whose thread panics; the sink tells its consumer.
struct EndedByPanic<'a, F: Fn()>(&'a F);

impl<F: Fn()> Drop for EndedByPanic<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

/// Returns the seed of the summary that a reply with the seed `seed` reads in the place of `dropped` messages. Rounds
/// of a reply count from 1, so no other draw of the session has it.
fn summary_seed(seed: u64, dropped: usize) -> u64 {
    rng::derived(rng::derived(seed, u64::MAX), dropped as u64)
}

/// Returns what counts against a session's budget: what was taken before it, and what it has taken itself.
pub(super) fn taken(before: &Totals, itself: &Totals) -> Totals {
    let mut taken = *before;
    taken.add(itself);
    taken
}

/// Makes the beginning of a reply, from which both sides draw it; the reply has `room` for so many tokens.
fn begin(seed: u64, kept: &SessionOptions, options: &GenerationOptions, prompt: usize, room: usize) -> Begin {
    // Stop strings that the protocol has no room for are found on the device alone.
    let fits = |stop: &&String| (1..=MAX_STOP_BYTES).contains(&stop.len());
    Begin {
        seed,
        sampling: options.sampling.as_ref().unwrap_or(&kept.sampling).clone(),
        reply_start: u32::try_from(prompt).unwrap_or(u32::MAX),
        max_tokens: u32::try_from(options.max_tokens.min(room)).unwrap_or(u32::MAX).max(1),
        stop: options.stop.iter().filter(fits).take(MAX_STOPS).cloned().collect(),
        grammar: options.grammar.clone().map(Arc::new),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_draws_of_a_session_share_a_seed() {
        let mut seeds = BTreeSet::new();
        for number in 0..20 {
            let reply = rng::derived(7, number);
            let rounds = (1..5).map(|round| rng::derived(reply, round));
            let summaries = [0, 2, 4, 6].map(|dropped| summary_seed(reply, dropped));
            seeds.extend([reply].into_iter().chain(rounds).chain(summaries));
        }
        assert_eq!(seeds.len(), 20 * 9);
    }
}

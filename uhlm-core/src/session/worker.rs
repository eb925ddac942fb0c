//! What a session keeps between generations, on the thread that owns the model's context, and how a job becomes a
//! reply.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use uhlm_law::advance::{Begin, MAX_STOP_BYTES, MAX_STOPS};
use uhlm_law::chat::{DraftModel, Message, ReasoningSplitter, RenderOptions, Special};
use uhlm_law::pace::Pacer;
use uhlm_law::rng;
use uhlm_law::sampling::SamplingError;

use super::drafter::Drafter;
use super::inbox::{Heard, Inbox, Job, Opened, Queue, Tag};
use super::pipeline::Pipeline;
use super::prompt;
use super::remote::Remote;
use super::reply::Reply;
use super::run::Run;
use crate::clock::Clock;
use crate::device::{Limits, ThreadShare};
use crate::event::Event;
use crate::mode::Mode;
use crate::options::{DraftAhead, GenerationOptions, Prompt, SessionOptions, Thinking};
use crate::privacy::redacted;
use crate::seed;
use crate::state::{SessionState, locked};
use crate::verifier::{BodyBytes, Verifier, VerifierError};

/// A session, as its thread has it.
pub(crate) struct Worker {
    drafter: Drafter,
    pipeline: Pipeline,
    pacer: Pacer,
    remote: Option<Remote>,
    asked: SessionOptions,
    /// Seeds the replies that have no seed of their own.
    seed: u64,
    /// Generations so far.
    generations: u64,
    shared: Arc<SessionState>,
    clock: Arc<dyn Clock>,
    queue: Queue,
}

impl Worker {
    pub(crate) fn new(
        model: Arc<dyn DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        inbox: Sender<Inbox>,
        shared: Arc<SessionState>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SamplingError> {
        let seed = options.seed.unwrap_or_else(seed::fresh);
        let pipeline = Pipeline::new(model.vocabulary().size());
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
        })
    }

    /// Works until the session is dropped. `ended` is called for each generation before its last event is sent, so
    /// that a consumer that has seen it may start the next one.
    pub(crate) fn work(mut self, inbox: &Receiver<Inbox>, ended: impl Fn()) {
        while let Some(message) = self.next(inbox) {
            match message {
                Inbox::Job(job) => self.queue.jobs.push_back(*job),
                Inbox::Opened(result) => self.opened_late(result),
                Inbox::Frame { tag, heard } => self.heard_late(tag, heard),
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
        }
    }

    /// The next message; `None` once nobody can send one.
    fn next(&self, inbox: &Receiver<Inbox>) -> Option<Inbox> {
        inbox.try_recv().ok().or_else(|| {
            self.clock.rest();
            inbox.recv().ok()
        })
    }

    fn run(&mut self, job: Job, inbox: &Receiver<Inbox>, ended: &impl Fn()) {
        let Job { prompt, options, sink } = job;
        let started = self.clock.now();
        self.attend();
        let limits = self.limits();
        let kept = self.keep_to(&limits);
        let mode = limits.mode(options.mode.unwrap_or(self.asked.mode), self.remote.is_some());
        // Both models read the same text: where the verifier is asked, what it may see.
        let read = (mode != Mode::DeviceOnly).then(|| redacted(kept.redaction.as_ref(), prompt.text()));
        let thinking = options.thinking.or(self.asked.thinking);
        let render = RenderOptions {
            add_generation_prompt: true,
            thinking: thinking.map(Thinking::is_on),
            variables: self.asked.template_variables.with(&options.template_variables),
        };
        let outcome = prompt::read(
            self.drafter.model.as_ref(),
            &mut locked(&self.shared.conversation),
            self.pipeline.ids(),
            &prompt,
            read.as_deref(),
            kept.redaction.as_ref(),
            &render,
        );
        let outcome = outcome.and_then(|prompt::Read { tokens, text: rendered }| {
            let reasoning = self.drafter.model.reasoning().filter(|_| rendered.is_some());
            let closing = reasoning.map(|reasoning| self.drafter.model.tokenize(&reasoning.closing(), Special::Parse));
            let splitter = ReasoningSplitter::new(
                reasoning.map(|reasoning| reasoning.format),
                rendered.as_deref().unwrap_or_default(),
            );
            let seed = options.seed.unwrap_or_else(|| rng::derived(self.seed, self.generations));
            self.generations += 1;
            // What is judged must fit into the device's context too; the target alone has only its own.
            let room = if mode.judges() { self.drafter.capacity()?.saturating_sub(tokens.len()) } else { usize::MAX };
            let mut begin = begin(seed, &kept, &options, tokens.len(), room);
            if reasoning.is_some() {
                // A stop string in the reasoning stops nothing, which the verifier cannot know.
                begin.stop.clear();
            }
            self.drafter.begin(&begin)?;
            self.pacer.begin(options.pace.unwrap_or(self.asked.pace));
            let peer = self.remote.as_mut().map(|remote| &mut remote.peer);
            let reused = self.pipeline.begin(begin, &tokens, peer);
            let run = Run {
                drafter: &mut self.drafter,
                pipeline: &mut self.pipeline,
                pacer: &mut self.pacer,
                remote: self.remote.as_mut(),
                options: &kept,
                mode,
                reply: Reply::new(&options, tokens.len(), reused)
                    .with_reasoning(splitter, thinking.and_then(Thinking::budget)),
                closing: closing.unwrap_or_default(),
                closings: 0,
                prompt: tokens.len(),
                sink: &sink,
                inbox,
                queue: &mut self.queue,
                shared: &self.shared,
                clock: self.clock.as_ref(),
                started,
                mail: VecDeque::new(),
                opening: None,
                due: false,
                desyncs: 0,
                waiting_since: None,
                bytes: BodyBytes::default(),
                last_heard: None,
                first_asked: None,
            };
            Ok(run.run())
        });
        *locked(&self.shared.calibration) = self.drafter.gate.tracked();
        let last = outcome.and_then(|(reason, reply)| {
            // What was committed before a failure was said; a reply of which nothing was said never happened.
            if let Prompt::Chat(text) = prompt
                && (reason.is_ok() || !reply.text().is_empty())
            {
                let reasoning = Some(reply.reasoning()).filter(|thought| !thought.is_empty()).map(str::to_owned);
                let reply = Message { reasoning, ..Message::assistant(reply.text()) };
                locked(&self.shared.conversation).push_turn(Message::user(text), read, reply);
            }
            let (text, reasoning) = (reply.text().to_owned(), reply.reasoning().to_owned());
            Ok(Event::Finished { reason: reason?, text, reasoning, statistics: Box::new(reply.statistics) })
        });
        self.attend();
        ended();
        sink.finish(last);
    }

    /// Looks at what changed since the session's thread was last awake.
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
        }
    }

    /// What the device's state asks for.
    fn limits(&self) -> Limits {
        self.asked.device.decide(&locked(&self.shared.device))
    }

    /// What holds for the generation that begins. Nothing that a window in flight rests on may change under it.
    fn keep_to(&mut self, limits: &Limits) -> SessionOptions {
        let asked = &self.asked;
        let max_window = limits.max_window.map_or(asked.max_window, |most| asked.max_window.min(most));
        let draft_ahead = if limits.no_draft_ahead { DraftAhead::Off } else { asked.draft_ahead };
        let threads = match limits.threads {
            ThreadShare::All => asked.threads,
            share => share.of(if asked.threads == 0 { self.drafter.model.default_threads() } else { asked.threads }),
        };
        let kept = SessionOptions { max_window, draft_ahead, threads, ..asked.clone() };
        self.drafter.set_threads(threads);
        kept
    }

    /// Takes the answer to an attempt to open a session after the generation that made it.
    fn opened_late(&mut self, result: Result<Opened, VerifierError>) {
        let (now, vocabulary) = (self.clock.now(), self.drafter.model.vocabulary_hash());
        let change = self.remote.as_mut().and_then(|remote| remote.opened_late(result, vocabulary, now));
        if let Some(state) = change {
            self.shared.set_link(state);
        }
    }

    /// Takes a frame after the generation that asked for it: the answer to a request that tries the link.
    fn heard_late(&mut self, tag: Tag, heard: Heard) {
        let now = self.clock.now();
        let Some(remote) = &mut self.remote else { return };
        if let Some(state) = remote.heard_late(tag, heard, now) {
            self.shared.set_link(state);
        }
    }
}

fn begin(seed: u64, kept: &SessionOptions, options: &GenerationOptions, prompt: usize, room: usize) -> Begin {
    // Strings that the protocol has no room for are found on the device alone.
    let fits = |stop: &&String| (1..=MAX_STOP_BYTES).contains(&stop.len());
    Begin {
        seed,
        sampling: kept.sampling.clone(),
        reply_start: u32::try_from(prompt).unwrap_or(u32::MAX),
        max_tokens: u32::try_from(options.max_tokens.min(room)).unwrap_or(u32::MAX).max(1),
        stop: options.stop.iter().filter(fits).take(MAX_STOPS).cloned().collect(),
    }
}

//! The loop of a generation: draft, gate, window, verify, commit, roll back; drafting goes on while verdicts travel.
//!
//! It runs on the session's thread, which owns the draft model's context. Verdicts and cancellation reach it through the
//! inbox; it blocks only when there is nothing left to draft.
//!
//! The device's tokens are at any moment
//! `committed | windows in flight, in order, each with the guess of its bonus token | open window`,
//! where skipped tokens at the front of the open window may be committed already (they travel as context).

mod commit;
mod continuation;
mod device;
mod draft;
mod inbox;
mod offline;
mod prefill;
mod remote;
mod run;
mod tokens;
mod verdict;

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub(crate) use self::device::Device;
pub(crate) use self::inbox::{Inbox, Job};
use uhlm_law::protocol::{VerifyRequest, VerifyResponse};
use uhlm_law::sampling::TokenId;
use uhlm_law::window::{Drafted, Window};

use self::inbox::{Opened, Tag};
use self::remote::{Remote, Sending};
use crate::error::GenerationError;
use crate::event::{FinishReason, LinkState};
use crate::generation::EventSink;
use crate::metrics::Statistics;
use crate::mode::Mode;
use crate::options::{GenerationOptions, OfflinePolicy};
use crate::origin::Origin;
use crate::text::TextStream;
use crate::verifier::{Answer, Call, VerifierError};

/// Drafting ahead stops when the chance that it is all in vain exceeds 1 - this.
const LEAST_SURVIVAL: f64 = 0.05;
/// How long the loop sleeps at most before it looks at its clocks again.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// A window whose verdict is on its way.
struct InFlight {
    request: VerifyRequest,
    tag: Tag,
    /// Position of its first token.
    first: usize,
    tokens: Vec<Drafted>,
    /// The device's guess of the bonus token, once it was drafted.
    guess: Option<Drafted>,
    sent: Instant,
    /// Dropped, it resets the request.
    call: Call,
    answer: Option<Result<Answer<VerifyResponse>, VerifierError>>,
}

impl InFlight {
    /// Position after its last token, the bonus not counted.
    fn end(&self) -> usize {
        self.first + self.tokens.len()
    }

    /// Position of what was drafted after it.
    fn next(&self) -> usize {
        self.end() + usize::from(self.guess.is_some())
    }

    /// A request without a window only fills the target's cache.
    fn is_prefill(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// One generation.
struct Round<'a> {
    device: &'a mut Device,
    sink: &'a EventSink,
    inbox: &'a Receiver<Inbox>,
    options: GenerationOptions,
    mode: Mode,
    text: TextStream,
    /// The provisional text that the consumer shows.
    shown: String,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens that stand.
    committed: usize,
    last_origin: Origin,
    window: Window,
    /// Whether the window is to be sent.
    due: bool,
    in_flight: VecDeque<InFlight>,
    /// The answer to an attempt to open a session.
    opening: Option<Result<Opened, VerifierError>>,
    /// Desynchronisations and lost sessions since the last verdict.
    desyncs: u32,
    waiting_since: Option<Instant>,
    /// Position of a token that was rejected and for which no replacement could be had yet.
    refused: Option<usize>,
    statistics: Statistics,
    started: Instant,
}

/// How a generation ended.
struct Ended {
    reason: Result<FinishReason, GenerationError>,
    text: String,
    statistics: Statistics,
}

impl<'a> Round<'a> {
    fn new(
        device: &'a mut Device,
        sink: &'a EventSink,
        inbox: &'a Receiver<Inbox>,
        options: GenerationOptions,
        mode: Mode,
        started: Instant,
        reused: usize,
    ) -> Self {
        let prompt = device.tokens.len();
        let text = TextStream::new(&options.stop);
        let statistics = Statistics {
            prompt_tokens: prompt as u64,
            reused_tokens: reused as u64,
            labels: options.collect_labels.then(Vec::new),
            ..Statistics::default()
        };
        Self {
            device,
            sink,
            inbox,
            options,
            mode,
            text,
            shown: String::new(),
            prompt,
            committed: prompt,
            last_origin: Origin::Draft,
            window: Window::new(),
            due: false,
            in_flight: VecDeque::new(),
            opening: None,
            desyncs: 0,
            waiting_since: None,
            refused: None,
            statistics,
            started,
        }
    }

    /// Runs to the end.
    fn run(&mut self) -> Result<FinishReason, GenerationError> {
        let mode = self.mode;
        if self.options.max_tokens == 0 {
            return Ok(FinishReason::MaxTokens);
        }
        if mode != Mode::DeviceOnly {
            if self.device.remote.is_none() {
                return Err(GenerationError::NoVerifier);
            }
            self.resume()?;
            self.open()?;
        }
        if mode == Mode::RemoteOnly {
            return self.run_continuation();
        }
        self.check_prompt()?;
        // In a session that is open already, the target may read the prompt while the device does.
        if mode == Mode::Exact && self.device.remote.as_ref().is_some_and(Remote::is_ready) {
            self.offer_prompt()?;
        }
        if self.prefill()?.is_none() {
            return Ok(FinishReason::Cancelled);
        }
        if mode.judges()
            && let Some(reason) = self.await_open()?
        {
            return Ok(reason);
        }
        self.check_prompt()?;
        self.run_rounds()
    }

    fn run_rounds(&mut self) -> Result<FinishReason, GenerationError> {
        loop {
            self.receive(Duration::ZERO);
            if let Some(reason) = self.settle()? {
                return Ok(reason);
            }
            if self.cancelled() {
                return Ok(FinishReason::Cancelled);
            }
            self.revive()?;
            self.send()?;
            if self.can_draft() {
                if let Some(reason) = self.draft()? {
                    return Ok(reason);
                }
            } else if let Some(reason) = self.stalled()? {
                return Ok(reason);
            }
        }
    }

    /// The session was dropped: this generation ends, and the thread with it.
    fn close(&mut self) {
        self.device.closed = true;
        self.sink.cancel().cancel();
    }

    fn cancelled(&self) -> bool {
        self.sink.cancel().is_cancelled()
    }

    fn check_prompt(&mut self) -> Result<(), GenerationError> {
        let capacity = self.device.capacity(self.mode)?;
        if self.prompt >= capacity {
            return Err(GenerationError::PromptTooLong { tokens: self.prompt, capacity });
        }
        Ok(())
    }

    /// Nothing can be drafted: wait for what is on its way, or find that nothing will come.
    fn stalled(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        if self.in_flight.is_empty() && !self.window.needs_verdict() && self.is_full()? {
            return Ok(Some(FinishReason::ContextFull));
        }
        // Nothing more joins this window before the next verdict, so there is nothing to wait for with sending it.
        let has_room = self.windows_in_flight() < self.device.options.draft_ahead.windows();
        if !self.due && has_room && self.window.needs_verdict() && self.mode.judges() {
            self.due = true;
            return Ok(None);
        }
        let began = self.now();
        self.give_up_if_waited_too_long()?;
        self.receive(self.patience());
        self.statistics.waiting += self.since(began);
        Ok(None)
    }

    /// How long to sleep when only the inbox or a clock can bring news.
    fn patience(&self) -> Duration {
        let now = self.now();
        // What is under way wakes the loop when it ends.
        let remote = self.device.remote.as_ref().filter(|remote| self.in_flight.is_empty() && !remote.is_opening());
        let retry = remote.and_then(|remote| remote.link.next_attempt(now)).map(|at| at.saturating_duration_since(now));
        let given_up = match (self.waiting_since, self.device.options.offline) {
            (Some(since), OfflinePolicy::Wait(limit)) => Some(limit.saturating_sub(self.since(since))),
            _ => None,
        };
        let sleep = retry.into_iter().chain(given_up).fold(LONGEST_SLEEP, Duration::min);
        sleep.max(Duration::from_millis(1))
    }

    /// Takes what is in the inbox, waiting at most `patience` for the first message.
    fn receive(&mut self, patience: Duration) {
        let mut next = if patience.is_zero() { self.at_hand() } else { self.wait(patience) };
        while let Some(message) = next {
            match message {
                Inbox::Opened(result) => self.opening = Some(result),
                Inbox::Verdict { tag, result } => match self.in_flight.iter_mut().find(|w| w.tag == tag) {
                    Some(window) => window.answer = Some(result),
                    None => self.probed(tag, result),
                },
                Inbox::Close => self.close(),
                Inbox::Wake => self.device.attend_network(),
                // Answers to calls that were given up.
                _ => {}
            }
            next = self.at_hand();
        }
    }

    /// The next message that is there already.
    fn at_hand(&mut self) -> Option<Inbox> {
        let message = self.inbox.try_recv().ok();
        self.queue_job(message)
    }

    /// The next message, waiting at most `patience` for it.
    fn wait(&mut self, patience: Duration) -> Option<Inbox> {
        self.sink.flush();
        let message = self.inbox.try_recv().ok().or_else(|| {
            let patience = self.device.clock.idle(patience);
            self.inbox.recv_timeout(patience).ok()
        });
        self.queue_job(message)
    }

    /// A generation may be asked for as soon as this one is cancelled; it begins when this one has ended.
    fn queue_job(&mut self, message: Option<Inbox>) -> Option<Inbox> {
        match message {
            Some(Inbox::Job(job)) => {
                self.device.queued.push_back(*job);
                Some(Inbox::Wake)
            }
            other => other,
        }
    }

    fn now(&self) -> Instant {
        self.device.clock.now()
    }

    fn since(&self, began: Instant) -> Duration {
        self.now().saturating_duration_since(began)
    }

    /// Windows in flight that hold tokens.
    fn windows_in_flight(&self) -> usize {
        self.in_flight.iter().filter(|w| !w.is_prefill()).count()
    }

    /// Whether the verifier answered last.
    fn is_online(&self) -> bool {
        self.device.remote.as_ref().is_some_and(|remote| remote.link.state() == LinkState::Online)
    }

    fn remote(&mut self) -> Result<&mut Remote, GenerationError> {
        self.device.remote.as_mut().ok_or(GenerationError::NoVerifier)
    }

    /// Sends the open window if it is due and the link can take it.
    fn send(&mut self) -> Result<(), GenerationError> {
        if !self.due || !self.window.needs_verdict() {
            return Ok(());
        }
        let limit = self.device.options.draft_ahead.windows();
        let now = self.now();
        let ready = self.device.remote.as_ref().is_some_and(|r| r.is_open() && r.link.may_send(now));
        if !ready || self.windows_in_flight() >= limit {
            return Ok(());
        }
        let bonus = self.wants_bonus()?;
        self.unlabel_skipped();
        let tokens = self.window.take();
        self.due = false;
        self.send_window(tokens, bonus)
    }

    fn send_window(&mut self, tokens: Vec<Drafted>, bonus: bool) -> Result<(), GenerationError> {
        let first = self.device.tokens.len() - tokens.len();
        let pipelined = !self.in_flight.is_empty();
        let Some(remote) = self.device.remote.as_mut() else { return Err(GenerationError::NoVerifier) };
        // A window that rests on a guess names it as a token that the verifier holds: where the bonus is another one,
        // the hash of the prefix differs and the window is void.
        let base = self.in_flight.back().map_or(remote.held, InFlight::next).min(first);
        let all_judged = tokens.iter().all(|t| t.judged);
        let greedy = self.device.chain.params().is_greedy() && all_judged;
        let sending = Sending {
            base,
            first,
            draft: tokens.iter().map(|t| t.id).collect::<Vec<TokenId>>(),
            levels: if greedy { Vec::new() } else { tokens.iter().map(|t| t.level).collect() },
            bonus,
            pipelined,
        };
        if let Some((request, tag, call)) = remote.verify(&self.device.tokens, sending) {
            let sent = self.device.clock.now();
            let window = InFlight { request, tag, first, tokens, guess: None, sent, call, answer: None };
            self.in_flight.push_back(window);
        }
        Ok(())
    }

    /// Whether the window about to be sent should bring a bonus token. This is settled before its verdict, or the law
    /// breaks.
    fn wants_bonus(&mut self) -> Result<bool, GenerationError> {
        Ok(self.device.options.bonus && !self.is_sealed() && !self.is_full()?)
    }

    /// Whether no token fits any more.
    fn is_full(&mut self) -> Result<bool, GenerationError> {
        let mode = if self.mode == Mode::RemoteOnly && self.is_alone() { Mode::Exact } else { self.mode };
        Ok(self.device.tokens.len() >= self.device.capacity(mode)?)
    }

    /// Whether nothing may follow the last drafted token: it ends the reply, completes a stop sequence or is the last
    /// that was asked for.
    fn is_sealed(&self) -> bool {
        let tokens = &self.device.tokens;
        let pending = &tokens.ids()[self.committed..];
        let vocabulary = self.device.model.vocabulary();
        tokens.len() - self.prompt >= self.options.max_tokens
            || pending.last().is_some_and(|&id| vocabulary.is_end(id))
            || (!self.options.stop.is_empty()
                && !pending.is_empty()
                && self.text.would_stop(&self.bytes_from(self.committed)))
    }

    /// The bytes of the tokens from `position` on.
    fn bytes_from(&self, position: usize) -> Vec<u8> {
        let vocabulary = self.device.model.vocabulary();
        self.device.tokens.ids()[position..].iter().flat_map(|&id| vocabulary.piece(id).iter().copied()).collect()
    }

    /// Takes everything provisional back and hands over what stands.
    fn end(mut self, reason: Result<FinishReason, GenerationError>) -> Ended {
        if let Some(result) = self.opening.take() {
            self.device.opened_late(result);
        }
        // A request that tries a link which failed goes on, unless the person wants an end of it.
        let probe = self.in_flight.pop_front().filter(|w| w.is_prefill() && w.answer.is_none());
        let probes = !self.is_online() && matches!(reason, Ok(reason) if reason != FinishReason::Cancelled);
        if let Some(remote) = &mut self.device.remote {
            match probe {
                Some(InFlight { request, tag, call, .. }) if probes => remote.keep_probe(request, tag, call),
                _ => remote.abandon(self.device.clock.now()),
            }
        }
        // Dropping the windows resets the requests that are still under way.
        if self.roll_back(self.committed).is_err() {
            // A cache that cannot be rolled back is made anew for the next generation.
            self.device.sequence = None;
        }
        self.release_rest();
        self.statistics.elapsed = self.since(self.started);
        Ended { reason, text: self.text.released().to_owned(), statistics: self.statistics }
    }
}

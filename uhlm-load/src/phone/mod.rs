//! One simulated phone: it has replies written as a session of the core does, and drafts out of a recording.
//!
//! Decides when it drafts and asks; its reactions to what it hears are in [`hear`]. What a request holds and what a
//! frame is worth is [`Conversation`]'s, as on a real phone.

mod hear;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use uhlm_core::verifier::{Call, Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::{Asked, Bounds, Conversation, Grants, Info, Labelling, Limits, Peer, SessionId, Wanted};
use uhlm_law::rng::{Rng, Stream as Random};
use uhlm_law::sampling::TokenId;

use crate::client::{self, Heard};
use crate::plan::{Behaviour, Writing};
use crate::tally::{Live, Reply, Tally, Verdict, compared};
use crate::text::Text;

/// Number of windows that a phone of [`Writing::Ahead`] drafts beyond what is decided.
const WINDOWS_AHEAD: usize = 2;

/// The reason why a reply ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The target has ended it.
    Whole,
    /// There was no more time.
    Cut,
    /// The verifier will not serve the phone.
    Failed(VerifierError),
}

/// An answer that is awaited.
struct Stream {
    number: u64,
    asked: Asked,
    /// Time of the request, or of the last verdict of the answer.
    since: Instant,
    call: Call,
}

/// A simulated phone.
pub(crate) struct Phone {
    verifier: Arc<dyn Verifier>,
    info: Info,
    behaviour: Behaviour,
    session: Option<SessionId>,
    peer: Peer,
    conversation: Conversation,
    /// Whether a reply was begun in `conversation`.
    has_begun: bool,
    streams: Vec<Stream>,
    requests: u64,
    heard: mpsc::UnboundedReceiver<Heard>,
    tell: mpsc::UnboundedSender<Heard>,
    rng: Rng,
    /// Time from which on the next window is drafted.
    drafts_from: Instant,
    /// Time before which nothing is asked, because the verifier wants it so or cannot be reached.
    not_before: Instant,
    /// Number of failures since the last answer.
    failures: u32,
    /// Time of the wish for the reply, until its first verdict.
    wished: Option<Instant>,
    is_finished: bool,
    live: Arc<Live>,
    pub(crate) tally: Tally,
}

impl Phone {
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        info: Info,
        behaviour: Behaviour,
        seed: u64,
        now: Instant,
        live: Arc<Live>,
    ) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let nothing = Text { prompt: Vec::new(), reply: Vec::new(), max_tokens: 1, seed, sampling: Default::default() };
        let conversation = Conversation::new(bounds(&info), nothing.begin(), &[]);
        Self {
            verifier,
            info,
            behaviour,
            session: None,
            peer: Peer::new(),
            conversation,
            has_begun: false,
            streams: Vec::new(),
            requests: 0,
            heard,
            tell,
            rng: Rng::new(seed, Random::Simulation),
            drafts_from: now,
            not_before: now,
            failures: 0,
            wished: None,
            is_finished: false,
            live,
            tally: Tally::default(),
        }
    }

    /// Returns what the verifier serves.
    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    /// Returns the reply as far as it is committed.
    pub(crate) fn written(&self) -> &[TokenId] {
        let start = self.conversation.begin().reply_start as usize;
        self.conversation.tokens().ids().get(start..self.conversation.committed()).unwrap_or_default()
    }

    /// Has a reply written that was wished for at the time `wished`, until `stop` at the latest.
    pub(crate) async fn reply(&mut self, text: &Text, wished: Instant, stop: Instant) -> Ended {
        self.begin(text, wished);
        let ended = loop {
            if self.is_complete() {
                break Ended::Whole;
            }
            if Instant::now() >= stop {
                break Ended::Cut;
            }
            let moved = tokio::select! {
                moved = self.step(text) => moved,
                () = sleep_until(stop) => Ok(()),
            };
            if let Err(error) = moved {
                break Ended::Failed(error);
            }
        };
        self.end(text, &ended);
        ended
    }

    fn begin(&mut self, text: &Text, wished: Instant) {
        let now = Instant::now();
        if std::mem::replace(&mut self.has_begun, true) {
            self.conversation.renew(text.begin(), &text.prompt, [&mut self.peer]);
        } else {
            self.conversation = Conversation::new(bounds(&self.info), text.begin(), &text.prompt);
        }
        self.wished = Some(wished);
        self.is_finished = false;
        self.drafts_from = now;
    }

    /// Accounts for a reply that has ended. Answers that are still under way run to their end unheard, or are reset
    /// where the reply was cut.
    fn end(&mut self, text: &Text, ended: &Ended) {
        let is_whole = matches!(ended, Ended::Whole);
        for stream in self.streams.drain(..) {
            if is_whole {
                stream.call.detach();
            }
        }
        let (differs_at, lost) = if is_whole { compared(self.written(), &text.reply) } else { (None, 0) };
        self.tally.replies.push(Reply { at: Instant::now(), is_whole, differs_at, lost });
        self.live.replies.fetch_add(1, Ordering::Relaxed);
        if self.behaviour.fresh_sessions {
            self.hang_up();
        }
    }

    /// Closes the session.
    pub(crate) fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            self.verifier.close(session);
        }
        self.peer.reopened();
    }

    /// Does the next thing that is due, or waits for it.
    async fn step(&mut self, text: &Text) -> Result<(), VerifierError> {
        if self.session.is_none() {
            sleep_until(self.not_before).await;
            return self.open().await;
        }
        let due = self.due(text);
        let wait = async move {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            Some((number, heard)) = self.heard.recv() => self.hear(number, heard),
            () = wait => {
                self.send(text);
                Ok(())
            }
        }
    }

    async fn open(&mut self) -> Result<(), VerifierError> {
        self.tally.opens += 1;
        match client::open(&self.verifier, self.info.vocabulary, self.behaviour.patience).await {
            Ok(answer) => {
                self.failures = 0;
                self.tally.body_up += answer.bytes.up;
                self.tally.body_down += answer.bytes.down;
                self.session = Some(answer.value.session);
                self.peer.reopened();
                Ok(())
            }
            Err(error) => self.failed(None, &error),
        }
    }

    /// Returns the number of tokens that the sequence may have.
    fn limit(&self) -> usize {
        let begin = self.conversation.begin();
        (begin.reply_start as usize + begin.max_tokens as usize).min(self.info.limits.context as usize)
    }

    /// Tells whether the reply has ended: the target says so, or its last token does.
    fn is_complete(&self) -> bool {
        let ends_it = |last: &TokenId| self.info.ends.contains(last);
        self.is_finished || self.conversation.committed() >= self.limit() || self.written().last().is_some_and(ends_it)
    }

    /// Returns the number of tokens of the next window; 0 where the end of the reply is drafted.
    fn next_window(&self, text: &Text) -> usize {
        let tokens = self.conversation.tokens();
        let drafted_end = text.prompt.len() + text.reply.len();
        // A text that differs from the recording may be longer than that.
        let end = if tokens.len() < drafted_end { drafted_end.min(self.limit()) } else { self.limit() };
        self.behaviour.window.min(end.saturating_sub(tokens.len()))
    }

    /// Returns when the phone asks next; `None` where it waits for an answer.
    fn due(&self, text: &Text) -> Option<Instant> {
        let draft = |tokens: usize| self.behaviour.draft.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX));
        let branch = self.conversation.branch().len();
        let due = match self.behaviour.writing {
            Writing::Stream if self.streams.is_empty() => self.drafts_from,
            Writing::Windows if self.streams.is_empty() && branch > 0 => self.not_before,
            Writing::Windows if self.streams.is_empty() => self.drafts_from + draft(self.next_window(text)),
            Writing::Ahead if self.streams.is_empty() && branch > 0 => self.not_before,
            Writing::Ahead => {
                let window = self.next_window(text);
                let is_far = branch >= WINDOWS_AHEAD * self.behaviour.window || window == 0;
                if is_far && !self.streams.is_empty() {
                    return None;
                }
                self.drafts_from + draft(window)
            }
            Writing::Stream | Writing::Windows => return None,
        };
        Some(due.max(self.not_before))
    }

    /// Drafts the next window, unless one waits that was not judged, and asks.
    fn send(&mut self, text: &Text) {
        let Some(session) = self.session else { return };
        let now = Instant::now();
        let waits = self.streams.is_empty() && !self.conversation.branch().is_empty();
        if self.behaviour.writing.drafts() && !waits {
            for _ in 0..self.next_window(text) {
                let own = text.own(self.conversation.tokens().len() - text.prompt.len());
                let is_right = self.rng.uniform() < self.behaviour.acceptance;
                self.conversation.draft(if is_right { own } else { (own + 1) % self.info.limits.vocabulary_size });
            }
        }
        let grants = if self.behaviour.writing == Writing::Windows { Grants::NONE } else { Grants::UNLIMITED };
        let wanted = Wanted { upto: self.conversation.tokens().len(), grants, labels: Labelling::NONE };
        let (request, asked) = self.conversation.advance(&mut self.peer, &wanted);
        self.requests += 1;
        self.tally.requests += 1;
        let (number, silence) = (self.requests, self.behaviour.patience);
        let call = client::advance(&self.verifier, session, request, silence, number, &self.tell);
        self.streams.push(Stream { number, asked, since: now, call });
        self.drafts_from = now;
    }

    /// Takes note of a verdict that came at the time `at`.
    fn verdict(&mut self, at: Instant, since: Instant, tokens: usize) {
        if let Some(wished) = self.wished.take() {
            let seconds = at.saturating_duration_since(wished).as_secs_f64();
            self.tally.firsts.push(Verdict { at, seconds, tokens });
        }
        let seconds = at.saturating_duration_since(since).as_secs_f64();
        self.tally.verdicts.push(Verdict { at, seconds, tokens });
        self.live.verdicts.fetch_add(1, Ordering::Relaxed);
        self.live.tokens.fetch_add(tokens as u64, Ordering::Relaxed);
    }

    /// Returns a pause that gets longer with each failure, and is another one for each phone.
    fn back_off(&mut self) -> Duration {
        let longest = 0.25 * f64::from(1u32 << self.failures.min(4));
        Duration::from_secs_f64(longest * (0.5 + 0.5 * self.rng.uniform()))
    }
}

fn bounds(info: &Info) -> Bounds {
    let Limits { vocabulary_size, context, max_body, .. } = info.limits;
    Bounds { vocabulary_size, context, max_body }
}

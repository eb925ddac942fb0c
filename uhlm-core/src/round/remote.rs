//! The device's end of a verifier session: what the verifier is known to hold, sequence numbers, calls under way.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use uhlm_law::chat::DraftModel;
use uhlm_law::protocol::{ContinueRequest, DrawsRequest, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse};
use uhlm_law::rng;
use uhlm_law::sampling::TokenId;
use uhlm_law::speculative;

use super::inbox::{Inbox, Opened, Tag};
use super::tokens::Tokens;
use crate::event::LinkState;
use crate::link::{Exchange, Link};
use crate::options::SessionOptions;
use crate::verifier::{Answer, BodyBytes, Call, Verifier, VerifierError, check_verdict};

/// The verifier as a session sees it.
pub(crate) struct Remote {
    verifier: Arc<dyn Verifier>,
    inbox: Sender<Inbox>,
    seed: u64,
    session: Option<String>,
    opening: Option<Call>,
    /// Attempts to open a session so far.
    attempts: u32,
    /// What the open session's verifier draws its dice from.
    session_seed: u64,
    /// Sessions opened so far.
    sessions: u32,
    next_seq: u32,
    /// How many of the device's tokens the verifier holds for certain.
    pub(super) held: usize,
    /// The target's context in tokens, known once a session was opened.
    pub(super) context: Option<usize>,
    pub(super) link: Link,
    /// Why the link is not online.
    pub(super) last_failure: Option<VerifierError>,
    probe: Option<Probe>,
}

/// A request without a window that tries a link which failed, after the generation that sent it: replies that are shorter
/// than its way would else never bring the link back.
struct Probe {
    request: VerifyRequest,
    tag: Tag,
    call: Call,
}

impl Remote {
    pub(super) fn new(verifier: Arc<dyn Verifier>, inbox: Sender<Inbox>, seed: u64, options: &SessionOptions) -> Self {
        let link = Link::new(options.link.clone());
        Self {
            verifier,
            inbox,
            seed,
            session: None,
            opening: None,
            attempts: 0,
            session_seed: 0,
            sessions: 0,
            next_seq: 1,
            held: 0,
            context: None,
            link,
            last_failure: None,
            probe: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Whether there is a session and nothing speaks against using it now.
    pub(super) fn is_ready(&self) -> bool {
        self.is_open() && self.link.state() == LinkState::Online
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Asks for a session, unless there is one, one is being opened, or the link wants to be left alone.
    pub(super) fn open(&mut self, model: &dyn DraftModel, options: &SessionOptions, now: Instant) {
        if self.is_open() || self.is_opening() || !self.link.may_send(now) {
            return;
        }
        let request = OpenRequest {
            vocabulary: model.vocabulary_hash(),
            sampling: options.sampling.clone(),
            // A verifier begins its dice with each session; the same seed again would bring the same rolls for other tokens.
            seed: rng::derived(self.seed, u64::from(self.attempts)),
            grammar: None,
        };
        let (inbox, verifier) = (self.inbox.clone(), Arc::clone(&self.verifier));
        // Sending fails only when the device's session is gone; the message dropped, what was opened is closed.
        let reply = Box::new(move |result: Result<_, _>| {
            drop(inbox.send(Inbox::Opened(result.map(|answer| Opened { answer: Some(answer), verifier }))));
        });
        self.attempts += 1;
        self.link.on_send();
        self.opening = Some(self.verifier.open(request, self.link.deadline(0), reply));
    }

    /// Takes the answer to [`Self::open`]; a new session holds nothing.
    pub(super) fn opened(
        &mut self,
        result: Result<Opened, VerifierError>,
    ) -> Result<Answer<OpenResponse>, VerifierError> {
        if let Some(call) = self.opening.take() {
            call.detach();
        }
        let answer = result?.keep().ok_or(VerifierError::SessionGone)?;
        self.session = Some(answer.value.session.clone());
        self.context = Some(answer.value.info.context as usize);
        self.sessions += 1;
        // One attempt at a time is under way, so it was the last one.
        self.session_seed = rng::derived(self.seed, u64::from(self.attempts.saturating_sub(1)));
        self.next_seq = 1;
        self.held = 0;
        Ok(answer)
    }

    /// The generation that made the calls under way is over. An attempt to open a session goes on: reset half-way, it
    /// could leave one behind that nobody knows of; the next generation takes it. So does a request that tries the link.
    pub(super) fn abandon(&mut self, now: Instant) {
        if self.probe.is_none() {
            self.link.on_failure(&VerifierError::Cancelled, now);
        }
    }

    /// The generation that tries the link with this request is over, and the request goes on.
    pub(super) fn keep_probe(&mut self, request: VerifyRequest, tag: Tag, call: Call) {
        self.probe = Some(Probe { request, tag, call });
    }

    /// Takes the answer to the request that was kept, if this is one. What the verifier holds since then counts for nothing:
    /// the device's tokens have changed.
    pub(super) fn probed(
        &mut self,
        tag: Tag,
        result: Result<Answer<VerifyResponse>, VerifierError>,
        vocabulary_size: usize,
        now: Instant,
    ) -> Option<Probed> {
        let Probe { request, call, .. } = self.probe.take_if(|probe| probe.tag == tag)?;
        call.detach();
        match result.and_then(|answer| check_verdict(&request, &answer.value, vocabulary_size).map(|()| answer)) {
            Ok(Answer { value, bytes, elapsed, attempts }) => {
                let exchange = Exchange { elapsed, timing: value.timing, tokens: request.append.len(), attempts };
                Some(Probed { bytes, change: self.link.on_answer(&exchange) })
            }
            Err(error) => {
                let change = self.link.on_failure(&error, now);
                if matches!(error, VerifierError::SessionGone | VerifierError::Desync { .. }) {
                    self.give_up();
                }
                self.last_failure = Some(error);
                Some(Probed { bytes: BodyBytes::default(), change })
            }
        }
    }

    /// The system reported another network.
    pub(super) fn on_network_change(&mut self) {
        self.verifier.on_network_change();
        self.link.on_network_change();
    }

    /// The verifier lost the session.
    pub(super) fn lost(&mut self) {
        self.session = None;
        self.probe = None;
        self.held = 0;
    }

    /// The session is of no use any more.
    pub(super) fn give_up(&mut self) {
        if let Some(session) = &self.session {
            self.verifier.close(session);
        }
        self.lost();
    }

    /// The key of the bonus token that a request brings.
    pub(super) fn bonus_key(&self, request: &VerifyRequest) -> u64 {
        speculative::bonus_key(self.session_seed, request.seq)
    }

    fn take_tag(&mut self) -> Tag {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.tag(seq)
    }

    /// What answers to request `seq` of the open session carry.
    pub(super) fn tag(&self, seq: u32) -> Tag {
        Tag { session: self.sessions, seq }
    }

    /// Sends a window that starts at position `first`; `base` of the tokens before it are kept, the rest appended.
    pub(super) fn verify(&mut self, tokens: &Tokens, window: Sending) -> Option<(VerifyRequest, Tag, Call)> {
        let session = self.session.clone()?;
        let tag = self.take_tag();
        let Sending { base, first, draft, levels, bonus, pipelined } = window;
        let request = VerifyRequest {
            seq: tag.seq,
            base: base as u32,
            base_check: tokens.hash(base),
            append: tokens.ids()[base..first].to_vec(),
            draft,
            levels,
            bonus,
            pipelined,
        };
        let inbox = self.inbox.clone();
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Verdict { tag, result })));
        let deadline = self.link.deadline(request.append.len() + request.draft.len());
        self.link.on_send();
        let call = self.verifier.verify(&session, request.clone(), deadline, reply);
        Some((request, tag, call))
    }

    /// Asks for more draws for the rejection that request `seq` ended in.
    pub(super) fn draws(&mut self, request: DrawsRequest) -> Option<Call> {
        let session = self.session.as_deref()?;
        let (inbox, tag) = (self.inbox.clone(), self.tag(request.seq));
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Draws { tag, result })));
        self.link.on_send();
        Some(self.verifier.draws(session, request, self.link.deadline(1), reply))
    }

    /// Lets the target write on after all of the device's tokens.
    pub(super) fn continuation(&mut self, tokens: &Tokens, max_tokens: usize) -> Option<(Tag, Call)> {
        let session = self.session.clone()?;
        let tag = self.take_tag();
        let request = ContinueRequest {
            seq: tag.seq,
            base: self.held as u32,
            base_check: tokens.hash(self.held),
            append: tokens.ids()[self.held..].to_vec(),
            max_tokens: max_tokens.min(u32::MAX as usize) as u32,
        };
        let inbox = self.inbox.clone();
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Continued { tag, result })));
        let deadline = self.link.deadline(request.append.len() + 1);
        self.link.on_send();
        let call = self.verifier.continuation(&session, request, deadline, reply);
        Some((tag, call))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.give_up();
        if let Some(call) = self.opening.take() {
            call.detach();
        }
    }
}

/// What a request that was kept came to.
pub(super) struct Probed {
    pub(super) bytes: BodyBytes,
    /// The link's new state, if it changed.
    pub(super) change: Option<LinkState>,
}

/// A window to send.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) base: usize,
    pub(super) first: usize,
    pub(super) draft: Vec<TokenId>,
    pub(super) levels: Vec<f32>,
    pub(super) bonus: bool,
    pub(super) pipelined: bool,
}

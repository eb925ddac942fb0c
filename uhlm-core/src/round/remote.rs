//! The device's end of a verifier session: what the verifier is known to hold, sequence numbers, calls under way.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::device::{Inbox, Tokens};
use crate::chat::DraftModel;
use crate::event::LinkState;
use crate::link::Link;
use crate::protocol::{ContinueRequest, DrawsRequest, OpenRequest, OpenResponse, VerifyRequest};
use crate::sampling::TokenId;
use crate::session::SessionOptions;
use crate::verifier::{Call, Verifier, VerifierError};

/// The verifier as a session sees it.
pub(crate) struct Remote {
    verifier: Arc<dyn Verifier>,
    inbox: Sender<Inbox>,
    seed: u64,
    session: Option<String>,
    opening: Option<Call>,
    next_seq: u32,
    /// How many of the device's tokens the verifier holds for certain.
    pub(super) held: usize,
    /// The target's context in tokens, known once a session was opened.
    pub(super) context: Option<usize>,
    pub(super) link: Link,
}

impl Remote {
    pub(super) fn new(verifier: Arc<dyn Verifier>, inbox: Sender<Inbox>, seed: u64, options: &SessionOptions) -> Self {
        let link = Link::new(options.link.clone());
        Self { verifier, inbox, seed, session: None, opening: None, next_seq: 1, held: 0, context: None, link }
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
            seed: self.seed,
            grammar: None,
        };
        let inbox = self.inbox.clone();
        // Sending fails only when the session is gone, and then nobody waits for the answer.
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Opened(result))));
        self.link.on_send();
        self.opening = Some(self.verifier.open(request, self.link.deadline(0), reply));
    }

    /// Takes the answer to [`Self::open`]; a new session holds nothing.
    pub(super) fn opened(&mut self, response: Option<&OpenResponse>) {
        if let Some(call) = self.opening.take() {
            call.detach();
        }
        if let Some(response) = response {
            self.session = Some(response.session.clone());
            self.context = Some(response.info.context as usize);
            self.next_seq = 1;
            self.held = 0;
        }
    }

    /// Gives up every call under way: the generation that made them is over.
    pub(super) fn abandon(&mut self) {
        self.opening = None;
        self.link.on_failure(&VerifierError::Cancelled, Instant::now());
    }

    /// The verifier lost the session.
    pub(super) fn lost(&mut self) {
        self.session = None;
        self.held = 0;
    }

    fn take_seq(&mut self) -> u32 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Sends a window that starts at position `first`; `base` of the tokens before it are kept, the rest appended.
    pub(super) fn verify(&mut self, tokens: &Tokens, window: Sending) -> Option<(VerifyRequest, Call)> {
        let session = self.session.clone()?;
        let Sending { base, first, draft, levels, bonus, pipelined } = window;
        let request = VerifyRequest {
            seq: self.take_seq(),
            base: base as u32,
            base_check: tokens.hash(base),
            append: tokens.ids()[base..first].to_vec(),
            draft,
            levels,
            bonus,
            pipelined,
        };
        let (inbox, seq) = (self.inbox.clone(), request.seq);
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Verdict { seq, result })));
        let deadline = self.link.deadline(request.append.len() + request.draft.len());
        self.link.on_send();
        let call = self.verifier.verify(&session, request.clone(), deadline, reply);
        Some((request, call))
    }

    /// Asks for more draws for the rejection that request `seq` ended in.
    pub(super) fn draws(&mut self, request: DrawsRequest) -> Option<Call> {
        let session = self.session.as_deref()?;
        let (inbox, seq) = (self.inbox.clone(), request.seq);
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Draws { seq, result })));
        self.link.on_send();
        Some(self.verifier.draws(session, request, self.link.deadline(1), reply))
    }

    /// Lets the target write on after all of the device's tokens; returns the request's number.
    pub(super) fn continuation(&mut self, tokens: &Tokens, max_tokens: usize) -> Option<(u32, Call)> {
        let session = self.session.clone()?;
        let request = ContinueRequest {
            seq: self.take_seq(),
            base: self.held as u32,
            base_check: tokens.hash(self.held),
            append: tokens.ids()[self.held..].to_vec(),
            max_tokens: max_tokens.min(u32::MAX as usize) as u32,
        };
        let (inbox, seq) = (self.inbox.clone(), request.seq);
        let reply = Box::new(move |result| drop(inbox.send(Inbox::Continued { seq, result })));
        let deadline = self.link.deadline(request.append.len() + 1);
        self.link.on_send();
        let call = self.verifier.continuation(&session, request, deadline, reply);
        Some((seq, call))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            self.verifier.close(session);
        }
    }
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

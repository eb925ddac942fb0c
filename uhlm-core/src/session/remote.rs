//! The device's knowledge of its verifier, and the calls to it that are under way.
//!
//! Decides when a session is opened and how much time a call is given. It leaves to
//! [`Pipeline`](super::pipeline::Pipeline) what is asked for, and to the loop what a failure means.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use uhlm_law::advance::{Advance, Asked, Capabilities, Encoding, Frame, Grant, Info, Open, Peer, SessionId};
use uhlm_law::digest::Digest;

use super::inbox::{Inbox, Opened, Tag};
use super::unread::{self, Heard, Unread};
use crate::event::{LinkCause, LinkState};
use crate::link::{Link, LinkConfig};
use crate::verifier::{Answer, Call, Verifier, VerifierError, VerifierExt as _};

/// An answer that is awaited.
pub(super) struct Stream {
    pub(super) tag: Tag,
    /// Number of the request in its reply, from 1.
    pub(super) number: u64,
    /// Time at which the request was sent.
    pub(super) sent: Instant,
    /// Record of what was asked, by which the answer is checked.
    pub(super) asked: Asked,
    /// Size of the request's body in bytes, as long as only that is known of what its way took.
    pub(super) counted: u64,
    /// Number of passes that the target may make for the request and the device has not heard of; `None` without end.
    passes: Option<u64>,
    /// Call that the answer belongs to; dropped, it resets the request.
    call: Call,
}

/// The verifier as a session sees it.
pub(crate) struct Remote {
    verifier: Arc<dyn Verifier>,
    inbox: Sender<Inbox>,
    unread: Unread,
    /// Session that is open on the verifier.
    session: Option<SessionId>,
    /// Attempt to open a session that is under way.
    opening: Option<Call>,
    /// Size of the body of that attempt, in bytes.
    pub(super) opening_counted: u64,
    /// Knowledge of what the verifier's session holds.
    pub(super) peer: Peer,
    /// Answers that are awaited, in the order of their requests.
    pub(super) streams: Vec<Stream>,
    /// Number of passes that the target may have made for answers that broke off, and of which nothing was heard since.
    passes_astray: u64,
    next_tag: u64,
    /// Number of tokens that the verifier was sent to read since it last brought text: a new request comes after them.
    reading: usize,
    /// Information about the verifier, known once a session was opened.
    pub(super) info: Option<Info>,
    /// Whether the verifier refused the vocabulary in the middle of a reply, which goes on without it.
    pub(super) is_foreign: bool,
    pub(super) link: Link,
    /// Last failure of a call.
    pub(super) last_failure: Option<VerifierError>,
    /// State of the link that the session's replies have told last.
    pub(super) told: LinkNews,
}

/// The state of the link, and the reason where the verifier does not answer.
pub(super) type LinkNews = (LinkState, Option<LinkCause>);

impl Remote {
    pub(super) fn new(verifier: Arc<dyn Verifier>, inbox: Sender<Inbox>, link: LinkConfig) -> Self {
        Self {
            verifier,
            inbox,
            unread: Unread::new(size_of::<Inbox>()),
            session: None,
            opening: None,
            opening_counted: 0,
            peer: Peer::new(),
            streams: Vec::new(),
            passes_astray: 0,
            next_tag: 0,
            reading: 0,
            info: None,
            is_foreign: false,
            link: Link::new(link),
            last_failure: None,
            told: LinkNews::default(),
        }
    }

    pub(super) fn verifier(&self) -> &Arc<dyn Verifier> {
        &self.verifier
    }

    /// Gives up the session and everything that is known of what it holds.
    pub(super) fn forget(&mut self) {
        self.give_up();
        self.peer = Peer::new();
        self.info = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Tells whether the verifier answered last, or was not asked yet.
    pub(super) fn is_online(&self) -> bool {
        self.link.state() == LinkState::Online
    }

    /// Returns whether the verifier answered last, and the reason where it did not.
    pub(super) fn news(&self) -> LinkNews {
        (self.link.state(), self.link.cause())
    }

    /// Tells whether there is a session and nothing speaks against using it now.
    pub(super) fn is_ready(&self) -> bool {
        self.is_open() && self.is_online()
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Returns the size in bytes of the bodies of requests of which nothing was heard yet.
    pub(super) fn unheard(&self) -> u64 {
        let opening = if self.is_opening() { self.opening_counted } else { 0 };
        opening + self.streams.iter().map(|stream| stream.counted).sum::<u64>()
    }

    /// Returns the target's context in tokens, known once a session was opened.
    pub(super) fn context(&self) -> Option<usize> {
        self.info.as_ref().map(|info| info.limits.context as usize)
    }

    /// Asks for a session, unless there is one, one is being opened, or the link wants to be left alone; returns the
    /// size of the body that it sent, in bytes, if it asked.
    pub(super) fn open(&mut self, vocabulary: Digest, now: Instant) -> Option<u64> {
        if self.is_open() || self.is_opening() || self.is_foreign || !self.link.may_send(now) {
            return None;
        }
        let (inbox, verifier) = (self.inbox.clone(), Arc::clone(&self.verifier));
        // Sending fails only when the device's session is gone; the message is dropped then, which closes the opened
        // session.
        let reply = move |result: Result<_, _>| {
            drop(inbox.send(Inbox::Opened(result.map(|answer| Opened::new(answer, verifier)))));
        };
        self.link.on_send();
        let request = Open { vocabulary, needs: Capabilities::NONE };
        self.opening_counted = Encoding::Binary.encode(&request).len() as u64;
        self.opening = Some(self.verifier.open(request, self.link.deadline(0), reply));
        Some(self.opening_counted)
    }

    /// Takes the answer to [`Self::open`]; a new session holds nothing.
    pub(super) fn opened(&mut self, result: Result<Opened, VerifierError>) -> Result<Answer<Info>, VerifierError> {
        if let Some(call) = self.opening.take() {
            call.detach();
        }
        let Answer { value, bytes, elapsed, attempts } = result?.keep().ok_or(VerifierError::SessionGone)?;
        self.session = Some(value.session);
        self.info = Some(value.info.clone());
        self.link.set_tells_progress(value.info.capabilities.contains(Capabilities::PROGRESS));
        self.peer.reopened();
        Ok(Answer { value: value.info, bytes, elapsed, attempts })
    }

    /// Takes the answer to [`Self::open`] after the generation that asked.
    pub(super) fn opened_late(&mut self, result: Result<Opened, VerifierError>, vocabulary: Digest, now: Instant) {
        match self.opened(result) {
            Ok(answer) => {
                if answer.value.vocabulary != vocabulary {
                    // The next generation finds out why.
                    self.give_up();
                }
                self.link.on_reachable();
            }
            Err(error) => self.failed(error, now),
        }
    }

    /// Takes note that a call failed.
    pub(super) fn failed(&mut self, error: VerifierError, now: Instant) {
        self.link.on_failure(&error, now);
        self.last_failure = Some(error);
    }

    /// Takes a frame after the generation that asked for it. What it says of the text counts for nothing, because the
    /// device's tokens have changed.
    pub(super) fn heard_late(&mut self, tag: Tag, heard: Heard, now: Instant) {
        if !self.streams.iter().any(|stream| stream.tag == tag) {
            return;
        }
        match heard {
            Ok(answer) => {
                if matches!(answer.value, Frame::End(_)) {
                    self.finish(tag);
                }
                self.link.on_reachable();
            }
            Err(error) => {
                self.finish(tag);
                if matches!(error, VerifierError::SessionGone | VerifierError::Desync { .. }) {
                    self.give_up();
                }
                self.failed(error, now);
            }
        }
    }

    /// Sends a request, the `number`-th of its reply, for which the verifier has `tokens` tokens to process; returns
    /// the size of its body in bytes, if there is a session to send it to.
    pub(super) fn send(
        &mut self,
        request: Advance,
        asked: Asked,
        tokens: usize,
        number: u64,
        now: Instant,
    ) -> Option<u64> {
        let session = self.session?;
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        let (inbox, unread) = (self.inbox.clone(), self.unread.clone());
        let mut is_over = false;
        let reply = move |heard| {
            if is_over {
                return;
            }
            let part = unread.part(heard).or_else(|| {
                is_over = true;
                unread.part(Err(unread::too_much()))
            });
            part.into_iter().for_each(|part| drop(inbox.send(Inbox::Frame { tag, part })));
        };
        self.reading = self.reading.saturating_add(tokens);
        let silence = self.link.deadline(self.reading);
        self.link.on_send();
        let counted = Encoding::Binary.encode(&request).len() as u64;
        let passes = passes_for(&request);
        let call = self.verifier.advance(session, request, silence, reply);
        self.streams.push(Stream { tag, number, sent: now, asked, counted, passes, call });
        Some(counted)
    }

    /// Returns the number of passes that the target may make for the answers that are awaited and the device has not
    /// heard of, those left out that a request grants without end.
    pub(super) fn passes_asked_for(&self) -> u64 {
        self.streams.iter().filter_map(|stream| stream.passes).sum()
    }

    /// Returns the number of passes that the target may have made for answers that broke off, as long as it has told of
    /// none since.
    pub(super) fn passes_astray(&self) -> u64 {
        self.passes_astray
    }

    /// Tells whether the last request lets the target write on without end.
    pub(super) fn runs_without_end(&self) -> bool {
        self.streams.last().is_some_and(|stream| stream.passes.is_none())
    }

    /// Takes note that the answer `tag` told of `count` more passes. Those of answers that broke off are among them.
    pub(super) fn passes_heard(&mut self, tag: Tag, count: u64) {
        self.passes_astray = 0;
        if let Some(Stream { passes: Some(passes), .. }) = self.streams.iter_mut().find(|stream| stream.tag == tag) {
            *passes = passes.saturating_sub(count);
        }
    }

    /// Removes an answer whose place the next one took. A pass that is under way for it ends in that one.
    pub(super) fn superseded(&mut self, tag: Tag) {
        let place = self.streams.iter().position(|stream| stream.tag == tag);
        let is_under_way = place.is_some_and(|place| self.streams[place].passes != Some(0));
        let next = place.and_then(|place| self.streams.get_mut(place + 1));
        if let Some(Stream { passes: Some(passes), .. }) = next.filter(|_| is_under_way) {
            *passes += 1;
        }
        self.finish(tag);
    }

    /// Removes an answer that ended with a failure. A verifier that says what failed has told of its passes before.
    pub(super) fn finish_failed(&mut self, tag: Tag, error: &VerifierError) {
        let stream = self.streams.iter().find(|stream| stream.tag == tag);
        self.passes_astray += match error {
            VerifierError::Unreachable { .. }
            | VerifierError::DeadlineExceeded { .. }
            | VerifierError::InvalidAnswer { .. }
            | VerifierError::Cancelled => stream.and_then(|stream| stream.passes).unwrap_or_default(),
            VerifierError::Untrusted { .. }
            | VerifierError::Busy { .. }
            | VerifierError::Unauthorized
            | VerifierError::Desync { .. }
            | VerifierError::SessionGone
            | VerifierError::Refused(_) => 0,
        };
        self.finish(tag);
    }

    /// Takes note that the verifier has read all that it was sent.
    pub(super) fn has_read(&mut self) {
        self.reading = 0;
    }

    /// Removes an answer that has ended from those that are awaited.
    pub(super) fn finish(&mut self, tag: Tag) {
        if let Some(place) = self.streams.iter().position(|stream| stream.tag == tag) {
            self.streams.remove(place).call.detach();
        }
    }

    /// Gives up every answer that is awaited, which resets the requests, except the one that tries a link which
    /// failed: replies shorter than its way would else never bring the link back.
    pub(super) fn abandon(&mut self, keep_probe: bool, now: Instant) {
        let keep = if keep_probe && !self.is_online() { 1 } else { 0 };
        if self.streams.len() > keep {
            self.streams.truncate(keep);
        }
        if self.streams.is_empty() {
            self.link.on_failure(&VerifierError::Cancelled, now);
        }
    }

    /// Takes note that the system reported another network.
    pub(super) fn on_network_change(&mut self) {
        self.verifier.on_network_change();
        self.link.on_network_change();
    }

    /// Takes note that the verifier lost the session.
    pub(super) fn lost(&mut self) {
        self.session = None;
        self.reading = 0;
        self.passes_astray = 0;
        self.streams.clear();
    }

    /// Closes the session, which is of no use any more.
    pub(super) fn give_up(&mut self) {
        if let Some(session) = self.session {
            self.verifier.close(session);
        }
        self.lost();
    }

    /// Returns the longest time that the loop may sleep before something about the link is due.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let waits = !self.streams.is_empty() || self.is_opening();
        let due = if waits { None } else { self.link.next_attempt(now) };
        let due = due.map(|at| at.saturating_duration_since(now));
        due.into_iter().chain(self.link.grace_left(now)).min()
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

/// Returns the largest number of passes that the target makes for a request; `None` without end.
fn passes_for(request: &Advance) -> Option<u64> {
    let granted = |grant: Grant| match grant {
        Grant::Passes(passes) => Some(u64::from(passes)),
        Grant::Unlimited => None,
    };
    let most = granted(request.grants.after_mismatch)?.max(granted(request.grants.after_agreement)?);
    Some(most + u64::from(!request.draft.is_empty()))
}

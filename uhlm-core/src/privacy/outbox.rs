//! The one way from a session to its verifier: closed without consent, and recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uhlm_law::advance::{Advance, Body, Encoding, Info, Open, Opened, SessionId};
use uhlm_law::chat::DraftModel;

use super::record::{SentKind, SentLog};
use crate::verifier::{Call, FrameReply, Reply, Verifier, VerifierError};

/// A verifier that is asked only with consent, with a record of what it was asked.
pub(crate) struct Outbox {
    verifier: Arc<dyn Verifier>,
    model: Arc<dyn DraftModel>,
    log: Arc<SentLog>,
    /// Whether the generation that runs may ask the verifier.
    is_open: Arc<AtomicBool>,
}

impl Outbox {
    /// Makes an outbox; `is_open` says whether the generation that runs may ask.
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        model: Arc<dyn DraftModel>,
        log: Arc<SentLog>,
        is_open: Arc<AtomicBool>,
    ) -> Self {
        Self { verifier, model, log, is_open }
    }

    /// Tells whether anything may be sent.
    fn may_send(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Notes a request; returns the number that finds it again.
    fn note(&self, kind: SentKind, tokens: usize, request: &impl Body, text: Option<String>) -> u64 {
        self.log.sent(kind, tokens, Encoding::Binary.encode(request).len(), text)
    }

    /// Returns all text that a person can read in a request.
    fn text(&self, request: &Advance) -> String {
        let tokens = [&request.stand[..], &request.draft].concat();
        let mut text = String::from_utf8_lossy(&self.model.detokenize(&tokens)).into_owned();
        for stop in request.begin.iter().flat_map(|begin| &begin.stop) {
            text.push('\n');
            text.push_str(stop);
        }
        text
    }
}

impl Verifier for Outbox {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.verifier.info(deadline, reply)
    }

    fn open(&self, request: Open, deadline: Duration, reply: Reply<Opened>) -> Call {
        if !self.may_send() {
            reply(Err(VerifierError::Cancelled));
            return Call::finished();
        }
        let number = self.note(SentKind::Open, 0, &request, None);
        let log = Arc::clone(&self.log);
        let noted: Reply<Opened> = Box::new(move |result| {
            if let Ok(answer) = &result {
                log.answered(number, answer.bytes.up);
            }
            reply(result);
        });
        self.verifier.open(request, deadline, noted)
    }

    fn advance(&self, session: SessionId, request: Advance, silence: Duration, mut frames: FrameReply) -> Call {
        if !self.may_send() {
            frames(Err(VerifierError::Cancelled));
            return Call::finished();
        }
        let tokens = request.stand.len() + request.draft.len();
        let text = self.log.keeps_text().then(|| self.text(&request)).filter(|text| !text.is_empty());
        let number = self.note(SentKind::Advance, tokens, &request, text);
        let log = Arc::clone(&self.log);
        let noted: FrameReply = Box::new(move |result| {
            if let Ok(answer) = &result {
                log.answered(number, answer.bytes.up);
            }
            frames(result);
        });
        self.verifier.advance(session, request, silence, noted)
    }

    /// Closes a session. The request says nothing but the session's name, and ends what the verifier holds: it is
    /// always allowed.
    fn close(&self, session: SessionId) {
        self.verifier.close(session);
    }

    fn on_network_change(&self) {
        self.verifier.on_network_change();
    }
}

#[cfg(test)]
mod tests;

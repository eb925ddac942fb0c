//! The one way from a session to its verifier: shut without consent, and recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use uhlm_law::chat::DraftModel;
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Encoding, Info, OpenRequest, OpenResponse, VerifyRequest,
    VerifyResponse,
};
use uhlm_law::sampling::TokenId;

use super::record::{SentKind, SentLog};
use crate::verifier::{Call, ContinueReply, Reply, Verifier, VerifierError};

/// A verifier that is asked only with consent, and what it is asked is written down.
pub(crate) struct Outbox {
    verifier: Arc<dyn Verifier>,
    model: Arc<dyn DraftModel>,
    log: Arc<SentLog>,
    is_open: Arc<AtomicBool>,
}

impl Outbox {
    /// `is_open` says whether the generation that runs may ask.
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        model: Arc<dyn DraftModel>,
        log: Arc<SentLog>,
        is_open: Arc<AtomicBool>,
    ) -> Self {
        Self { verifier, model, log, is_open }
    }

    /// Notes a request, if it may be sent.
    fn note(&self, kind: SentKind, tokens: &[&[TokenId]], request: &impl Serialize) -> Option<u64> {
        if !self.is_open.load(Ordering::Acquire) {
            return None;
        }
        let bytes = Encoding::Binary.encode(request).len();
        let count = tokens.iter().map(|part| part.len()).sum();
        let text = (self.log.keeps_text() && count > 0)
            .then(|| String::from_utf8_lossy(&self.model.detokenize(&tokens.concat())).into_owned());
        Some(self.log.sent(kind, count, bytes, text))
    }

    /// A reply that also notes that there was one.
    fn noted<T: 'static>(&self, number: u64, reply: Reply<T>) -> Reply<T> {
        let log = Arc::clone(&self.log);
        Box::new(move |result| {
            if let Ok(answer) = &result {
                log.answered(number, answer.bytes.up);
            }
            reply(result);
        })
    }
}

fn refused<T>(reply: Reply<T>) -> Call {
    reply(Err(VerifierError::Cancelled));
    Call::finished()
}

impl Verifier for Outbox {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.verifier.info(deadline, reply)
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        let Some(number) = self.note(SentKind::Open, &[], &request) else { return refused(reply) };
        self.verifier.open(request, deadline, self.noted(number, reply))
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        let tokens = [&request.append[..], &request.draft[..]];
        let Some(number) = self.note(SentKind::Window, &tokens, &request) else { return refused(reply) };
        self.verifier.verify(session, request, deadline, self.noted(number, reply))
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        let Some(number) = self.note(SentKind::Draws, &[], &request) else { return refused(reply) };
        self.verifier.draws(session, request, deadline, self.noted(number, reply))
    }

    fn continuation(
        &self,
        session: &str,
        request: ContinueRequest,
        deadline: Duration,
        mut reply: ContinueReply,
    ) -> Call {
        let Some(number) = self.note(SentKind::Continuation, &[&request.append], &request) else {
            reply(Err(VerifierError::Cancelled));
            return Call::finished();
        };
        let log = Arc::clone(&self.log);
        let noted = Box::new(move |result: Result<crate::verifier::Answer<_>, _>| {
            if let Ok(answer) = &result {
                log.answered(number, answer.bytes.up);
            }
            reply(result);
        });
        self.verifier.continuation(session, request, deadline, noted)
    }

    /// Closing says nothing but the session's name, and ends what the verifier holds: it is always allowed.
    fn close(&self, session: &str) {
        self.verifier.close(session);
    }

    fn on_network_change(&self) {
        self.verifier.on_network_change();
    }
}

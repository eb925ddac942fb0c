//! The one way from a session to its verifier: closed without consent, and recorded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uhlm_law::advance::{Advance, Encoding};
use uhlm_law::grammar::Grammar;

use super::record::{SentKind, SentLog};
use crate::language::Language;
use crate::state::locked;
use crate::verifier::{Call, Reply, Request, Verifier, VerifierError};

/// A verifier that is asked only with consent, with a record of what it was asked.
pub(crate) struct Outbox {
    verifier: Arc<dyn Verifier>,
    /// Language of the session's tokens.
    language: Arc<Mutex<Language>>,
    log: Arc<SentLog>,
    /// Whether the generation that runs may ask the verifier.
    is_open: Arc<AtomicBool>,
}

impl Outbox {
    /// Makes an outbox; `is_open` says whether the generation that runs may ask.
    pub(crate) fn new(
        verifier: Arc<dyn Verifier>,
        language: Arc<Mutex<Language>>,
        log: Arc<SentLog>,
        is_open: Arc<AtomicBool>,
    ) -> Self {
        Self { verifier, language, log, is_open }
    }

    /// Tells whether anything may be sent.
    fn may_send(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Notes a request that says something; returns the number that finds it again. Asking what a verifier serves says
    /// nothing, and closing nothing but the session's name.
    fn note(&self, request: &Request) -> Option<u64> {
        let (kind, tokens, text) = match request {
            Request::Info | Request::Vocabulary(_) | Request::Close(_) => return None,
            Request::Open(_) => (SentKind::Open, 0, None),
            Request::Advance(_, advance) => {
                let text = self.log.keeps_text().then(|| self.text(advance)).filter(|text| !text.is_empty());
                (SentKind::Advance, advance.stand.len() + advance.draft.len(), text)
            }
        };
        Some(self.log.sent(kind, tokens, request.body(Encoding::Binary).len(), text))
    }

    /// Returns all text that a person can read in a request.
    fn text(&self, request: &Advance) -> String {
        let words = Arc::clone(&locked(&self.language).words);
        let tokens = [&request.stand[..], &request.draft].concat();
        let mut text = String::from_utf8_lossy(&words.detokenize(&tokens)).into_owned();
        let begin = request.begin.iter();
        let stops = begin.clone().flat_map(|begin| &begin.stop).map(String::as_str);
        let grammars = begin.filter_map(|begin| begin.grammar.as_deref()).flat_map(Grammar::texts);
        for more in stops.chain(grammars) {
            text.push('\n');
            text.push_str(more);
        }
        text
    }
}

impl Verifier for Outbox {
    fn ask(&self, request: Request, patience: Duration, mut reply: Reply) -> Call {
        let says_something = matches!(request, Request::Open(_) | Request::Advance(..));
        if says_something && !self.may_send() {
            reply(Err(VerifierError::Cancelled));
            return Call::finished();
        }
        let Some(number) = self.note(&request) else { return self.verifier.ask(request, patience, reply) };
        let log = Arc::clone(&self.log);
        let noted: Reply = Box::new(move |result| {
            if let Ok(answer) = &result {
                log.answered(number, answer.bytes.up);
            }
            reply(result);
        });
        self.verifier.ask(request, patience, noted)
    }

    fn on_network_change(&self) {
        self.verifier.on_network_change();
    }
}

#[cfg(test)]
mod tests;

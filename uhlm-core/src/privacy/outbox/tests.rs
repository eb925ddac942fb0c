use std::sync::mpsc::channel;

use uhlm_law::advance::{Begin, Capabilities, EndReason, Frame, Grants, Labelling, Open, PrefixHash, SessionId, Text};
use uhlm_law::chat::{ChatTemplate, Message, RenderOptions, Rendered, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::model::{LanguageModel, ModelError, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{SamplingParams, TokenId};

use super::super::record::RecordOptions;
use super::*;
use crate::verifier::{Answer, BodyBytes, Part, VerifierExt as _};

const SESSION: SessionId = SessionId([1; 16]);
const LONG: Duration = Duration::from_secs(9);

/// A model whose tokens are bytes. Only its text is asked for.
struct Letters;

impl LanguageModel for Letters {
    fn vocabulary(&self) -> &dyn Vocabulary {
        unimplemented!("not asked for")
    }
    fn token_keys(&self) -> &TokenKeys {
        unimplemented!("not asked for")
    }
    fn vocabulary_hash(&self) -> Digest {
        unimplemented!("not asked for")
    }
    fn tokenize(&self, text: &str, _: Special) -> Result<Vec<TokenId>, ModelError> {
        Ok(text.bytes().map(TokenId::from).collect())
    }
    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().map(|&id| id as u8).collect()
    }
}

impl ChatTemplate for Letters {
    fn render(&self, _: &[Message], _: &RenderOptions) -> Result<Rendered, TemplateError> {
        Err(TemplateError::Missing)
    }
}

/// Answers an `advance` in two frames, of which the first reports 70 bytes, and counts all requests.
#[derive(Default)]
struct Answering(Mutex<usize>);

impl Verifier for Answering {
    fn ask(&self, request: Request, _: Duration, mut reply: Reply) -> Call {
        *self.0.lock().expect("no panic") += 1;
        let check = PrefixHash::EMPTY.short();
        let text =
            Text { pos: 0, check, ids: vec![7], passes: 1, pass_us: None, queue_us: None, rows: None, labels: None };
        let frames = match request {
            Request::Advance(..) => vec![(Frame::Text(text), 70), (Frame::End(EndReason::Granted), 0)],
            _ => Vec::new(),
        };
        for (frame, up) in frames {
            let (value, bytes) = (Part::Frame(frame), BodyBytes { up, down: 9 });
            reply(Ok(Answer { value, bytes, elapsed: Duration::ZERO, attempts: 1 }));
        }
        Call::finished()
    }
}

fn outbox(is_open: bool) -> (Outbox, Arc<Answering>, Arc<SentLog>) {
    let verifier = Arc::new(Answering::default());
    let log = Arc::new(SentLog::new(RecordOptions { text: true, ..RecordOptions::default() }));
    let may_ask = Arc::new(AtomicBool::new(is_open));
    let language = Arc::new(Mutex::new(Arc::new(Letters).into()));
    (Outbox::new(Arc::clone(&verifier) as _, language, Arc::clone(&log), may_ask), verifier, log)
}

fn request(given: &str, drafted: &str, stop: &[&str]) -> Advance {
    let ids = |text: &str| Letters.tokenize(text, Special::Plain).expect("letters");
    let sampling = SamplingParams::default();
    let stop: Vec<String> = stop.iter().map(ToString::to_string).collect();
    Advance {
        generation: 0,
        seq: 0,
        have: given.len() as u32,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: ids(given),
        draft: ids(drafted),
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: (!stop.is_empty()).then_some(Begin {
            seed: 1,
            sampling,
            reply_start: 1,
            max_tokens: 1,
            stop,
            grammar: None,
        }),
        deadline_ms: None,
    }
}

fn open_request() -> Open {
    Open { vocabulary: Digest([0; 32]), needs: Capabilities::NONE }
}

#[test]
fn without_consent_nothing_reaches_the_verifier_but_the_end_of_a_session() {
    let (outbox, verifier, log) = outbox(false);
    let (send, received) = channel();
    let heard = send.clone();
    outbox.open(open_request(), LONG, move |result| drop(send.send(result.map(drop)))).detach();
    let frames = move |result: Result<_, _>| drop(heard.send(result.map(drop)));
    outbox.advance(SESSION, request("secret", "", &[]), LONG, frames).detach();
    assert_eq!(received.iter().collect::<Vec<_>>(), [Err(VerifierError::Cancelled), Err(VerifierError::Cancelled)]);
    assert_eq!((*verifier.0.lock().expect("no panic"), log.copy().total_requests), (0, 0));
    outbox.close(SESSION);
    assert_eq!(*verifier.0.lock().expect("no panic"), 1);
}

#[test]
fn all_that_a_person_can_read_in_a_request_is_written_down() {
    let (outbox, _, log) = outbox(true);
    outbox.open(open_request(), LONG, |_| {}).detach();
    outbox.advance(SESSION, request("given ", "drafted", &["Anna:", "###"]), LONG, |_| {}).detach();
    outbox.advance(SESSION, request("", "", &[]), LONG, |_| {}).detach();
    let mut formed = request("?", "", &["."]);
    let grammar = Grammar::Choices(vec!["Bonn".into(), "Berlin".into()]);
    formed.begin.iter_mut().for_each(|begin| begin.grammar = Some(Arc::new(grammar.clone())));
    outbox.advance(SESSION, formed, LONG, |_| {}).detach();
    let sent = log.copy().requests;
    let texts: Vec<_> = sent.iter().map(|sent| sent.text.as_deref()).collect();
    assert_eq!(texts, [None, Some("given drafted\nAnna:\n###"), None, Some("?\n.\nBonn\nBerlin")]);
    let facts: Vec<_> = sent.iter().map(|sent| (sent.kind, sent.tokens, sent.answered)).collect();
    let of_advances = [13, 0, 1].map(|tokens| (SentKind::Advance, tokens, true));
    assert_eq!(facts, [&[(SentKind::Open, 0, false)][..], &of_advances].concat());
    assert_eq!(sent[1].bytes, 70, "as the transport counted them, once for both frames");
}

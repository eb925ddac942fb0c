use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use uhlm_core::verifier::Answer;
use uhlm_law::advance::{
    Advance, Begin, EndReason, ErrorCode, Frame, Grant, Grants, Labelling, Open, PrefixHash, Text,
};
use uhlm_law::digest::Digest;
use uhlm_law::model::{Decoder as _, ModelError, Sequence};
use uhlm_law::sampling::{SamplingParams, TokenId};

use super::*;
use crate::counted::Counted;
use crate::synthetic::{END, SyntheticModel, VOCABULARY};

mod faults;
mod passes;
mod streams;

const LONG: Duration = Duration::from_secs(20);
const ROUND_TRIP: Duration = Duration::from_millis(300);
const PROMPT: [TokenId; 3] = [7, 1, 4];

/// A target that never ends a reply by itself.
fn target() -> SyntheticModel {
    SyntheticModel { end_bias: -60.0, ..SyntheticModel::target() }
}

fn local(round_trip: Duration) -> LocalVerifier {
    target().verifier(|config| LocalConfig { round_trip, ..config })
}

/// A verifier whose target counts the tokens that it decodes and takes its time for each.
fn counting(pause: Duration) -> (LocalVerifier, Arc<AtomicUsize>) {
    let decoded = Arc::new(AtomicUsize::new(0));
    let model = Counted::new(Arc::new(target()), pause).model();
    let (counter, engine) = (Arc::clone(&decoded), model.decoder);
    let factory: SequenceFactory = Box::new(move || {
        let inner = Arc::clone(&engine).sequence(0, 1)?;
        Ok(Box::new(Tallied { inner, decoded: Arc::clone(&counter) }))
    });
    (LocalVerifier::new(LocalConfig::of(model.language, 512), factory).expect("a thread"), decoded)
}

/// Counts tokens.
struct Tallied {
    inner: Box<dyn Sequence>,
    decoded: Arc<AtomicUsize>,
}

impl Sequence for Tallied {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn capacity(&self) -> usize {
        self.inner.capacity()
    }
    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.decoded.fetch_add(tokens.len(), Ordering::AcqRel);
        self.inner.decode(tokens, cancelled)
    }
    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }
    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

fn begin(max_tokens: u32) -> Begin {
    let sampling = SamplingParams { temperature: 0.9, ..SamplingParams::default() };
    Begin { seed: 42, sampling, reply_start: PROMPT.len() as u32, max_tokens, stop: Vec::new(), grammar: None }
}

/// Returns the reply that the target alone writes.
fn reply(max_tokens: u32) -> Vec<TokenId> {
    target().reply(&begin(max_tokens), &PROMPT)
}

/// A request of the first generation with the whole prompt.
fn first(max_tokens: u32, draft: &[TokenId], grants: Grants) -> Advance {
    Advance {
        generation: 0,
        seq: 0,
        have: PROMPT.len() as u32,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: PROMPT.to_vec(),
        draft: draft.to_vec(),
        grants,
        labels: Labelling::NONE,
        begin: Some(begin(max_tokens)),
        deadline_ms: None,
    }
}

/// A later request, that drafts after `held`.
fn then(seq: u32, held: &[TokenId], draft: &[TokenId], grants: Grants) -> Advance {
    let text = [&PROMPT, held].concat();
    Advance {
        seq,
        have: text.len() as u32,
        base: text.len() as u32,
        check: PrefixHash::of(&text),
        stand: Vec::new(),
        begin: None,
        ..first(0, draft, grants)
    }
}

/// So many self-made passes, whatever comes of a draft.
fn grants(passes: u8) -> Grants {
    Grants { after_mismatch: Grant::Passes(passes), after_agreement: Grant::Passes(passes) }
}

type Heard<T> = Result<Answer<T>, VerifierError>;
type Received<T> = Receiver<Heard<T>>;

fn waiting<T: Send + 'static>() -> (impl FnMut(Heard<T>) + Send + 'static, Received<T>) {
    let (send, receive) = channel();
    (move |answer| drop(send.send(answer)), receive)
}

fn open_request() -> Open {
    Open { vocabulary: target().vocabulary_hash(), needs: Capabilities::RUNS_AHEAD }
}

fn open(verifier: &LocalVerifier) -> SessionId {
    let (reply, received) = waiting();
    verifier.open(open_request(), LONG, reply).detach();
    received.recv_timeout(LONG).expect("an answer").expect("opened").value.session
}

fn start(verifier: &LocalVerifier, session: SessionId, request: Advance, silence: Duration) -> (Call, Received<Frame>) {
    let (reply, receive) = waiting();
    (verifier.advance(session, request, silence, reply), receive)
}

/// Every frame until the last, with its failure if it ends in one.
fn all(frames: &Received<Frame>) -> Vec<Result<Frame, VerifierError>> {
    let mut all = Vec::new();
    loop {
        let part = frames.recv_timeout(LONG).expect("a frame").map(|answer| answer.value);
        let goes_on = part.as_ref().is_ok_and(|frame| !frame.is_last());
        all.push(part);
        if !goes_on {
            return all;
        }
    }
}

/// Asks, and returns the text that came and why it ended.
fn ask(verifier: &LocalVerifier, session: SessionId, request: Advance) -> (Vec<TokenId>, EndReason) {
    let (call, frames) = start(verifier, session, request, LONG);
    call.detach();
    let mut text = Vec::new();
    for frame in all(&frames) {
        match frame.expect("no failure") {
            Frame::Text(part) => text.extend(part.ids),
            Frame::End(reason) => return (text, reason),
            Frame::Failed(error) => panic!("{error:?}"),
            Frame::Progress(_) => {}
        }
    }
    unreachable!("the last frame is an end")
}

fn refusal_of(verifier: &LocalVerifier, session: SessionId, request: Advance) -> VerifierError {
    let (call, frames) = start(verifier, session, request, LONG);
    call.detach();
    all(&frames).pop().expect("an answer").expect_err("a refusal")
}

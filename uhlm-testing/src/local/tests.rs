use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use uhlm_core::verifier::{Answer, Continued, check_verdict};
use uhlm_law::protocol::{Digest, ErrorCode, PrefixHash};
use uhlm_law::sampling::SamplingParams;
use uhlm_law::speculative::{Outcome, Replacement};

use super::*;

const VOCABULARY: usize = 16;
const LONG: Duration = Duration::from_secs(20);
const ROUND_TRIP: Duration = Duration::from_millis(300);

/// A model whose next token is the last one plus one, with probability close to 1.
struct Counter {
    tokens: Vec<TokenId>,
    logits: Vec<f32>,
    decodes: Arc<AtomicUsize>,
}

impl Sequence for Counter {
    fn len(&self) -> usize {
        self.tokens.len()
    }
    fn capacity(&self) -> usize {
        64
    }
    fn decode(&mut self, tokens: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.decodes.fetch_add(1, Ordering::Relaxed);
        self.tokens.extend(tokens);
        let next = (self.tokens.last().copied().unwrap_or(0) as usize + 1) % VOCABULARY;
        self.logits = (0..VOCABULARY).map(|id| if id == next { 8.0 } else { 0.0 }).collect();
        Ok(())
    }
    fn logits(&self) -> &[f32] {
        &self.logits
    }
    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.tokens.truncate(len);
        self.logits.clear();
        Ok(())
    }
}

fn info() -> Info {
    Info {
        protocol: uhlm_law::protocol::PROTOCOL.into(),
        model: "counter".into(),
        fingerprint: Digest([1; 32]),
        vocabulary: Digest([2; 32]),
        vocabulary_size: VOCABULARY as u32,
        context: 64,
    }
}

fn counting(round_trip: Duration) -> (LocalVerifier, Arc<AtomicUsize>) {
    let decodes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&decodes);
    let config = LocalConfig { round_trip, is_end: Box::new(|id| id == 15), ..LocalConfig::new(info()) };
    let verifier = LocalVerifier::new(
        config,
        Box::new(move || Ok(Box::new(Counter { tokens: vec![], logits: vec![], decodes: Arc::clone(&counter) }))),
    );
    (verifier.expect("a thread"), decodes)
}

fn local(round_trip: Duration) -> LocalVerifier {
    counting(round_trip).0
}

type Received<T> = Receiver<Result<Answer<T>, VerifierError>>;

fn reply<T: Send + 'static>() -> (Reply<T>, Received<T>) {
    let (send, receive) = channel();
    (Box::new(move |answer| drop(send.send(answer))), receive)
}

fn wait<T>(received: &Received<T>) -> Result<T, VerifierError> {
    received.recv_timeout(LONG).expect("an answer").map(|answer| answer.value)
}

fn open_request() -> OpenRequest {
    OpenRequest { vocabulary: info().vocabulary, sampling: SamplingParams::default(), seed: 5, grammar: None }
}

fn open(verifier: &LocalVerifier) -> String {
    let (reply, received) = reply();
    verifier.open(open_request(), LONG, reply).detach();
    wait(&received).expect("opened").session
}

fn request(seq: u32, held: &[TokenId], append: &[TokenId], draft: &[TokenId]) -> VerifyRequest {
    VerifyRequest {
        seq,
        base: held.len() as u32,
        base_check: PrefixHash::of(held),
        append: append.to_vec(),
        draft: draft.to_vec(),
        levels: vec![0.5; draft.len()],
        bonus: true,
        pipelined: false,
    }
}

fn send(
    verifier: &LocalVerifier,
    session: &str,
    request: &VerifyRequest,
    deadline: Duration,
) -> Received<VerifyResponse> {
    let (reply, received) = reply();
    verifier.verify(session, request.clone(), deadline, reply).detach();
    received
}

fn judge(verifier: &LocalVerifier, session: &str, request: &VerifyRequest) -> VerifyResponse {
    let verdict = wait(&send(verifier, session, request, LONG)).expect("judged");
    check_verdict(request, &verdict, VOCABULARY).expect("a valid verdict");
    verdict
}

#[test]
fn a_window_that_the_target_would_write_is_accepted_with_a_bonus() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let verdict = judge(&verifier, &session, &request(1, &[], &[1], &[2, 3, 4]));
    assert_eq!(verdict.outcome, Outcome::Accepted { bonus: Some(5) });
    let next = judge(&verifier, &session, &request(2, &[1, 2, 3, 4, 5], &[], &[6]));
    assert_eq!(next.outcome, Outcome::Accepted { bonus: Some(7) });
}

#[test]
fn rows_beyond_a_rejection_are_not_decoded_and_more_draws_go_on_where_the_verdict_ended() {
    let (verifier, decodes) = counting(Duration::ZERO);
    let session = open(&verifier);
    let verdict = judge(&verifier, &session, &request(1, &[], &[1], &[2, 9, 10, 11]));
    assert_eq!((verdict.probs.len(), decodes.load(Ordering::Relaxed)), (2, 2));
    let Outcome::Rejected { replacement: Replacement::Draws(given) } = verdict.outcome else {
        panic!("not rejected with draws")
    };
    let (reply, received) = reply();
    verifier.draws(&session, DrawsRequest { seq: 1, from: 0, count: 8 }, LONG, reply).detach();
    assert_eq!(wait(&received).expect("draws").draws[..given.len()], given[..]);
    let next = judge(&verifier, &session, &request(2, &[1, 2], &[7], &[8]));
    assert_eq!(next.outcome, Outcome::Accepted { bonus: Some(9) });
}

#[test]
fn a_repeated_request_decodes_nothing_and_gets_the_same_verdict() {
    let (verifier, decodes) = counting(Duration::ZERO);
    let session = open(&verifier);
    let window = request(1, &[], &[1], &[2, 9]);
    let first = judge(&verifier, &session, &window);
    let passes = decodes.load(Ordering::Relaxed);
    let again = judge(&verifier, &session, &window);
    assert_eq!((again.probs, again.outcome), (first.probs, first.outcome));
    assert_eq!(decodes.load(Ordering::Relaxed), passes);
}

#[test]
fn a_window_sent_ahead_waits_for_the_one_before_it() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let ahead = VerifyRequest { pipelined: true, ..request(2, &[1, 2, 3], &[], &[4]) };
    let waiting = send(&verifier, &session, &ahead, LONG);
    let first = VerifyRequest { bonus: false, ..request(1, &[], &[1], &[2, 3]) };
    assert_eq!(judge(&verifier, &session, &first).outcome, Outcome::Accepted { bonus: None });
    assert_eq!(wait(&waiting).expect("judged").outcome, Outcome::Accepted { bonus: Some(5) });
}

#[test]
fn a_window_sent_ahead_is_void_after_a_rejection_and_ends_at_its_deadline_when_nothing_comes() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let ahead = VerifyRequest { pipelined: true, ..request(2, &[1, 9, 3], &[], &[4]) };
    let lonely = send(&verifier, &session, &ahead, Duration::from_millis(20));
    assert_eq!(wait(&lonely), Err(VerifierError::DeadlineExceeded { deadline: Duration::from_millis(20) }));
    let waiting = send(&verifier, &session, &ahead, LONG);
    judge(&verifier, &session, &VerifyRequest { bonus: false, ..request(1, &[], &[1], &[9, 3]) });
    assert_eq!(wait(&waiting).expect("judged").outcome, Outcome::Void);
}

#[test]
fn a_continuation_writes_until_an_end_token_and_then_windows_go_on() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let (parts, received) = channel();
    let request_on =
        ContinueRequest { seq: 1, base: 0, base_check: PrefixHash::EMPTY, append: vec![12], max_tokens: 9 };
    verifier.continuation(&session, request_on, LONG, Box::new(move |part| drop(parts.send(part)))).detach();
    let written: Vec<Continued> = received.iter().map(|part| part.expect("a part").value).collect();
    assert_eq!(written[..3], [Continued::Tokens(vec![13]), Continued::Tokens(vec![14]), Continued::Tokens(vec![15])]);
    assert!(matches!(written[3..], [Continued::End(_)]));
    let next = judge(&verifier, &session, &request(2, &[12, 13, 14, 15], &[3], &[4]));
    assert_eq!(next.outcome, Outcome::Accepted { bonus: Some(5) });
}

#[test]
fn another_vocabulary_and_a_grammar_are_refused() {
    let verifier = local(Duration::ZERO);
    for request in [
        OpenRequest { vocabulary: Digest([9; 32]), ..open_request() },
        OpenRequest { grammar: Some("root ::= \"a\"".into()), ..open_request() },
    ] {
        let (reply, received) = reply();
        verifier.open(request, LONG, reply).detach();
        assert!(matches!(wait(&received), Err(VerifierError::Refused(body)) if body.code == ErrorCode::Unsupported));
    }
}

#[test]
fn an_evicted_session_is_gone_with_its_waiting_windows() {
    let verifier = local(Duration::ZERO);
    let session = open(&verifier);
    let ahead = VerifyRequest { pipelined: true, ..request(2, &[1, 2], &[], &[3]) };
    let waiting = send(&verifier, &session, &ahead, LONG);
    verifier.evict(&session);
    assert_eq!(wait(&waiting), Err(VerifierError::SessionGone));
    assert_eq!(wait(&send(&verifier, &session, &request(1, &[], &[1], &[2]), LONG)), Err(VerifierError::SessionGone));
}

#[test]
fn replies_are_late_by_the_round_trip_while_the_next_request_is_decoded() {
    let (verifier, decodes) = counting(ROUND_TRIP);
    let session = open(&verifier);
    let asked = Instant::now();
    let first = send(&verifier, &session, &VerifyRequest { bonus: false, ..request(1, &[], &[1], &[2]) }, LONG);
    let ahead = VerifyRequest { pipelined: true, ..request(2, &[1, 2], &[], &[3]) };
    let second = send(&verifier, &session, &ahead, LONG);
    let first = first.recv_timeout(LONG).expect("an answer").expect("judged");
    assert!(first.elapsed >= ROUND_TRIP && first.bytes.up > 0 && first.bytes.down > 0, "{first:?}");
    assert!(decodes.load(Ordering::Relaxed) >= 2, "the second window waited for the first reply");
    wait(&second).expect("judged");
    assert!(asked.elapsed() < 2 * ROUND_TRIP, "the round trips were added up");
}

#[test]
fn a_reply_that_would_come_too_late_is_a_missed_deadline_when_it_is_due() {
    let verifier = local(ROUND_TRIP);
    let session = open(&verifier);
    let deadline = ROUND_TRIP / 4;
    let asked = Instant::now();
    let missed = wait(&send(&verifier, &session, &request(1, &[], &[1], &[2]), deadline));
    assert_eq!(missed, Err(VerifierError::DeadlineExceeded { deadline }));
    assert!(asked.elapsed() >= deadline);
    judge(&verifier, &session, &request(1, &[], &[1], &[2]));
}

#[test]
fn a_dropped_call_never_replies_and_others_do() {
    let verifier = local(ROUND_TRIP);
    let session = open(&verifier);
    let (reply, received) = reply();
    drop(verifier.verify(&session, request(1, &[], &[1], &[2]), LONG, reply));
    judge(&verifier, &session, &request(1, &[], &[1], &[2]));
    assert!(received.recv().is_err(), "the reply was dropped unused");
}

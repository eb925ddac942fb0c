//! Verdicts: what they say, that repeats repeat them, and what is refused.

use std::time::Duration;

use uhlm_law::model::Sequence as _;
use uhlm_law::protocol::*;
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::speculative::{Outcome, Replacement};
use uhlm_llama::ContextOptions;
use uhlm_server::Limits;

use crate::support::*;
use crate::synthetic::Synthetic;

/// `p` after `tokens`, from a context of its own.
fn alone(tokens: &[TokenId], params: &SamplingParams) -> uhlm_law::sampling::Distribution {
    let options = ContextOptions { context: 1024, threads: 1, batch: 64, sequences: 1 };
    let mut sequence = model().new_sequence(&options).unwrap();
    sequence.decode(tokens, &|| false).unwrap();
    let chain = SamplingChain::new(params.clone()).unwrap();
    let input = ChainInput { logits: sequence.logits(), history: tokens, mask: None };
    chain.distribution(input, &mut Scratch::default()).unwrap()
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 + 2e-3 * a.abs().max(b.abs())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probabilities_of_a_verdict_are_those_of_the_model_alone() {
    let fixture = Fixture::new(llama()).await;
    let params = SamplingParams { temperature: 0.8, penalty_repeat: 1.1, ..SamplingParams::default() };
    let session = fixture.open_with(params.clone(), 1).await;
    let prompt = prompt(20, 0);
    let draft = [3, 9, 14, 3];
    let verdict = session.verify(&window(1, &[], &prompt, &draft, 0.0)).await.unwrap();
    assert_eq!(verdict.probs.len(), draft.len());
    for (i, (&id, &p)) in draft.iter().zip(&verdict.probs).enumerate() {
        let reference = alone(&[&prompt[..], &draft[..i]].concat(), &params).prob(id);
        assert!(close(p, reference), "token {i}: {p} and alone {reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_binary_bring_the_same_verdict() {
    let fixture = Fixture::new(llama()).await;
    let mut verdicts = Vec::new();
    for encoding in [Encoding::Binary, Encoding::Json] {
        let mut session = fixture.open().await;
        session.encoding = encoding;
        let mut verdict = session.verify(&window(1, &[], &prompt(9, 1), &[4, 5, 6], 0.9)).await.unwrap();
        verdict.timing = Timing::default();
        verdicts.push(verdict);
    }
    assert_eq!(verdicts[0], verdicts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_in_the_encoding_that_accept_names() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let body = Encoding::Binary.encode(&window(1, &[], &[1, 2], &[3], 0.0));
    let request = fixture.client.post(format!("{}{}", fixture.url, session.path("verify"))).body(body);
    let response =
        request.header("content-type", MEDIA_BINARY).header("accept", "application/json").send().await.unwrap();
    assert_eq!(encoding_of(&response), Encoding::Json);
    let text = response.text().await.unwrap();
    assert!(text.starts_with(r#"{"seq":1,"probs":["#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_brings_the_same_verdict_and_costs_no_pass() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let request = window(1, &[], &prompt(12, 2), &[7, 8], 1.0);
    let first = session.verify(&request).await.unwrap();
    let passes = fixture.counters().passes;
    assert!(matches!(first.outcome, Outcome::Rejected { .. }));
    for _ in 0..3 {
        assert_eq!(session.verify(&request).await.unwrap(), first);
    }
    assert_eq!(fixture.counters().passes, passes);
    assert_eq!(fixture.counters().verdicts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_while_the_first_is_being_decoded_waits_for_the_same_verdict() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let request = window(1, &[], &[1, 2, 3], &[4, 5], 0.2);
    remote.hold();
    let both = async { tokio::join!(session.verify(&request), session.verify(&request)) };
    let steer = async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        remote.release();
    };
    let ((first, second), ()) = tokio::join!(both, steer);
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!((fixture.counters().passes, fixture.counters().verdicts), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_sent_ahead_waits_for_its_predecessor() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let first = VerifyRequest { bonus: false, ..window(1, &[], &[1], &[2, 3], 0.0) };
    let second = VerifyRequest { pipelined: true, bonus: false, ..window(2, &[1, 2, 3], &[], &[4], 0.0) };
    let third = VerifyRequest { pipelined: true, ..window(3, &[1, 2, 3, 4], &[], &[5], 0.0) };
    let (third, second, first) = tokio::join!(session.verify(&third), session.verify(&second), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        session.verify(&first).await
    });
    assert_eq!(first.unwrap().outcome, Outcome::Accepted { bonus: None });
    assert_eq!(second.unwrap().outcome, Outcome::Accepted { bonus: None });
    bonus(&third.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_sent_ahead_of_a_rejected_one_is_void_and_stays_void() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let first = VerifyRequest { bonus: false, ..window(1, &[], &[1], &[2, 3], 1.0) };
    let second = VerifyRequest { pipelined: true, ..window(2, &[1, 2, 3], &[], &[4], 0.0) };
    assert!(matches!(session.verify(&first).await.unwrap().outcome, Outcome::Rejected { .. }));
    assert_eq!(session.verify(&second).await.unwrap().outcome, Outcome::Void);
    assert_eq!(session.verify(&second).await.unwrap().outcome, Outcome::Void);
    let third = window(3, &[1], &[9], &[4], 0.0);
    bonus(&session.verify(&third).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_whose_predecessor_never_comes_is_refused_with_409() {
    let mut config = config();
    config.limits = Limits { early_wait: Duration::from_millis(80), ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let session = fixture.open().await;
    let ahead = VerifyRequest { pipelined: true, ..window(2, &[1, 2], &[], &[3], 0.0) };
    let refused = session.verify(&ahead).await.unwrap_err();
    assert_eq!((refused.status, refused.body.held), (409, Some(0)));
    bonus(&session.verify(&window(1, &[], &[1], &[2], 0.0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_ahead_sends_the_missing_tail_and_one_that_differs_starts_over() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let verdict = session.verify(&window(1, &[], &[1, 2], &[], 0.0)).await.unwrap();
    let held = [1, 2, bonus(&verdict)];
    let ahead = [&held[..], &[8, 9]].concat();
    let refused = session.verify(&window(2, &ahead, &[], &[3], 0.0)).await.unwrap_err();
    assert_eq!((refused.body.code, refused.body.held), (ErrorCode::Desync, Some(3)));
    let sent = session.verify(&window(2, &held, &ahead[3..], &[3], 0.0)).await.unwrap();
    let differs = session.verify(&window(3, &[7, 7], &[], &[3], 0.0)).await.unwrap_err();
    assert_eq!((differs.body.code, differs.body.held), (ErrorCode::Desync, Some(0)));
    let over = [&ahead[..], &[3]].concat();
    let again = session.verify(&window(3, &[], &over[..5], &[over[5]], 0.0)).await.unwrap();
    assert_eq!(again.probs, sent.probs, "the same tokens, sent whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_draws_go_on_where_the_verdict_stopped() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let verdict = session.verify(&window(1, &[], &prompt(5, 3), &[11, 12], 1.0)).await.unwrap();
    let Outcome::Rejected { replacement: Replacement::Draws(given) } = verdict.outcome else { panic!("not draws") };
    let from_start = session.draws(DrawsRequest { seq: 1, from: 0, count: 12 }).await.unwrap();
    assert_eq!(from_start[..given.len()], given[..]);
    let from = given.len() as u32;
    let rest = session.draws(DrawsRequest { seq: 1, from, count: 12 - from }).await.unwrap();
    assert_eq!(from_start[given.len()..], rest[..]);
    let refused = session.draws(DrawsRequest { seq: 2, from: 0, count: 1 }).await.unwrap_err();
    assert_eq!(refused.status, 409);
    let refused = session.draws(DrawsRequest { seq: 1, from: 0, count: MAX_DRAWS + 1 }).await.unwrap_err();
    assert_eq!(refused.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_with_400_and_leaves_the_session_as_it_was() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let good = window(1, &[], &[1, 2], &[3], 0.5);
    let mut wrong = vec![
        window(1, &[], &[1, 99], &[3], 0.5),
        window(1, &[], &[1], &[99], 0.5),
        window(1, &[], &[1], &[3], 1.5),
        window(1, &[], &[1], &[3; 257], 0.5),
        window(1, &[], &[], &[3], 0.5),
        VerifyRequest { levels: vec![], ..good.clone() },
        VerifyRequest { levels: vec![f32::NAN], ..good.clone() },
    ];
    wrong.push(VerifyRequest { levels: vec![0.5, 0.5], ..good.clone() });
    for request in &wrong {
        assert_eq!(session.verify(request).await.unwrap_err().body.code, ErrorCode::Malformed, "{request:?}");
    }
    for (media, body) in [
        (MEDIA_BINARY, Encoding::Json.encode(&good)),
        (MEDIA_JSON, Encoding::Binary.encode(&good)),
        (MEDIA_BINARY, Encoding::Binary.encode(&good)[1..].to_vec()),
        (MEDIA_BINARY, vec![]),
        ("text/plain", Encoding::Json.encode(&good)),
    ] {
        let request = fixture.client.post(format!("{}{}", fixture.url, session.path("verify")));
        let response = request.header("content-type", media).body(body).send().await.unwrap();
        assert_eq!(answer::<VerifyResponse>(response).await.unwrap_err().status, 400, "{media}");
    }
    bonus(&session.verify(&VerifyRequest { levels: vec![0.0], ..good }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_vocabulary_and_a_grammar_are_refused_with_422_and_bad_sampling_with_400() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let good = fixture.open_request(SamplingParams::default(), 1);
    let other = OpenRequest { vocabulary: Digest([9; 32]), ..good.clone() };
    assert_eq!(fixture.try_open(&other).await.err().unwrap().body.code, ErrorCode::Unsupported);
    let grammar = OpenRequest { grammar: Some("root ::= \"a\"".into()), ..good.clone() };
    assert_eq!(fixture.try_open(&grammar).await.err().unwrap().body.code, ErrorCode::Unsupported);
    let hot = SamplingParams { temperature: -1.0, ..SamplingParams::default() };
    assert_eq!(fixture.try_open(&OpenRequest { sampling: hot, ..good }).await.err().unwrap().status, 400);
    assert_eq!(fixture.counters().sessions_opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_answered_in_the_protocols_own_form() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let get = async |path: &str| fixture.client.get(format!("{}{path}", fixture.url)).send().await.unwrap();
    for (path, status) in [("/", 404), ("/v2/info", 404), ("/v1/sessions", 405)] {
        let response = get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let body = response.bytes().await.unwrap();
        let error: ErrorBody = Encoding::Binary.decode(&body).unwrap();
        assert_eq!(error.code, ErrorCode::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_window_needs_no_levels() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open_with(SamplingParams::greedy(), 1).await;
    let prompt = prompt(10, 4);
    let first = bonus(&session.verify(&window(1, &[], &prompt, &[], 0.0)).await.unwrap());
    let held = [&prompt[..], &[first]].concat();
    let second = bonus(&session.verify(&window(2, &held, &[], &[], 0.0)).await.unwrap());
    // The same tokens drafted: both are the target's own choice.
    let other = fixture.open_with(SamplingParams::greedy(), 2).await;
    let request = VerifyRequest { levels: vec![], ..window(1, &[], &prompt, &[first, second], 0.0) };
    let verdict = other.verify(&request).await.unwrap();
    assert_eq!(verdict.probs, [1.0, 1.0]);
    bonus(&verdict);
    let wrong = VerifyRequest { draft: vec![first, (second + 1) % 7], ..window(2, &[], &prompt, &[], 0.0) };
    let Outcome::Rejected { replacement: Replacement::Support(support) } = other.verify(&wrong).await.unwrap().outcome
    else {
        panic!("not rejected")
    };
    assert_eq!(support, [(second, 1.0)]);
}

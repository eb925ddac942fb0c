//! Too much of anything is refused, and the refusal says when to ask again.

use std::time::Duration;

use futures_util::future::join_all;
use uhlm_law::protocol::*;
use uhlm_server::{Limits, ServerError};

use crate::support::*;
use crate::synthetic::Synthetic;

async fn with(limits: Limits) -> Fixture {
    let mut config = config();
    config.limits = limits;
    Fixture::with(config, Synthetic::large().0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_whether_announced_or_not() {
    let fixture = with(Limits { body: 2000, ..Limits::default() }).await;
    let session = fixture.open().await;
    let large = window(1, &[], &[1; 3000], &[2], 0.0);
    assert_eq!(session.verify(&large).await.unwrap_err().body.code, ErrorCode::TooLarge);
    let chunks = (0..30).map(|_| Ok::<_, std::io::Error>(vec![0u8; 100]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = fixture.client.post(format!("{}{}", fixture.url, session.path("verify"))).body(body);
    let response = request.header("content-type", MEDIA_BINARY).send().await.unwrap();
    assert_eq!(answer::<VerifyResponse>(response).await.unwrap_err().body.code, ErrorCode::TooLarge);
    bonus(&session.verify(&window(1, &[], &[1; 1000], &[2], 0.0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_and_a_sequence_have_their_limits() {
    let fixture = with(Limits { window: 4, context: 50, ..Limits::default() }).await;
    let session = fixture.open().await;
    let code = async |request: VerifyRequest| session.verify(&request).await.unwrap_err().body.code;
    assert_eq!(code(window(1, &[], &[1], &[2; 5], 0.0)).await, ErrorCode::Malformed);
    assert_eq!(code(window(1, &[], &[1; 50], &[2], 0.0)).await, ErrorCode::TooLarge);
    bonus(&session.verify(&window(1, &[], &[1; 45], &[2; 4], 0.0)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let fixture = with(Limits { rate: 1, burst: 5, ..Limits::default() }).await;
    let session = fixture.open().await;
    let answers = join_all((0..6).map(|_| {
        let session = &session;
        async move { session.verify(&window(1, &[], &[1], &[2], 0.0)).await }
    }))
    .await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty());
    for refused in refused {
        assert_eq!((refused.body.code, refused.retry_after), (ErrorCode::RateLimited, Some(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_answered_at_once() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.limits = Limits { queue: 3, ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(fixture.open().await);
    }
    remote.hold();
    let request = window(1, &[], &[1], &[2], 0.0);
    let steer = async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        remote.release();
    };
    let (answers, ()) = tokio::join!(join_all(sessions.iter().map(|s| s.verify(&request))), steer);
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 5);
    for refused in refused {
        assert_eq!((refused.body.code, refused.retry_after), (ErrorCode::Unavailable, Some(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_room_for_too_long_is_refused() {
    let (target, remote) = Synthetic::sized(1, 8192, 512);
    let mut config = config();
    config.limits = Limits { queue_wait: Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let (writer, waiter) = (fixture.open().await, fixture.open().await);
    remote.hold();
    let stream = fixture.send(&writer.path("continue"), Encoding::Binary, &continue_request(1, &[], &[1], 500)).await;
    let steer = async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        remote.allow(3);
    };
    // The only slot is at work for the continuation.
    let request = window(1, &[], &[1], &[2], 0.0);
    let (refused, ()) = tokio::join!(waiter.verify(&request), steer);
    assert_eq!(refused.unwrap_err().body.code, ErrorCode::Unavailable);
    remote.release();
    let (tokens, _) = frames(Encoding::Binary, &stream.bytes().await.unwrap());
    assert_eq!(tokens.len(), 500);
    bonus(&waiter.verify(&request).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_that_do_not_fit_together_are_served_one_after_the_other_or_refused() {
    let (target, remote) = Synthetic::sized(4, 100, 64);
    let mut config = config();
    config.limits = Limits { window: 20, ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let (first, second) = (fixture.open().await, fixture.open().await);
    remote.hold();
    let request = window(1, &[], &[3; 90], &[2], 0.0);
    let steer = async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        remote.release();
    };
    let (a, b, ()) = tokio::join!(first.verify(&request), second.verify(&request), steer);
    for answer in [a, b] {
        assert!(answer.as_ref().is_ok_and(|_| true) || answer.is_err_and(|refused| refused.status == 503));
    }
    bonus(&first.verify(&request).await.unwrap());
    bonus(&second.verify(&request).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_work_are_refused_at_the_start() {
    let mut config = config();
    config.limits.window = 64;
    let error = Fixture::try_with(config, Synthetic::sized(1, 100, 64).0).await.err().expect("refused");
    assert!(matches!(error, ServerError::Config(_)), "{error}");
}

//! Too much of anything is refused, and the refusal says when to ask again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::*;
use uhlm_server::{Limits, ServerError};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedy};

async fn with(limits: Limits) -> Fixture {
    let mut config = config();
    config.limits = limits;
    Fixture::with(config, Synthetic::large().0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_whether_announced_or_not() {
    let fixture = with(Limits { body: 2000, ..Limits::default() }).await;
    let session = fixture.open().await;
    let large = greedily(&[1; 3000], &[2]);
    assert_eq!(session.advance(&large).await.unwrap_err().body.code, ErrorCode::TooLarge);
    let chunks = (0..30).map(|_| Ok::<_, std::io::Error>(vec![0u8; 100]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = fixture.client.post(format!("{}{}", fixture.url, session.path())).body(body);
    let response = request.header("content-type", MEDIA_BINARY).send().await.unwrap();
    assert_eq!(accepted(response).await.unwrap_err().body.code, ErrorCode::TooLarge);
    assert_eq!(session.advance(&greedily(&[1; 1000], &[2])).await.unwrap().ids()[0], greedy(&[1; 1000]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_has_its_limit() {
    let fixture = with(Limits { context: 50, ..Limits::default() }).await;
    let session = fixture.open().await;
    let refused = session.advance(&greedily(&[1; 51], &[])).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::TooLarge);
    let answer = session.advance(&greedily(&[1; 45], &[2; 20])).await.unwrap();
    assert_eq!(answer.ids()[0], greedy(&[1; 45]), "a draft beyond the limit is judged as far as it fits");
    let full = session.advance(&Advance { generation: 1, ..greedily(&[1; 50], &[]) }).await.unwrap();
    assert_eq!((full.ids(), full.end()), (vec![], EndReason::Context));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let fixture = with(Limits { rate: 1, burst: 5, ..Limits::default() }).await;
    let session = fixture.open().await;
    let answers = all(6, |_| async { session.advance(&greedily(&[1], &[2])).await }).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty());
    for refused in refused {
        assert_eq!(refused.body.code, ErrorCode::RateLimited);
        // A second at most, and what keeps those apart who were refused together.
        assert!(refused.retry_after.is_some_and(|seconds| (1..=2).contains(&seconds)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_answered_at_once() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.limits = Limits { queue: 3, ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let sessions = fixture.open_several(8).await;
    remote.hold();
    let request = greedily(&[1], &[2]);
    let refusals = AtomicUsize::new(0);
    let ask = async |session: &Session<'_>| {
        let answer = session.advance(&request).await;
        refusals.fetch_add(usize::from(answer.is_err()), Ordering::Relaxed);
        answer
    };
    let steer = async {
        fixture.until("five are refused", |_| refusals.load(Ordering::Relaxed) == 5).await;
        remote.release();
    };
    let (answers, ()) = tokio::join!(join_all(sessions.iter().map(ask)), steer);
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 5);
    for refused in refused {
        assert_eq!((refused.body.code, refused.retry_after), (ErrorCode::Unavailable, Some(1)));
    }
    assert_eq!(fixture.counters().requests_waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_room_for_too_long_is_refused() {
    let (target, remote) = Synthetic::sized(1, 8192, 512);
    let mut config = config();
    config.limits = Limits { queue_wait: Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let (writer, waiter) = (fixture.open().await, fixture.open().await);
    remote.hold();
    remote.allow(1);
    let endless = greedily(&[1], &[]);
    let begin = Begin { max_tokens: 500, ..endless.begin.clone().unwrap() };
    let endless = Advance { begin: Some(begin), grants: Grants::UNLIMITED, ..endless };
    let stream = writer.stream(&endless).await.unwrap();
    let steer = async {
        remote.until_waiting().await;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            remote.allow(3);
        }
    };
    // The only slot is at work for the stream.
    let request = greedily(&[1], &[2]);
    let refused = tokio::select! {
        answer = waiter.advance(&request) => answer.unwrap_err(),
        () = steer => unreachable!("it goes on until there is an answer"),
    };
    assert_eq!((refused.body.code, refused.retry_after), (ErrorCode::Unavailable, Some(1)));
    remote.release();
    let answer = stream.rest().await;
    assert_eq!((answer.ids().len(), answer.end()), (500, EndReason::Max));
    assert_eq!(waiter.advance(&request).await.unwrap().ids()[0], greedy(&[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_that_do_not_fit_together_are_served_one_after_the_other_or_refused() {
    let (target, remote) = Synthetic::sized(4, 100, 64);
    let fixture = Fixture::new(target).await;
    let (first, second) = (fixture.open().await, fixture.open().await);
    remote.hold();
    let request = greedily(&[3; 90], &[2]);
    let steer = async {
        remote.until_waiting().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        remote.release();
    };
    let (a, b, ()) = tokio::join!(first.advance(&request), second.advance(&request), steer);
    for answer in [a, b] {
        assert!(
            answer.as_ref().is_ok_and(|answer| answer.ids()[0] == greedy(&[3; 90]))
                || answer.is_err_and(|refused| refused.status == 503)
        );
    }
    for session in [first, second] {
        assert_eq!(session.advance(&request).await.unwrap().ids()[0], greedy(&[3; 90]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_work_are_refused_at_the_start() {
    let mut config = config();
    config.limits.draft = 257;
    let error = Fixture::try_with(config, Synthetic::large().0).await.err().expect("refused");
    assert!(matches!(error, ServerError::Config(_)), "{error}");
}

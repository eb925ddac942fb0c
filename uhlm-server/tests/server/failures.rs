//! The target fails, the server stops, a connection says nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::*;
use uhlm_law::model::ModelError;
use uhlm_server::{Limits, ServerError, TlsSource};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Fault, Synthetic, greedily as written, greedy};

fn failure() -> Option<Fault> {
    Some(Fault::Error(ModelError::Decode { reason: "on purpose".into() }))
}

fn full() -> Option<Fault> {
    Some(Fault::Error(ModelError::ContextFull { needed: 1, capacity: 1 }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_pass_is_answered_with_500_and_the_same_request_succeeds_next() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let first = session.advance(&greedily(&[1, 2, 3], &[5])).await.unwrap();
    let held = [1, 2, 3, first.ids()[0]];
    remote.faults([failure()]);
    let request = window(1, &held, &[greedy(&held)]);
    assert_eq!(session.advance(&request).await.unwrap_err().body.code, ErrorCode::Internal);
    assert_eq!(session.advance(&request).await.unwrap().ids(), written(&held, 2));
    assert!(fixture.handle().is_healthy());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_pass_that_fails_only_the_session_is_told_that_the_engine_fails_at() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let sessions = fixture.open_several(3).await;
    // The first pass keeps the engine while all ask; their common one fails, and of its parts the second.
    remote.hold();
    let (busy, request) = (fixture.open().await, greedily(&[1, 2], &written(&[1, 2], 2)));
    remote.faults([None, failure(), None, failure(), None]);
    let steer = async {
        remote.until_waiting().await;
        fixture.until("all have asked", |c| c.requests_waiting == 4).await;
        remote.release();
    };
    let asked = async {
        remote.until_waiting().await;
        all(3, |i| sessions[i].advance(&request)).await
    };
    let (first, answers, ()) = tokio::join!(busy.advance(&request), asked, steer);
    assert_eq!(first.unwrap().ids(), written(&[1, 2], 3));
    let passes = remote.passes();
    assert_eq!(passes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 1, 1, 1], "{passes:?}");
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.iter().map(|refused| refused.body.code).collect::<Vec<_>>(), [ErrorCode::Internal]);
    assert!(!refused[0].body.reason.contains("on purpose"), "what the engine says is not the client's");
    for answer in answers.into_iter().filter_map(Result::ok) {
        assert_eq!(answer.ids(), written(&[1, 2], 3));
    }
    for session in &sessions {
        let again = Advance { generation: 1, ..request.clone() };
        assert_eq!(session.advance(&again).await.unwrap().ids(), written(&[1, 2], 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_fuller_than_counted_makes_room_and_goes_on() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let (rest, session) = (fixture.open().await, fixture.open().await);
    let at_rest = [5, 6, rest.advance(&greedily(&[5, 6], &[7])).await.unwrap().ids()[0]];
    remote.faults([full()]);
    let answer = session.advance(&greedily(&[1, 2, 3], &written(&[1, 2, 3], 1))).await.unwrap();
    assert_eq!(answer.ids(), written(&[1, 2, 3], 2));
    assert_eq!(fixture.counters().sessions_unloaded, 1);
    remote.faults([full()]);
    let held = [vec![1, 2, 3], written(&[1, 2, 3], 2)].concat();
    let request = window(1, &held, &[3]);
    let refused = session.advance(&request).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::Unavailable, "nothing to unload");
    assert_eq!(session.advance(&request).await.unwrap().ids(), [greedy(&held)]);
    assert_eq!(rest.advance(&window(1, &at_rest, &[7])).await.unwrap().ids(), [greedy(&at_rest)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_half_way_says_so_in_its_last_frame() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    remote.hold();
    remote.faults([None, None, failure()]);
    remote.allow(1);
    let request = Advance { grants: Grants::UNLIMITED, ..greedily(&[1, 2], &[]) };
    let stream = session.stream(&request).await.unwrap();
    remote.release();
    let answer = stream.rest().await;
    assert!(matches!(answer.0.last(), Some(Frame::Failed(error)) if error.code == ErrorCode::Internal), "{answer:?}");
    let text = [vec![1, 2], answer.ids()].concat();
    assert_eq!(text, [vec![1, 2], written(&[1, 2], 2)].concat());
    let answer = session.advance(&Advance { grants: passes(2), ..window(1, &text, &[]) }).await.unwrap();
    assert_eq!(answer.ids(), written(&text, 2), "what came before stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_panics_ends_the_server_with_a_failure_and_nobody_hangs() {
    let (target, remote) = Synthetic::large();
    let mut fixture = Fixture::new(target).await.may_fail();
    let address = fixture.handle().local_addr();
    let (session, other) = (fixture.open().await, fixture.open().await);
    remote.faults([Some(Fault::Panic)]);
    let request = greedily(&[1], &[2]);
    let (a, b) = tokio::join!(session.advance(&request), other.advance(&request));
    // A panic may take longer to be reported than an answer waits before it tells its progress.
    let code = |answer: Result<Answer, Refused>| match answer {
        Err(refused) => refused.body.code,
        Ok(answer) => match answer.0.last() {
            Some(Frame::Failed(error)) => error.code,
            last => panic!("{last:?}"),
        },
    };
    assert_eq!((code(a), code(b)), (ErrorCode::Internal, ErrorCode::Internal));
    let is_gone = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), is_gone).await.expect("it does not listen any more");
    let outcome = fixture.try_shutdown().await.unwrap();
    assert!(matches!(outcome, Err(ServerError::TargetStopped)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_about_to_stop_says_so_before_it_does() {
    let mut config = config();
    config.notice = Duration::from_millis(600);
    let mut fixture = Fixture::with(config, Synthetic::large().0).await;
    let (url, client) = (fixture.url.clone(), fixture.client.clone());
    let get = async |path: &str| client.get(format!("{url}{path}")).send().await.unwrap().status();
    assert_eq!(get("/readyz").await, 200);
    let stopped = fixture.shutdown();
    while get("/readyz").await == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((get("/healthz").await, get("/v2/info").await), (http::StatusCode::OK, http::StatusCode::OK));
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("it ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_gives_the_answers_under_way() {
    let (target, remote) = Synthetic::large();
    let mut fixture = Fixture::new(target).await;
    let metrics = fixture.handle().metrics().clone();
    let session = fixture.open().await;
    let (client, url) = (fixture.client.clone(), format!("{}{}", fixture.url, session.path()));
    remote.hold();
    let body = Encoding::Binary.encode(&greedily(&[1], &[2]));
    let send = client.post(&url).header("content-type", MEDIA_BINARY).body(body).send();
    let under_way = tokio::spawn(send);
    remote.until_waiting().await;
    let stopped = fixture.shutdown();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopped.is_finished(), "it waits for the answer");
    let refused = reqwest::Client::builder().timeout(Duration::from_secs(2)).build().unwrap();
    assert!(refused.get(&url).send().await.is_err(), "no new connections");
    remote.release();
    let response = under_way.await.unwrap().unwrap();
    assert_eq!(Stream::new(response).rest().await.ids()[0], greedy(&[1]));
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("it ends").unwrap();
    assert_eq!(metrics.snapshot().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_longer_than_its_grace() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.grace = Duration::from_millis(150);
    let mut fixture = Fixture::with(config, target).await;
    let session = fixture.open().await;
    remote.hold();
    remote.allow(1);
    let request = Advance { grants: Grants::UNLIMITED, ..greedily(&[1], &[]) };
    let mut stream = session.stream(&request).await.unwrap();
    stream.next().await.expect("a frame");
    remote.until_waiting().await;
    let stopped = fixture.shutdown();
    tokio::time::sleep(Duration::from_millis(400)).await;
    remote.release();
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("it ends").unwrap();
    while let Some(frame) = stream.next().await {
        assert!(!matches!(frame, Frame::End(_)), "the stream did not run to its end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_closed() {
    let mut config = config();
    config.tls = TlsSource::Off;
    config.limits = Limits {
        read_wait: Duration::from_millis(100),
        first_request: Duration::from_millis(200),
        ..Limits::default()
    };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let address = fixture.handle().local_addr();
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"POST /v2/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nabc").await.unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        drop(read.expect("closed in time"));
    }
    fixture.until("both are gone", |c| c.connections == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_a_handshake_hurts_nobody() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 1], &[0; 64]] {
        let mut stream = tokio::net::TcpStream::connect(fixture.handle().local_addr()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(fixture.open().await.advance(&greedily(&[1], &[2])).await.unwrap().ids()[0], greedy(&[1]));
}

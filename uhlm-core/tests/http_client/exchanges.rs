//! What goes over the wire when all is well: protocol, headers, tokens, bytes, cancelling.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Version};
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Verifier as _, VerifierError};
use uhlm_law::protocol::{Encoding, MEDIA_BINARY, MEDIA_JSON, VerifyRequest};
use uhlm_net::{BearerToken, TokenError, TokenFuture, TokenProvider};

use crate::support::server::{Act, Answer, FaultServer, Seen};
use crate::support::{LONG, SESSION, get_info, info, open, open_request, opened, reply, verdict, verify, wait, window};

fn client(config: HttpConfig) -> HttpVerifier {
    HttpVerifier::new(config).expect("a client")
}

fn script(encoding: Encoding) -> impl Fn(&Seen, usize) -> Act + Send + Sync {
    move |seen, _| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/v1/info") => Answer::ok(encoding, &info()).into(),
        ("POST", "/v1/sessions") => Answer::ok(encoding, &opened()).into(),
        ("POST", path) if path.ends_with("/verify") => Answer::ok(encoding, &verdict(1)).into(),
        ("DELETE", _) => Answer::new(204, "text/plain", "").into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conversation_runs_over_one_http2_connection() {
    let server = FaultServer::new(script(Encoding::Binary));
    let client = server.client();
    assert_eq!(get_info(&client, LONG).map(|answer| answer.value), Ok(info()));
    assert_eq!(open(&client).map(|answer| answer.value), Ok(opened()));
    assert_eq!(verify(&client, LONG).map(|answer| answer.value), Ok(verdict(1)));
    client.close(SESSION);
    server.wait_for_requests(4);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_2 && seen.connection == 0), "{seen:?}");
    let session = format!("/v1/sessions/{SESSION}");
    assert_eq!(
        seen.iter().map(|seen| (seen.method.clone(), seen.path.clone())).collect::<Vec<_>>(),
        [
            (Method::GET, "/v1/info".into()),
            (Method::POST, "/v1/sessions".into()),
            (Method::POST, format!("{session}/verify")),
            (Method::DELETE, session),
        ]
    );
}

#[test]
fn a_server_without_http2_is_spoken_to_all_the_same() {
    let server = FaultServer::http1(script(Encoding::Binary));
    verify(&server.client(), LONG).expect("a verdict");
    assert_eq!(server.seen()[0].version, Version::HTTP_11);
}

#[test]
fn plain_http_reaches_loopback_where_it_is_allowed() {
    let server = FaultServer::plain(script(Encoding::Binary));
    verify(&server.client(), LONG).expect("a verdict");
}

#[test]
fn headers_are_no_more_than_needed() {
    let server = FaultServer::new(script(Encoding::Binary));
    verify(&server.client(), LONG).expect("a verdict");
    let seen = &server.seen()[0];
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type"]);
    assert_eq!((seen.header("accept"), seen.header("content-type")), (Some(MEDIA_BINARY), Some(MEDIA_BINARY)));
}

#[test]
fn a_user_agent_is_sent_only_if_it_is_set() {
    let server = FaultServer::new(script(Encoding::Binary));
    let named = client(HttpConfig { user_agent: Some("demo/1".into()), ..server.config() });
    verify(&named, LONG).expect("a verdict");
    assert_eq!(server.seen()[0].header("user-agent"), Some("demo/1"));
}

#[test]
fn the_endpoint_may_have_a_path() {
    let server = FaultServer::new(|seen, _| {
        assert_eq!(seen.path, "/llm/a/v1/info");
        Answer::ok(Encoding::Binary, &info()).into()
    });
    let prefixed = client(HttpConfig { endpoint: format!("{}/llm/a", server.endpoint()), ..server.config() });
    get_info(&prefixed, LONG).expect("info");
}

#[test]
fn json_bodies_are_sent_and_read_for_debugging() {
    let server = FaultServer::new(script(Encoding::Json));
    let json = client(HttpConfig { encoding: Encoding::Json, ..server.config() });
    assert_eq!(open(&json).map(|answer| answer.value), Ok(opened()));
    assert_eq!(verify(&json, LONG).map(|answer| answer.value), Ok(verdict(1)));
    let seen = &server.seen()[1];
    assert_eq!(seen.header("content-type"), Some(MEDIA_JSON));
    assert_eq!(Encoding::Json.decode::<VerifyRequest>(&seen.body), Ok(window(1)));
}

#[test]
fn bytes_are_those_of_the_bodies() {
    let server = FaultServer::new(script(Encoding::Binary));
    let answer = verify(&server.client(), LONG).expect("a verdict");
    assert_eq!(answer.bytes.up, Encoding::Binary.encode(&window(1)).len() as u64);
    assert_eq!(answer.bytes.down, Encoding::Binary.encode(&verdict(1)).len() as u64);
    assert_eq!(answer.attempts, 1);
    assert!(answer.elapsed > Duration::ZERO && answer.elapsed < LONG);
}

#[test]
fn a_dropped_call_resets_its_stream_and_leaves_the_others_alone() {
    let server = FaultServer::new(|seen, _| match seen.path.as_str() {
        "/v1/info" => Answer::ok(Encoding::Binary, &info()).into(),
        _ => Act::Hang,
    });
    let client = server.client();
    let (reply, received) = reply();
    let call = client.verify(SESSION, window(1), LONG, reply);
    server.wait_for_requests(1);
    drop(call);
    assert!(server.abandoned().ends_with("/verify"));
    assert!(received.recv().is_err(), "the reply ran although the call was dropped");
    get_info(&client, LONG).expect("the connection still works");
    assert_eq!(server.seen()[1].connection, 0);
}

#[test]
fn a_name_that_cannot_be_a_session_never_reaches_the_wire() {
    let server = FaultServer::new(|_, _| panic!("a request was sent"));
    let client = server.client();
    let (reply, received) = reply();
    client.verify("../info", window(1), LONG, reply).detach();
    assert_eq!(wait(&received).map(drop), Err(VerifierError::SessionGone));
    client.close("../info");
}

/// Gives `token-0`, `token-1` and so on, a new one for each refused one, up to a number.
struct Renewing {
    given: Arc<AtomicUsize>,
    most: usize,
}

impl TokenProvider for Renewing {
    fn token<'a>(&'a self, refused: Option<&'a BearerToken>) -> TokenFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let number = self.given.fetch_add(1, Ordering::SeqCst);
            assert_eq!(refused.is_some(), number > 0);
            if number == self.most {
                return Err(TokenError::Denied);
            }
            Ok(BearerToken::new(&format!("token-{number}")).expect("a token"))
        })
    }
}

fn renewing(server: &FaultServer, most: usize) -> (HttpVerifier, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let provider = Renewing { given: Arc::clone(&given), most };
    (client(server.config().with_token(provider)), given)
}

/// Answers only requests that carry one token.
fn guarded(token: &'static str) -> FaultServer {
    FaultServer::new(move |seen, _| {
        if seen.header("authorization") == Some(&format!("Bearer {token}")) {
            Answer::ok(Encoding::Binary, &verdict(1)).into()
        } else {
            Answer::new(401, "text/plain", "").into()
        }
    })
}

#[test]
fn a_fixed_token_is_sent_and_a_refusal_of_it_is_final() {
    let server = guarded("right");
    let with = |token| client(server.config().with_token(BearerToken::new(token).expect("a token")));
    verify(&with("right"), LONG).expect("a verdict");
    assert_eq!(verify(&with("wrong"), LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_refused_token_is_renewed_once_and_the_new_one_kept() {
    let server = guarded("token-1");
    let (client, given) = renewing(&server, 9);
    let answer = verify(&client, LONG).expect("the second token");
    assert_eq!(answer.attempts, 2);
    verify(&client, LONG).expect("the same token");
    assert_eq!((server.seen().len(), given.load(Ordering::SeqCst)), (3, 2));
    assert_eq!(server.seen()[0].body, server.seen()[1].body);
}

#[test]
fn calls_that_are_refused_together_share_the_new_token() {
    let server = guarded("token-1");
    let (client, given) = renewing(&server, 9);
    let replies: Vec<_> = (0..4)
        .map(|_| {
            let (reply, received) = reply();
            client.verify(SESSION, window(1), LONG, reply).detach();
            received
        })
        .collect();
    for received in &replies {
        wait(received).expect("a verdict");
    }
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[test]
fn a_second_refusal_or_a_provider_without_a_token_is_unauthorized() {
    let server = guarded("never");
    let (stubborn, given) = renewing(&server, 9);
    assert_eq!(verify(&stubborn, LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!((server.seen().len(), given.load(Ordering::SeqCst)), (2, 2));
    let (empty, _) = renewing(&server, 1);
    assert_eq!(verify(&empty, LONG).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_forbidden_call_is_unauthorized_without_asking_for_another_token() {
    let server = FaultServer::new(|_, _| Answer::new(403, "text/plain", "").into());
    let (client, given) = renewing(&server, 9);
    let (reply, received) = reply();
    client.open(open_request(), LONG, reply).detach();
    assert_eq!(wait(&received).map(drop), Err(VerifierError::Unauthorized));
    assert_eq!(given.load(Ordering::SeqCst), 1);
}

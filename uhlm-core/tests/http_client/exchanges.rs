//! The traffic on the wire when all is well: protocol, headers, bytes, cancelling.

use std::time::Duration;

use http::{Method, Version};
use uhlm_core::verifier::VerifierExt as _;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_law::advance::{Advance, Encoding, Frame, MEDIA_BINARY, MEDIA_JSON};

use crate::support::script::{Act, Answer, Seen};
use crate::support::server::FaultServer;
use crate::support::{LONG, SESSION, advance, get_info, info, open, opened, start, verdict, window};

fn client(config: HttpConfig) -> HttpVerifier {
    HttpVerifier::new(config).expect("a client")
}

fn script(encoding: Encoding) -> impl Fn(&Seen, usize) -> Act + Send + Sync {
    move |seen, _| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/v2/info") => Answer::ok(encoding, &info()).into(),
        ("POST", "/v2/sessions") => Answer::ok(encoding, &opened()).into(),
        ("POST", path) if path.ends_with("/advance") => Answer::frames(encoding, &verdict()).into(),
        ("DELETE", _) => Answer::new(204, "text/plain", "").into(),
        other => panic!("{other:?}"),
    }
}

fn frames(client: &HttpVerifier) -> Vec<Frame> {
    advance(client, LONG).expect("an answer").into_iter().map(|answer| answer.value).collect()
}

#[test]
fn a_conversation_runs_over_one_http2_connection() {
    let server = FaultServer::new(script(Encoding::Binary));
    let client = server.client();
    assert_eq!(get_info(&client, LONG).map(|answer| answer.value), Ok(info()));
    assert_eq!(open(&client).map(|answer| answer.value), Ok(opened()));
    assert_eq!(frames(&client), verdict());
    client.close(SESSION);
    server.wait_for_requests(4);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_2 && seen.connection == 0), "{seen:?}");
    let session = format!("/v2/sessions/{SESSION}");
    assert_eq!(
        seen.iter().map(|seen| (seen.method.clone(), seen.path.clone())).collect::<Vec<_>>(),
        [
            (Method::GET, "/v2/info".into()),
            (Method::POST, "/v2/sessions".into()),
            (Method::POST, format!("{session}/advance")),
            (Method::DELETE, session),
        ]
    );
}

#[test]
fn a_server_without_http2_is_spoken_to_all_the_same() {
    let server = FaultServer::http1(script(Encoding::Binary));
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(frames(&client), verdict());
    }
    // A connection is free again a moment after its answer was read, so that the next request may open another one.
    let seen = server.seen();
    assert!(seen.len() == 3 && seen.iter().all(|seen| seen.version == Version::HTTP_11), "{seen:?}");
}

#[test]
fn plain_http_reaches_loopback_where_it_is_allowed() {
    let server = FaultServer::plain(script(Encoding::Binary));
    assert_eq!(frames(&server.client()), verdict());
}

#[test]
fn headers_are_no_more_than_needed() {
    let server = FaultServer::new(script(Encoding::Binary));
    assert_eq!(frames(&server.client()), verdict());
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
    assert_eq!(frames(&named), verdict());
    assert_eq!(server.seen()[0].header("user-agent"), Some("demo/1"));
}

#[test]
fn the_endpoint_may_have_a_path() {
    let server = FaultServer::new(|seen, _| {
        assert_eq!(seen.path, "/llm/a/v2/info");
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
    assert_eq!(frames(&json), verdict());
    let seen = &server.seen()[1];
    assert_eq!(seen.header("content-type"), Some(MEDIA_JSON));
    assert_eq!(Encoding::Json.decode::<Advance>(&seen.body), Ok(window(1)));
}

#[test]
fn bytes_are_those_of_the_bodies() {
    let server = FaultServer::new(script(Encoding::Binary));
    let client = server.client();
    let answer = open(&client).expect("a session");
    assert_eq!(answer.bytes.up, Encoding::Binary.encode(&crate::support::open_request()).len() as u64);
    assert_eq!(answer.bytes.down, Encoding::Binary.encode(&opened()).len() as u64);
    assert_eq!(answer.attempts, 1);
    assert!(answer.elapsed > Duration::ZERO && answer.elapsed < LONG);
}

#[test]
fn a_dropped_call_resets_its_stream_and_leaves_the_others_alone() {
    let server = FaultServer::new(|seen, _| match seen.path.as_str() {
        "/v2/info" => Answer::ok(Encoding::Binary, &info()).into(),
        _ => Act::Hang,
    });
    let client = server.client();
    let (call, received) = start(&client, LONG);
    server.wait_for_requests(1);
    drop(call);
    assert!(server.abandoned().ends_with("/advance"));
    assert!(received.recv().is_err(), "the reply ran although the call was dropped");
    get_info(&client, LONG).expect("the connection still works");
    assert_eq!(server.seen()[1].connection, 0);
}

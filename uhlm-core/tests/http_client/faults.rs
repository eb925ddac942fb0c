//! Connections that break, servers that are busy, answers that never come.

use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier, RetryPolicy};
use uhlm_law::protocol::{Encoding, ErrorBody, ErrorCode};

use crate::support::server::{Act, Answer, FaultServer};
use crate::support::{LONG, SHORT, get_info, info, open, opened, read_window, verdict, verify};

fn ok() -> Act {
    Answer::ok(Encoding::Binary, &verdict(1)).into()
}

fn refusal(status: u16, code: ErrorCode, held: Option<u32>) -> Answer {
    let body = ErrorBody { code, reason: "scripted".into(), held };
    Answer::new(status, Encoding::Binary.media_type(), Encoding::Binary.encode(&body))
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_number_and_body() {
    let server = FaultServer::new(|_, before| match before {
        0 => Act::CutConnection(Answer::ok(Encoding::Binary, &verdict(1))),
        _ => ok(),
    });
    let answer = verify(&server.client(), LONG).expect("the second attempt");
    let seen = server.seen();
    assert_eq!((seen.len(), answer.attempts), (2, 2));
    assert_eq!(read_window(&seen[0].body).seq, 1);
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(answer.bytes.up, 2 * seen[0].body.len() as u64, "repeated bodies count");
    let verdict = Encoding::Binary.encode(&verdict(1)).len() as u64;
    assert_eq!(answer.bytes.down, verdict + verdict / 2);
}

#[test]
fn a_connection_that_breaks_twice_is_unreachable() {
    let server = FaultServer::new(|_, _| Act::CutConnection(Answer::ok(Encoding::Binary, &verdict(1))));
    assert!(matches!(verify(&server.client(), LONG), Err(VerifierError::Unreachable { .. })));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn retries_can_be_turned_off() {
    let server = FaultServer::new(|_, _| Act::CutConnection(Answer::ok(Encoding::Binary, &verdict(1))));
    let retry = RetryPolicy { enabled: false, ..RetryPolicy::default() };
    let client = HttpVerifier::new(HttpConfig { retry, ..server.config() }).expect("a client");
    assert!(verify(&client, LONG).is_err());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_lost_open_is_not_repeated_because_the_session_may_exist() {
    let server = FaultServer::new(|_, _| Act::CutConnection(Answer::ok(Encoding::Binary, &opened())));
    let lost = open(&server.client());
    assert!(matches!(lost, Err(VerifierError::Unreachable { .. })), "{lost:?}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_replaced_without_a_second_attempt() {
    let server = FaultServer::new(|_, before| match before {
        0 => Act::CloseAfter(Answer::ok(Encoding::Binary, &info())),
        _ => Answer::ok(Encoding::Binary, &opened()).into(),
    });
    let client = server.client();
    get_info(&client, LONG).expect("info");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(open(&client).map(|answer| answer.attempts), Ok(1));
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_closed_port_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let client = HttpVerifier::new(HttpConfig::new(format!("https://{free}"))).expect("a client");
    assert!(matches!(get_info(&client, LONG), Err(VerifierError::Unreachable { .. })));
}

#[test]
fn a_server_that_accepts_and_says_nothing_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = HttpVerifier::new(HttpConfig::new(format!("https://{address}"))).expect("a client");
    let asked = Instant::now();
    assert_eq!(get_info(&client, SHORT).map(drop), Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert!(asked.elapsed() >= SHORT && asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_connect_timeout_is_unreachable_before_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
    let client = HttpVerifier::new(HttpConfig { connect_timeout: SHORT / 3, ..HttpConfig::new(endpoint) });
    let failed = get_info(&client.expect("a client"), LONG);
    assert!(
        matches!(&failed, Err(VerifierError::Unreachable { reason }) if reason.contains("timed out")),
        "{failed:?}"
    );
}

#[test]
fn a_verdict_that_stalls_is_cut_by_the_deadline_and_its_stream_reset() {
    let server = FaultServer::new(|_, _| Act::Hang);
    let missed = verify(&server.client(), SHORT).map(drop);
    assert_eq!(missed, Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert!(server.abandoned().ends_with("/verify"));
    assert_eq!(server.seen().len(), 1, "a missed deadline leaves no time to ask again");
}

#[test]
fn a_body_that_stalls_is_cut_by_the_deadline() {
    let pieces = vec![(Duration::ZERO, vec![1])];
    let server = FaultServer::new(move |_, _| Act::Stream(Encoding::Binary.media_type(), pieces.clone(), true));
    let missed = verify(&server.client(), SHORT).map(drop);
    assert_eq!(missed, Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn after_a_missed_deadline_the_next_request_takes_a_new_connection() {
    let server = FaultServer::new(|_, before| if before == 0 { Act::Hang } else { ok() });
    let client = server.client();
    assert!(verify(&client, SHORT).is_err());
    verify(&client, LONG).expect("a verdict");
    let seen = server.seen();
    assert_ne!(seen[0].connection, seen[1].connection, "the dead connection was used again");
}

#[test]
fn reconnecting_leaves_the_old_connection() {
    let server = FaultServer::new(|_, _| ok());
    let client = server.client();
    verify(&client, LONG).expect("a verdict");
    client.reconnect();
    verify(&client, LONG).expect("a verdict");
    let seen = server.seen();
    assert_ne!(seen[0].connection, seen[1].connection);
}

#[test]
fn a_busy_verifier_is_reported_with_what_it_asks_for() {
    let busy = |status, value: Option<String>| {
        let server = FaultServer::new(move |_, _| {
            let answer = refusal(status, ErrorCode::Unavailable, None);
            value.clone().map_or(answer.clone(), |value| answer.with("retry-after", value)).into()
        });
        let result = verify(&server.client(), LONG).map(drop);
        assert_eq!(server.seen().len(), 1);
        result
    };
    let after = |seconds| Err(VerifierError::Busy { retry_after: Some(Duration::from_secs(seconds)) });
    assert_eq!(busy(503, None), Err(VerifierError::Busy { retry_after: None }));
    assert_eq!(busy(503, Some("30".into())), after(30));
    assert_eq!(busy(429, Some("7".into())), after(7));
    assert_eq!(busy(429, Some("whenever".into())), Err(VerifierError::Busy { retry_after: None }));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    let Err(VerifierError::Busy { retry_after: Some(wait) }) = busy(503, Some(date)) else { panic!("not busy") };
    assert!(wait <= Duration::from_secs(100) && wait > Duration::from_secs(80), "{wait:?}");
}

#[test]
fn a_short_wait_that_the_verifier_asks_for_is_kept_within_the_call() {
    let server = FaultServer::new(|_, before| match before {
        0 => refusal(503, ErrorCode::Unavailable, None).with("retry-after", "0").into(),
        _ => ok(),
    });
    assert_eq!(verify(&server.client(), LONG).map(|answer| answer.attempts), Ok(2));
}

#[test]
fn a_wait_that_does_not_fit_the_deadline_is_not_begun() {
    let server = FaultServer::new(|_, _| refusal(503, ErrorCode::Unavailable, None).with("retry-after", "1").into());
    let asked = Instant::now();
    let busy = Err(VerifierError::Busy { retry_after: Some(Duration::from_secs(1)) });
    assert_eq!(verify(&server.client(), Duration::from_millis(900)).map(drop), busy);
    assert!(asked.elapsed() < Duration::from_millis(800));
}

#[test]
fn an_evicted_session_is_gone_and_a_desynchronised_one_says_what_is_held() {
    let with = |answer: Answer| {
        let server = FaultServer::new(move |_, _| answer.clone().into());
        verify(&server.client(), LONG).map(drop)
    };
    assert_eq!(with(refusal(410, ErrorCode::Gone, None)), Err(VerifierError::SessionGone));
    assert_eq!(with(refusal(409, ErrorCode::Desync, Some(17))), Err(VerifierError::Desync { held: 17 }));
    assert_eq!(with(Answer::new(409, "text/html", "<p>")), Err(VerifierError::Desync { held: 0 }));
}

#[test]
fn other_refusals_carry_the_verifiers_reason() {
    for (status, code) in [(422, ErrorCode::Unsupported), (413, ErrorCode::TooLarge), (500, ErrorCode::Internal)] {
        let server = FaultServer::new(move |_, _| refusal(status, code, None).into());
        let Err(VerifierError::Refused(body)) = verify(&server.client(), LONG) else { panic!("not refused") };
        assert_eq!((body.code, body.reason.as_str()), (code, "scripted"));
    }
}

#[test]
fn redirects_are_not_followed() {
    let server = FaultServer::new(|seen, _| {
        assert!(!seen.path.contains("elsewhere"));
        Answer::new(307, "text/plain", "").with("location", "/elsewhere").into()
    });
    assert!(matches!(verify(&server.client(), LONG), Err(VerifierError::InvalidAnswer { .. })));
}

#[test]
fn many_calls_at_once_share_the_connection() {
    let server = FaultServer::new(|_, _| Answer::ok(Encoding::Binary, &info()).into());
    let client = server.client();
    get_info(&client, LONG).expect("warm");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| get_info(&client, LONG).expect("an answer"));
        }
    });
    assert!(server.seen().iter().all(|seen| seen.connection == 0));
}

//! Answers that are lost, servers that are busy or refuse, answers that never come.

use std::time::{Duration, Instant, SystemTime};

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier, RetryPolicy};
use uhlm_law::advance::{ErrorBody, ErrorCode};

use crate::support::script::{Act, Answer};
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, SHORT, advance, get_info, info, open, opened, verdict};

fn ok() -> Act {
    Answer::frames(BINARY, &verdict()).into()
}

/// Half of the first frame comes before the connection breaks.
fn cut() -> Act {
    Act::CutConnection(Answer::frames(BINARY, &verdict()[..1]))
}

fn refusal(status: u16, code: ErrorCode, held: Option<u32>) -> Answer {
    let body = ErrorBody { code, reason: "scripted".into(), held };
    Answer::new(status, BINARY.media_type(), BINARY.encode(&body))
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let server = FaultServer::new(|_, before| match before {
        0 => Act::CutConnection(Answer::ok(BINARY, &info())),
        _ => Answer::ok(BINARY, &info()).into(),
    });
    let answer = get_info(&server.client(), LONG).expect("the second attempt");
    assert_eq!((server.seen().len(), answer.attempts), (2, 2));
    let body = BINARY.encode(&info()).len() as u64;
    assert_eq!(answer.bytes.down, body + body / 2, "what was lost counts");
}

#[test]
fn a_body_that_stalls_is_cut_by_the_deadline() {
    let pieces = vec![(Duration::ZERO, vec![1])];
    let server = FaultServer::new(move |_, _| Act::Stream(BINARY.media_type(), pieces.clone(), true));
    let missed = get_info(&server.client(), SHORT).map(drop);
    assert_eq!(missed, Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert_eq!(server.abandoned(), "stream");
}

#[test]
fn a_connection_that_breaks_twice_is_unreachable() {
    let server = FaultServer::new(|_, _| cut());
    assert!(matches!(advance(&server.client(), LONG), Err(VerifierError::Unreachable { .. })));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn retries_can_be_turned_off() {
    let server = FaultServer::new(|_, _| cut());
    let retry = RetryPolicy { enabled: false, ..RetryPolicy::default() };
    let client = HttpVerifier::new(HttpConfig { retry, ..server.config() }).expect("a client");
    assert!(advance(&client, LONG).is_err());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_lost_open_is_not_repeated_because_the_session_may_exist() {
    let server = FaultServer::new(|_, _| Act::CutConnection(Answer::ok(BINARY, &opened())));
    let lost = open(&server.client());
    assert!(matches!(lost, Err(VerifierError::Unreachable { .. })), "{lost:?}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn an_answer_that_stalls_is_cut_by_the_deadline_and_its_stream_reset() {
    let server = FaultServer::new(|_, _| Act::Hang);
    let missed = advance(&server.client(), SHORT).map(drop);
    assert_eq!(missed, Err(VerifierError::DeadlineExceeded { deadline: SHORT }));
    assert!(server.abandoned().ends_with("/advance"));
    assert_eq!(server.seen().len(), 1, "a missed deadline leaves no time to ask again");
}

#[test]
fn a_busy_verifier_is_reported_with_what_it_asks_for() {
    let busy = |status, value: Option<String>| {
        let server = FaultServer::new(move |_, _| {
            let answer = refusal(status, ErrorCode::Unavailable, None);
            value.clone().map_or(answer.clone(), |value| answer.with("retry-after", value)).into()
        });
        let result = advance(&server.client(), LONG).map(drop);
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
    let frames = advance(&server.client(), LONG).expect("an answer");
    assert_eq!(frames[0].attempts, 2);
}

#[test]
fn a_wait_that_does_not_fit_the_deadline_is_not_begun() {
    let server = FaultServer::new(|_, _| refusal(503, ErrorCode::Unavailable, None).with("retry-after", "1").into());
    let asked = Instant::now();
    let busy = Err(VerifierError::Busy { retry_after: Some(Duration::from_secs(1)) });
    assert_eq!(advance(&server.client(), Duration::from_millis(900)).map(drop), busy);
    assert!(asked.elapsed() < Duration::from_millis(800));
}

#[test]
fn an_evicted_session_is_gone_and_a_desynchronised_one_says_what_is_held() {
    let with = |answer: Answer| {
        let server = FaultServer::new(move |_, _| answer.clone().into());
        advance(&server.client(), LONG).map(drop)
    };
    assert_eq!(with(refusal(410, ErrorCode::Gone, None)), Err(VerifierError::SessionGone));
    assert_eq!(with(refusal(409, ErrorCode::Desync, Some(17))), Err(VerifierError::Desync { held: 17 }));
    assert_eq!(with(Answer::new(409, "text/html", "<p>")), Err(VerifierError::Desync { held: 0 }));
}

#[test]
fn other_refusals_carry_the_verifiers_reason() {
    for (status, code) in [(422, ErrorCode::Unsupported), (413, ErrorCode::TooLarge), (500, ErrorCode::Internal)] {
        let server = FaultServer::new(move |_, _| refusal(status, code, None).into());
        let Err(VerifierError::Refused(body)) = advance(&server.client(), LONG) else { panic!("not refused") };
        assert_eq!((body.code, body.reason.as_str()), (code, "scripted"));
    }
}

#[test]
fn redirects_are_not_followed() {
    let server = FaultServer::new(|seen, _| {
        assert!(!seen.path.contains("elsewhere"));
        Answer::new(307, "text/plain", "").with("location", "/elsewhere").into()
    });
    assert!(matches!(advance(&server.client(), LONG), Err(VerifierError::InvalidAnswer { .. })));
}

//! Answers that break the protocol never get through.

use uhlm_core::verifier::VerifierError;
use uhlm_law::protocol::{Digest, DrawsResponse, Encoding, Info, OpenResponse, VerifyResponse};
use uhlm_law::speculative::{Outcome, Replacement};

use crate::support::server::{Act, Answer, FaultServer};
use crate::support::{LONG, SESSION, draws, get_info, info, open, opened, verdict, verify};

const BINARY: Encoding = Encoding::Binary;

/// Serves one act and returns why the verdict was refused.
fn refused(act: impl Into<Act>) -> String {
    let act = act.into();
    let server = FaultServer::new(move |_, _| act.clone());
    let Err(VerifierError::InvalidAnswer { reason }) = verify(&server.client(), LONG) else {
        panic!("the verdict got through or something else went wrong")
    };
    assert_eq!(server.seen().len(), 1, "nonsense is not asked for again");
    reason
}

fn rejected(draws: Vec<(u32, f32)>) -> VerifyResponse {
    VerifyResponse {
        probs: vec![0.01],
        outcome: Outcome::Rejected { replacement: Replacement::Draws(draws) },
        ..verdict(1)
    }
}

#[test]
fn verdicts_that_do_not_follow_from_their_request_are_invalid() {
    let nonsense = [
        ("another number", verdict(2)),
        (
            "a bonus outside the vocabulary",
            VerifyResponse { outcome: Outcome::Accepted { bonus: Some(1000) }, ..verdict(1) },
        ),
        ("no bonus", VerifyResponse { outcome: Outcome::Accepted { bonus: None }, ..verdict(1) }),
        ("a probability above 1", VerifyResponse { probs: vec![0.5, 1.5, 0.5], ..verdict(1) }),
        ("a probability that is no number", VerifyResponse { probs: vec![0.5, f32::NAN, 0.5], ..verdict(1) }),
        ("more tokens than the window has", VerifyResponse { probs: vec![0.5; 4], ..verdict(1) }),
        ("fewer tokens than the window has", VerifyResponse { probs: vec![0.5; 2], ..verdict(1) }),
        ("an accepted token below its level", VerifyResponse { probs: vec![0.5, 0.1, 0.5], ..verdict(1) }),
        ("void without being sent ahead", VerifyResponse { probs: vec![], outcome: Outcome::Void, ..verdict(1) }),
        ("no draws", rejected(vec![])),
        ("a draw outside the vocabulary", rejected(vec![(1000, 0.5)])),
        ("a draw without probability", rejected(vec![(5, 0.0)])),
        ("a draw that is no number", rejected(vec![(5, f32::NAN)])),
    ];
    for (name, verdict) in nonsense {
        assert!(!refused(Answer::ok(BINARY, &verdict)).is_empty(), "{name}");
    }
}

#[test]
fn a_rejection_with_proper_draws_gets_through() {
    let server = FaultServer::new(|_, _| Answer::ok(BINARY, &rejected(vec![(9, 0.5), (999, 0.25)])).into());
    assert_eq!(verify(&server.client(), LONG).map(|answer| answer.value), Ok(rejected(vec![(9, 0.5), (999, 0.25)])));
}

#[test]
fn bodies_that_are_cut_or_padded_are_invalid() {
    let body = BINARY.encode(&verdict(1));
    refused(Answer::new(200, BINARY.media_type(), &body[..body.len() - 1]));
    refused(Answer::new(200, BINARY.media_type(), ""));
    refused(Answer::new(200, BINARY.media_type(), [body, vec![0]].concat()));
}

#[test]
fn another_content_type_is_invalid() {
    let body = BINARY.encode(&verdict(1));
    for content_type in ["text/html", "application/json", "application/octet-stream"] {
        assert!(refused(Answer::new(200, content_type, body.clone())).contains("content type"));
    }
}

#[test]
fn an_endless_body_is_given_up_at_the_limit() {
    let server = FaultServer::new(|_, _| Act::Endless(BINARY.media_type()));
    let Err(VerifierError::InvalidAnswer { reason }) = verify(&server.client(), LONG) else {
        panic!("an endless body got through")
    };
    assert!(reason.contains("more than 262144 bytes"), "{reason}");
    assert_eq!(server.abandoned(), "endless");
}

#[test]
fn an_endless_refusal_is_still_that_refusal() {
    let server = FaultServer::new(|_, _| Answer::new(410, "text/html", vec![b'.'; 100_000]).into());
    assert_eq!(verify(&server.client(), LONG).map(drop), Err(VerifierError::SessionGone));
}

#[test]
fn draws_are_checked_like_those_of_a_verdict() {
    let with = |given: Vec<(u32, f32)>| {
        let server = FaultServer::new(move |_, _| Answer::ok(BINARY, &DrawsResponse { draws: given.clone() }).into());
        draws(&server.client(), 2).map(|answer| answer.value.draws)
    };
    assert_eq!(with(vec![(1, 0.5), (2, 0.5)]), Ok(vec![(1, 0.5), (2, 0.5)]));
    for nonsense in [vec![], vec![(1, 0.5); 3], vec![(1000, 0.5)], vec![(1, 2.0)], vec![(1, f32::NAN)]] {
        assert!(matches!(with(nonsense), Err(VerifierError::InvalidAnswer { .. })));
    }
}

#[test]
fn a_session_needs_a_proper_name_and_the_vocabulary_that_was_asked_for() {
    let with = |response: OpenResponse| {
        let server = FaultServer::new(move |_, _| Answer::ok(BINARY, &response).into());
        open(&server.client()).map(|answer| answer.value.session)
    };
    assert_eq!(with(opened()).as_deref(), Ok(SESSION));
    let name = |session: &str| OpenResponse { session: session.into(), ..opened() };
    let other = |info: Info| OpenResponse { info, ..opened() };
    for nonsense in [
        name(""),
        name("../../../../../../../etc/passwd.."),
        name(&"é".repeat(16)),
        other(Info { vocabulary: Digest([9; 32]), ..info() }),
        other(Info { vocabulary_size: 0, ..info() }),
        other(Info { protocol: "uhlm-verify/2".into(), ..info() }),
    ] {
        assert!(matches!(with(nonsense), Err(VerifierError::InvalidAnswer { .. })));
    }
}

#[test]
fn the_vocabularys_size_is_learnt_from_the_verifier() {
    let server = FaultServer::new(|seen, _| match seen.path.as_str() {
        "/v1/info" => Answer::ok(BINARY, &Info { vocabulary_size: 7, ..info() }).into(),
        _ => Answer::ok(BINARY, &verdict(1)).into(),
    });
    let config = uhlm_core::verifier::http::HttpConfig { vocabulary_size: None, ..server.config() };
    let client = uhlm_core::verifier::http::HttpVerifier::new(config).expect("a client");
    verify(&client, LONG).expect("nothing is known yet");
    get_info(&client, LONG).expect("info");
    assert!(matches!(verify(&client, LONG), Err(VerifierError::InvalidAnswer { .. })), "7 of 7 got through");
}

//! A verifier out of reach, under each policy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uhlm_ffi::{
    ErrorKind, FinishReason, GenerationEvent, LinkOptions, LinkState, OfflinePolicy, Origin, Recovery, SessionOptions,
    UhlmSession, UhlmVerifier,
};
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::served::Served;

use crate::support::{QUESTION, at_most, chat, engine, finished, greedy, remote, reply, rest, wait};

fn session(served: &Served, proxy: &Proxy, offline: OfflinePolicy) -> Arc<UhlmSession> {
    let verifier = UhlmVerifier::new(remote(format!("https://{}", proxy.address()), served), None).expect("a client");
    let link = LinkOptions { back_off_seconds: Some(0.02), max_back_off_seconds: Some(0.05), ..LinkOptions::default() };
    let options = SessionOptions { offline: Some(offline), link, ..greedy() };
    wait(engine().open_session(Some(verifier), options, None)).expect("valid")
}

fn down() -> (Served, Proxy) {
    let served = Served::start();
    let proxy = Proxy::start(served.address());
    proxy.set(Weather::Resets);
    (served, proxy)
}

#[test]
fn offline_goes_on_alone() {
    let (served, proxy) = down();
    let session = session(&served, &proxy, OfflinePolicy::GoOn);
    let events = reply(&session, chat(QUESTION), at_most(200));
    assert_eq!(finished(&events).0, FinishReason::EndOfReply);
    let alone = |event: &GenerationEvent| match event {
        GenerationEvent::Committed { origin, .. } => *origin == Origin::Unverified,
        _ => true,
    };
    assert!(events.iter().all(alone), "{events:?}");
    let away = |event: &GenerationEvent| match event {
        GenerationEvent::State { link, cause } => *link != LinkState::Online && cause.is_some(),
        _ => false,
    };
    assert!(events.iter().any(away));
    assert_ne!(session.status().expect("open").link, LinkState::Online);
}

#[test]
fn offline_waits_and_then_fails() {
    let (served, proxy) = down();
    let session = session(&served, &proxy, OfflinePolicy::Wait { seconds: 0.4 });
    let began = Instant::now();
    let (_, outcome) = rest(&session.start(chat(QUESTION), at_most(50)).expect("idle"));
    let error = outcome.expect_err("nobody answers");
    assert_eq!((error.kind(), error.recovery()), (ErrorKind::Offline, Recovery::WaitForNetwork), "{error:?}");
    assert!(error.is_retryable());
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[test]
fn offline_fails_at_once() {
    let (served, proxy) = down();
    let session = session(&served, &proxy, OfflinePolicy::Fail);
    let (_, outcome) = rest(&session.start(chat(QUESTION), at_most(50)).expect("idle"));
    let error = outcome.expect_err("nobody answers");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Offline, true), "{error:?}");
    // The same session works when the link is back.
    proxy.set(Weather::Clear);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (events, outcome) = rest(&session.start(chat(QUESTION), at_most(200)).expect("idle"));
        if outcome.is_ok() {
            assert!(finished(&events).1.contains("16787"));
            return;
        }
        assert!(Instant::now() < deadline, "still {outcome:?}");
    }
}

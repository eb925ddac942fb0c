//! The reaction of a session to the state of its device.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::verifier::VerifierError;
use uhlm_core::{
    Consent, DevicePolicy, DeviceState, LinkConfig, LinkState, Mode, OfflinePolicy, Session, SessionOptions, Thermal,
};
use uhlm_testing::counted::Counted;
use uhlm_testing::faulty::{Fate, Faulty};
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{say, session, spy};

fn hot() -> DeviceState {
    DeviceState { thermal: Thermal::Critical, ..DeviceState::default() }
}

fn agreed() -> SessionOptions {
    SessionOptions { consent: Consent::Conversation, ..SessionOptions::default() }
}

#[test]
fn a_hot_device_lets_the_target_write_and_cools_down_again() {
    let spy = spy();
    let session = session(&spy, agreed());
    session.set_device(hot());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert_eq!((statistics.drafted, statistics.verdicts), (0, 0), "the draft model rested");
    assert_eq!(statistics.origins.target, statistics.tokens());
    session.set_device(DeviceState::default());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert!(statistics.drafted > 0 && statistics.verdicts > 0);
}

#[test]
fn a_mode_whose_output_would_change_is_kept_with_small_windows_and_without_drafting_ahead() {
    let session = session(&spy(), SessionOptions { max_window: 16, ..agreed() });
    session.set_device(hot());
    let (_, statistics) = say(&session, "abc", Some(Mode::Opportunistic), None).expect("a reply");
    assert!(statistics.drafted > 0);
    let off = SessionOptions { device: DevicePolicy { may_move: false, ..DevicePolicy::default() }, ..agreed() };
    let session = crate::support::session(&spy(), SessionOptions { max_window: 16, ..off });
    session.set_device(hot());
    let (_, statistics) = say(&session, "abc", None, None).expect("a reply");
    assert!(statistics.drafted > 0, "not moved");
    assert!(statistics.round_tokens.iter().all(|&tokens| tokens <= 4), "{:?}", statistics.round_tokens);
}

#[test]
fn low_memory_gives_up_the_cache_and_the_conversation_goes_on() {
    let model = Counted::new(Arc::new(SyntheticModel::draft()), Duration::ZERO);
    // A pass for each drafted token.
    let options = SessionOptions { mode: Mode::DeviceOnly, seed: Some(1), ngrams: false, ..SessionOptions::default() };
    let session = Session::new(model.model(), None, options).expect("valid options");
    // Passes of the prompt alone: replies differ in length.
    let passes = |text: &str| {
        let before = model.passes();
        let (_, statistics) = say(&session, text, None, None).expect("a reply");
        model.passes() - before - statistics.drafted as usize
    };
    // 96 letters are six passes of the prompt; the next turn only reads what is new.
    let long = "abcdefgh".repeat(12);
    passes(&long);
    let kept = passes("abc");
    session.set_device(DeviceState { low_memory: true, ..DeviceState::default() });
    let read_again = passes("abc");
    assert!(read_again >= kept + 4, "{read_again} passes after, {kept} before");
    assert_eq!(session.messages().len(), 6);
}

#[test]
fn another_network_ends_the_pause_of_a_link_that_failed() {
    let verifier = Faulty::new(SyntheticModel::target().verifier(|config| config));
    verifier.set(|_| Fate::Fail(VerifierError::Unreachable { reason: "no route".into() }));
    // One failure, and then a pause that no test waits for.
    let day = Duration::from_secs(86_400);
    let link = LinkConfig { back_off: day, max_back_off: day, offline_after: 1, ..LinkConfig::default() };
    let options = SessionOptions { link, offline: OfflinePolicy::Fail, seed: Some(1), ..agreed() };
    let session = Session::new(Arc::new(SyntheticModel::draft()), Some(Arc::clone(&verifier) as _), options)
        .expect("valid options");
    assert!(say(&session, "abc", None, None).is_err());
    verifier.mend();
    assert!(say(&session, "abc", None, None).is_err(), "the pause is not over");
    assert_eq!(session.status().link, LinkState::Offline);
    session.on_network_change();
    say(&session, "abc", None, None).expect("asked again at once");
    assert_eq!(session.status().link, LinkState::Online);
}

#[test]
fn the_verifier_is_told_of_another_network() {
    let spy = spy();
    let session = session(&spy, agreed());
    session.on_network_change();
    say(&session, "abc", Some(Mode::DeviceOnly), None).expect("a reply");
    assert_eq!(spy.networks(), 1);
}

//! Consent, redaction and the record.

use uhlm_core::{
    Consent, DraftAhead, GenerationError, GenerationOptions, Mode, Prompt, RecordOptions, Redaction, SentKind,
    SessionOptions,
};
use uhlm_law::chat::Message;
use uhlm_law::window::CloseRule;

use crate::support::{say, session, spy};

const DEVICE: Option<Mode> = Some(Mode::DeviceOnly);

#[test]
fn nothing_leaves_the_device_before_consent() {
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let spy = spy();
        let session = session(&spy, SessionOptions { mode, ..SessionOptions::default() });
        let refused = say(&session, "abc", None, None);
        assert_eq!(refused.map(drop), Err(GenerationError::ConsentRequired { messages: 1 }), "{mode:?}");
        assert!(!session.is_generating() && session.messages().is_empty());
        say(&session, "abc", DEVICE, None).expect("the device alone needs no consent");
        assert!(spy.heard().is_empty(), "{:?}", spy.heard());
        assert_eq!(session.sent().total_requests, 0);
        say(&session, "abc", None, Some(Consent::Conversation)).expect("agreed to");
        assert!(!spy.heard().is_empty());
    }
}

#[test]
fn consent_to_a_message_does_not_cover_what_was_said_before() {
    let spy = spy();
    let session = session(&spy, SessionOptions::default());
    say(&session, "poison", DEVICE, None).expect("the device alone");
    let refused = say(&session, "abc", None, Some(Consent::Message));
    // The secret and its reply would go with it.
    assert_eq!(refused.map(drop), Err(GenerationError::ConsentRequired { messages: 2 }));
    assert!(spy.heard().is_empty());
    session.reset().expect("idle");
    say(&session, "abc", None, Some(Consent::Message)).expect("agreed to");
    say(&session, "def", None, Some(Consent::Message)).expect("agreed to, like the one before");
    assert!(!spy.heard().concat().contains("poison"));
    say(&session, "poison", DEVICE, None).expect("the device alone");
    say(&session, "abc", None, Some(Consent::Conversation)).expect("everything was agreed to");
    assert!(spy.heard().concat().contains("poison"), "consent to the conversation covers it");
}

#[test]
fn restored_messages_and_raw_text_need_consent_of_their_own() {
    let spy = spy();
    let session = session(&spy, SessionOptions { consent: Consent::Message, ..SessionOptions::default() });
    session.set_messages(vec![Message::system("be good")]).expect("idle");
    let refused = say(&session, "abc", None, None);
    assert_eq!(refused.map(drop), Err(GenerationError::ConsentRequired { messages: 1 }));
    // Raw text stands alone, so nothing but itself has to be agreed to.
    let raw = || session.generate(Prompt::Raw("abc".into()), GenerationOptions::default());
    raw().expect("agreed to").blocking_finish().expect("a reply");
    assert!(!spy.heard().concat().contains("be good"));
    session.set_consent(Consent::Withheld);
    assert_eq!(raw().map(drop).err(), Some(GenerationError::ConsentRequired { messages: 1 }));
}

#[test]
fn consent_that_is_withdrawn_shuts_the_way_and_the_verifier_forgets() {
    let spy = spy();
    let session = session(&spy, SessionOptions { consent: Consent::Conversation, ..SessionOptions::default() });
    say(&session, "abc", None, None).expect("agreed to");
    session.set_consent(Consent::Withheld);
    let heard = spy.heard().len();
    assert!(matches!(say(&session, "def", None, None), Err(GenerationError::ConsentRequired { .. })));
    say(&session, "def", DEVICE, None).expect("the device alone");
    assert_eq!((spy.heard().len(), spy.closed()), (heard, 1));
    // Given again, a new session gets everything.
    session.set_consent(Consent::Conversation);
    say(&session, "ghi", None, None).expect("agreed to");
    assert!(spy.heard()[heard..].concat().contains("abc"));
}

#[test]
fn both_models_read_the_redacted_text_and_the_app_keeps_the_original() {
    let spy = spy();
    let redaction = Redaction::new(|text| text.replace("anna", "def"));
    // Without drafting ahead the same words bring the same rolls.
    let plain = SessionOptions {
        consent: Consent::Conversation,
        draft_ahead: DraftAhead::Off,
        close: CloseRule::Fixed(3),
        ..SessionOptions::default()
    };
    let options = SessionOptions { redaction: Some(redaction), ..plain.clone() };
    let redacted = session(&spy, options);
    let (reply, _) = say(&redacted, "i am anna", None, None).expect("a reply");
    say(&redacted, "anna again", DEVICE, None).expect("the device alone");
    say(&redacted, "and now", None, None).expect("a reply");
    let heard = spy.heard().concat();
    assert!(heard.contains("i am def") && heard.contains("def again") && !heard.contains("anna"), "{heard}");
    let said: Vec<_> = redacted.messages().into_iter().map(|message| message.content).collect();
    assert_eq!((said[0].as_str(), said[2].as_str()), ("i am anna", "anna again"));

    // A session that is told the redacted text outright writes the same reply: the draft model read it too.
    let plain = session(&spy, plain);
    assert_eq!(say(&plain, "i am def", None, None).expect("a reply").0, reply);
}

#[test]
fn the_record_has_what_was_sent_and_nothing_else() {
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let spy = spy();
        let record = RecordOptions { text: true, ..RecordOptions::default() };
        let options = SessionOptions { mode, consent: Consent::Conversation, record, ..SessionOptions::default() };
        let session = session(&spy, options);
        for text in ["abc", "def"] {
            say(&session, text, None, None).expect("a reply");
        }
        let record = session.sent();
        let texts: Vec<_> = record.requests.iter().map(|sent| sent.text.clone().unwrap_or_default()).collect();
        assert_eq!(texts, spy.heard(), "{mode:?}");
        assert_eq!(record.requests[0].kind, SentKind::Open);
        assert!(record.requests.iter().all(|sent| sent.bytes > 0 && (sent.tokens == 0) == sent.text.is_none()));
        assert_eq!(record.total_tokens, record.requests.iter().map(|sent| u64::from(sent.tokens)).sum::<u64>());
        session.clear_sent();
        assert_eq!(session.sent().requests, []);
        assert_eq!(session.sent().total_bytes, record.total_bytes);
    }
}

#[test]
fn the_bytes_of_the_record_are_those_of_the_transport() {
    let served = uhlm_testing::served::Served::start();
    let options = SessionOptions {
        consent: Consent::Conversation,
        sampling: uhlm_law::sampling::SamplingParams::greedy(),
        threads: 1,
        ..SessionOptions::default()
    };
    let session = uhlm_testing::pair::draft().session(Some(served.verifier()), options).expect("valid options");
    let (_, statistics) = say(&session, "What is 2 + 3?", None, None).expect("a reply");
    let record = session.sent();
    let answered: u64 = record.requests.iter().filter(|sent| sent.answered).map(|sent| sent.bytes).sum();
    // What a request takes up counts as soon as it is sent, whether or not it is answered.
    assert!(record.total_bytes >= statistics.body_up, "{} {}", record.total_bytes, statistics.body_up);
    assert!(statistics.body_up > 0 && record.total_bytes >= answered);
    assert!(record.requests.iter().all(|sent| sent.text.is_none()), "text is recorded only where it is asked for");
}

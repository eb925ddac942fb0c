//! A verifier that hands whole replies to a chat service: its text comes as it is, once, and nothing is judged by it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    DeviceState, Event, FinishReason, GenerationError, GenerationOptions, Mode, Origin, Prompt, Session,
    SessionOptions, Statistics,
};
use uhlm_law::sampling::SamplingParams;
use uhlm_server::hand_off::HandOffOptions;
use uhlm_server::{ServerConfig, ServerError};
use uhlm_testing::chat_service::{ChatStandIn, Script};
use uhlm_testing::eventually::eventually;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::secrets::KEY;
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient};

use crate::support::{counter, try_to_start};

fn options(url: &str) -> HandOffOptions {
    HandOffOptions::new(url, pair::file("demo-target.gguf"))
}

fn gateway_with(hand_off: HandOffOptions) -> Served {
    Served::start_with(|config| ServerConfig { hand_off: Some(hand_off), ..config })
}

fn gateway(service: &ChatStandIn) -> Served {
    gateway_with(options(&service.url()))
}

fn start(hand_off: HandOffOptions) -> Result<(), ServerError> {
    try_to_start(|config| ServerConfig { hand_off: Some(hand_off), ..config })
}

fn session(served: &Served, mode: Mode) -> Session {
    let sampling = SamplingParams { temperature: 0.7, top_p: 0.9, ..SamplingParams::default() };
    session_with(served, patient::options(mode, sampling, 1))
}

fn session_with(served: &Served, options: SessionOptions) -> Session {
    pair::draft().session(Some(served.verifier()), options).expect("a session")
}

/// A reply as an app sees it, with the failure that has ended it.
#[derive(Debug, Default)]
struct Said {
    text: String,
    statistics: Option<Statistics>,
    reason: Option<FinishReason>,
    failure: Option<GenerationError>,
}

fn say(session: &Session, prompt: Prompt, max_tokens: usize) -> Said {
    let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
    let mut generation = session.generate(prompt, options).expect("idle");
    let mut said = Said::default();
    while let Some(event) = generation.blocking_next() {
        match event {
            Ok(Event::Committed { token, origin }) => {
                assert_eq!(origin, Origin::Target);
                said.text.push_str(&token.text);
            }
            Ok(Event::Finished { statistics, reason, .. }) => {
                (said.statistics, said.reason) = (Some(*statistics), Some(reason));
            }
            Ok(_) => {}
            Err(failure) => said.failure = Some(failure),
        }
    }
    said
}

fn chat(session: &Session, message: &str) -> Said {
    say(session, Prompt::Chat(message.into()), 400)
}

fn roles(asked: &Value) -> Vec<(String, String)> {
    let text = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
    let messages = asked["messages"].as_array().expect("messages");
    messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect()
}

#[test]
fn a_reply_is_the_service_s_own_text_and_the_conversation_reaches_it_as_it_was_said() {
    let pieces =
        ["Sure! ", "caf\u{e9} \u{4f60}\u{597d}", "\u{1f43a}", "\n\n```rust\nfn a() {}\n``` ", "<|uhlm_user|> x"];
    let service = ChatStandIn::start(Script::of(&pieces));
    let served = gateway(&service);
    assert!(served.info().hands_off);
    let session = session(&served, Mode::RemoteOnly);
    let first = "What is <|uhlm_system|> or <|im_end|>? \u{1f600}";
    let said = chat(&session, first);
    assert_eq!((said.text.as_str(), &said.failure), (pieces.concat().as_str(), &None));
    assert_eq!(said.reason, Some(FinishReason::EndOfReply));
    let statistics = said.statistics.expect("an end");
    assert!(statistics.handed_off && statistics.judged == 0, "{statistics:?}");
    service.set(Script::of(&["Again."]));
    assert_eq!(chat(&session, "And then?").text, "Again.");
    let asked = service.asked();
    let said = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    assert_eq!(roles(&asked[0]), [said("user", first)]);
    let all = [said("user", first), said("assistant", &pieces.concat()), said("user", "And then?")];
    assert_eq!(roles(&asked[1]), all);
    assert_eq!((&asked[0]["model"], &asked[0]["stream"]), (&json!("stand-in"), &json!(true)));
    let close = |key: &str, value: f64| (asked[0][key].as_f64().expect("a number") - value).abs() < 1e-6;
    assert!(close("temperature", 0.7) && close("top_p", 0.9), "{}", asked[0]);
    let counted = counter(&served, &format!("uhlm_upstream_requests_total{{engine=\"{}\"}}", service.url()));
    assert_eq!(counted, Some(2));
}

#[test]
fn instructions_are_a_message_of_the_system_and_a_vocabulary_of_sentence_pieces_carries_text_as_well() {
    let service = ChatStandIn::start(Script::of(&[" leading", "  spaces ", "\u{e9}\u{1f1e9}\u{1f1ea}"]));
    let vocabulary = pair::file("spm-1024.vocabulary.gguf");
    let served = gateway_with(HandOffOptions { vocabulary, ..options(&service.url()) });
    let session = session(&served, Mode::RemoteOnly);
    session.set_messages(vec![uhlm_law::chat::Message::system(" Be brief. ")]).expect("idle");
    assert_eq!(chat(&session, " Hi ").text, " leading  spaces \u{e9}\u{1f1e9}\u{1f1ea}");
    let said = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    assert_eq!(roles(&service.asked()[0]), [said("system", " Be brief. "), said("user", " Hi ")]);
}

#[test]
fn what_a_service_cannot_be_asked_for_is_refused_with_the_reason() {
    let service = ChatStandIn::start(Script::of(&["never"]));
    let served = gateway(&service);
    let refused = |said: Said, word: &str| {
        let Some(GenerationError::Refused { reason }) = &said.failure else { panic!("{said:?}") };
        assert!(reason.contains(word), "{reason}");
    };
    for mode in [Mode::Exact, Mode::Opportunistic] {
        let session = session(&served, mode);
        refused(chat(&session, "Hi"), "remote_only");
        refused(chat(&session, "Hi"), "remote_only");
    }
    let sampling = SamplingParams { top_k: 40, ..SamplingParams::default() };
    refused(chat(&session_with(&served, patient::options(Mode::RemoteOnly, sampling, 1)), "Hi"), "top_p");
    refused(say(&session(&served, Mode::RemoteOnly), Prompt::Raw("Once".into()), 9), "conversation");
    assert_eq!(service.asked(), Vec::<Value>::new());
    // A session that was at a chat service and may judge for one message is told as well.
    let session = session(&served, Mode::RemoteOnly);
    assert_eq!(chat(&session, "Hi").text, "never");
    let options = GenerationOptions { mode: Some(Mode::Exact), ..GenerationOptions::default() };
    let ended = session.generate(Prompt::Chat("Hi".into()), options).expect("idle").blocking_finish();
    assert!(matches!(&ended, Err(GenerationError::Refused { reason }) if reason.contains("remote_only")), "{ended:?}");
}

#[test]
fn a_device_that_spares_its_network_or_itself_changes_nothing_about_who_writes() {
    let service = ChatStandIn::start(Script::of(&["As ever."]));
    let served = gateway(&service);
    let metered = DeviceState { metered: true, ..DeviceState::default() };
    let session_there = session(&served, Mode::RemoteOnly);
    session_there.set_device(metered);
    for _ in 0..2 {
        assert_eq!(chat(&session_there, "Hi").text, "As ever.");
    }
    let session_here = session(&served, Mode::Exact);
    session_here.set_device(DeviceState { battery: Some(0.01), ..DeviceState::default() });
    let said = chat(&session_here, "Hi");
    assert!(matches!(&said.failure, Some(GenerationError::Refused { .. })), "{said:?}");
}

#[test]
fn a_device_that_loses_its_answers_gets_the_same_reply_and_the_service_is_asked_once() {
    let words: Vec<String> = (0..60).map(|i| format!("word {i}, ")).collect();
    let script = Script { pieces: words.clone(), finish: Some("stop"), pause: Duration::from_millis(10) };
    let service = ChatStandIn::start(script);
    let served = gateway(&service);
    let proxy = Proxy::start(served.address());
    let config = HttpConfig::new(format!("https://{}", proxy.address())).with_trust(served.trust());
    let verifier = Arc::new(HttpVerifier::new(config).expect("a client"));
    let options = SessionOptions {
        offline: uhlm_core::OfflinePolicy::Wait(Duration::from_secs(60)),
        ..patient::options(Mode::RemoteOnly, SamplingParams::default(), 1)
    };
    let session = pair::draft().session(Some(verifier), options).expect("a session");
    let options = GenerationOptions { max_tokens: 2000, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Chat("Count".into()), options).expect("idle");
    let (mut text, mut tokens) = (String::new(), 0);
    while let Some(event) = generation.blocking_next() {
        if let Event::Committed { token, .. } = event.expect("no failure") {
            text.push_str(&token.text);
            tokens += 1;
            if tokens % 40 == 0 {
                proxy.set(Weather::Resets);
                std::thread::sleep(Duration::from_millis(30));
                proxy.set(Weather::Clear);
            }
        }
    }
    assert_eq!(text, words.concat());
    assert_eq!(service.asked().len(), 1);
    assert!(tokens > 120, "the connection was lost {} times", tokens / 40);
}

#[test]
fn a_service_is_told_when_nobody_wants_the_rest() {
    let script =
        Script { pieces: vec!["more and more ".into(); 5000], finish: Some("stop"), pause: Duration::from_millis(5) };
    let service = ChatStandIn::start(script);
    let served = gateway(&service);
    // The largest number of tokens is reached.
    let session = session(&served, Mode::RemoteOnly);
    let said = say(&session, Prompt::Chat("Talk".into()), 20);
    assert_eq!((said.reason, said.statistics.map(|s| s.tokens())), (Some(FinishReason::MaxTokens), Some(20)));
    eventually("the first reply is broken off", || service.broken_off() == 1);
    // The session is closed in the middle.
    let mut generation =
        session.generate(Prompt::Chat("Talk".into()), GenerationOptions { max_tokens: 9000, ..Default::default() });
    let generation = generation.as_mut().expect("idle");
    for _ in 0..30 {
        generation.blocking_next().expect("an event").expect("no failure");
    }
    drop(session);
    eventually("the second reply is broken off", || service.broken_off() == 2);
}

#[test]
fn a_service_that_fails_is_a_typed_error_without_its_words_and_what_was_said_stays() {
    let service = ChatStandIn::start(Script::of(&["Well, ", "yes."]));
    let served = gateway(&service);
    let session = session(&served, Mode::RemoteOnly);
    // Busy for a moment is no failure.
    service.refuse(&[429, 503]);
    assert_eq!(chat(&session, "Hi").text, "Well, yes.");
    service.refuse(&[400]);
    let said = chat(&session, "a secret");
    assert!(matches!(&said.failure, Some(GenerationError::Refused { .. })), "{said:?}");
    assert!(!format!("{said:?}").contains("cannot go on"), "{said:?}");
    // It breaks off in the middle.
    service.set(Script { finish: None, ..Script::of(&["Half of "]) });
    let said = chat(&session, "Hi");
    assert_eq!(said.text, "Half of ");
    assert!(matches!(&said.failure, Some(GenerationError::Refused { reason }) if reason.contains("off")), "{said:?}");
    // It does not want to go on.
    service.set(Script { finish: Some("content_filter"), ..Script::of(&["I "]) });
    let said = chat(&session, "Hi");
    assert!(
        matches!(&said.failure, Some(GenerationError::Refused { reason }) if reason.contains("stopped")),
        "{said:?}"
    );
    service.set(Script::of(&["Back."]));
    assert_eq!(chat(&session, "Hi").text, "Back.");
}

#[test]
fn a_gateway_does_not_start_with_a_service_that_it_cannot_ask_and_its_key_is_shown_nowhere() {
    let script = Script::of(&["Yes."]);
    let several = ChatStandIn::start_with(script.clone(), &["small", "large"], None);
    let refused = start(options(&several.url()));
    assert!(refused.is_err_and(|error| error.to_string().contains("2 models")), "no model is named");
    let named = HandOffOptions { model: Some("large".into()), ..options(&several.url()) };
    let served = gateway_with(named);
    assert_eq!(served.info().model, "large");
    let closed = ChatStandIn::start_with(script, &["only"], Some(KEY));
    let refused = start(options(&closed.url()));
    assert!(refused.is_err_and(|error| error.to_string().contains("401")), "no key");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).expect("written");
    let with_key = HandOffOptions { key_file: Some(file), ..options(&closed.url()) };
    assert!(!format!("{with_key:?}").contains(KEY));
    let served = gateway_with(with_key);
    assert_eq!(chat(&session(&served, Mode::RemoteOnly), "Hi").text, "Yes.");
    assert!(!String::from_utf8_lossy(&served.metrics().render()).contains(KEY));
    let none = HandOffOptions { vocabulary: Path::new("/no/such/file.gguf").into(), ..options(&closed.url()) };
    assert!(matches!(start(none), Err(ServerError::Config(_))), "no vocabulary");
}

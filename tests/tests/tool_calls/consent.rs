//! What a tool's result sends to the verifier.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};

use uhlm_core::{
    Consent, Event, FinishReason, GenerationError, GenerationOptions, Mode, Prompt, Redaction, Runner, SessionOptions,
    ToolCall, ToolResult, ToolUse,
};

use crate::support::{WEATHER, ask, calling, chat, patient, sent, session, with};

const SECRET: &str = "at the hospital";

#[test]
fn results_are_redacted_before_the_verifier_could_read_them() {
    for knows_tools in [false, true] {
        let redaction = Some(Redaction::new(|text| text.replace(SECRET, "[place]")));
        let options = SessionOptions { redaction, ..patient() };
        let session = session(Mode::Exact, knows_tools, &[&calling(&[WEATHER]), "Ok."], options);
        let runner = Runner::new(|_: &ToolCall| Ok(format!("sunny {SECRET}")));
        let told = ask(&session, chat("weather?"), with(ToolUse::Automatic(runner)));
        assert_eq!((told.text.as_str(), told.results[0].content.as_str()), ("Ok.", "sunny at the hospital"));
        let read = sent(&session);
        assert!(read.contains("sunny [place]") && !read.contains(SECRET), "{read}");
        // The app keeps the original.
        assert_eq!(session.messages()[2].content, "sunny at the hospital");
    }
}

#[test]
fn a_result_that_the_device_alone_has_read_needs_consent_like_a_message() {
    let options = SessionOptions { consent: Consent::Message, ..patient() };
    let session = session(Mode::Exact, true, &[&calling(&[WEATHER]), "Ok.", "Ok."], options);
    let alone = |usage| GenerationOptions { mode: Some(Mode::DeviceOnly), ..with(usage) };
    let runner = Runner::new(|_: &ToolCall| Ok(SECRET.into()));
    ask(&session, chat("weather?"), alone(ToolUse::Automatic(runner)));
    assert_eq!(session.sent().total_requests, 0);
    // The question, the call, the result and the reply would go with the next message.
    let refused = session.generate(chat("and now?"), with(ToolUse::Manual)).err();
    assert_eq!(refused, Some(GenerationError::ConsentRequired { messages: 4 }));
    assert_eq!(session.sent().total_requests, 0);
}

#[test]
fn results_that_the_app_gives_need_consent_of_their_own() {
    let options = SessionOptions { consent: Consent::Withheld, ..patient() };
    let session = session(Mode::Exact, true, &[&calling(&[WEATHER]), "Ok."], options);
    let agreed = GenerationOptions { consent: Some(Consent::Message), ..with(ToolUse::Manual) };
    let told = ask(&session, chat("weather?"), agreed.clone());
    let results = || Prompt::ToolResults(vec![ToolResult::new(&told.calls[0], SECRET)]);
    let refused = session.generate(results(), with(ToolUse::Manual)).err();
    assert_eq!(refused, Some(GenerationError::ConsentRequired { messages: 1 }));
    assert!(!sent(&session).contains(SECRET));
    // Calls that wait for their results still do.
    assert_eq!(ask(&session, results(), agreed).text, "Ok.");
    assert!(sent(&session).contains(SECRET));
}

#[test]
fn consent_that_is_withdrawn_while_a_tool_runs_keeps_its_result_on_the_device() {
    let session = Arc::new(session(Mode::Exact, true, &[&calling(&[WEATHER]), "Ok."], patient()));
    let (go_on, may_go_on) = channel::<()>();
    let (starts, started) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let runner = Runner::new(move |_: &ToolCall| {
        starts.send(()).expect("the test waits");
        let _ = may_go_on.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Ok(SECRET.to_owned())
    });
    let mut generation = session.generate(chat("weather?"), with(ToolUse::Automatic(runner))).expect("idle");
    let mut reason = None;
    while let Some(event) = generation.blocking_next() {
        match event.expect("no failure") {
            Event::ToolCall(_) => {
                started.recv().expect("the tool runs");
                session.set_consent(Consent::Withheld);
                go_on.send(()).expect("the tool waits");
            }
            Event::Finished { reason: ended, .. } => reason = Some(ended),
            _ => {}
        }
    }
    assert_eq!(reason, Some(FinishReason::Cancelled));
    assert!(!sent(&session).contains(SECRET), "{}", sent(&session));
}

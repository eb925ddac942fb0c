//! The events that arrive, and their order.

use uhlm_ffi::{FinishReason, GenerationEvent, Mode, Origin, Prompt};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, parrot};

use crate::support::{
    QUESTION, at_most, chat, committed, drawing, endless, engine, finished, greedy, heavy, load, one_thread, raw,
    reply, verifier, wait,
};

#[test]
fn the_first_event_comes_before_the_end() {
    // Its reply takes seconds, so it has not ended when a busy machine comes to look.
    let session = wait(heavy().open_session(None, one_thread(), None)).expect("valid");
    let generation = session.start(raw(), endless()).expect("idle");
    let first = wait(generation.next()).expect("no error").expect("an event");
    assert!(matches!(first, GenerationEvent::Committed { .. }), "{first:?}");
    assert!(session.status().expect("open").generating, "the first event arrives while the generation runs");
}

/// Checks event by event which may follow which.
fn assert_order(events: &[GenerationEvent], mode: Mode) {
    let (mut open, mut ended) = (0u32, false);
    for event in events {
        assert!(!ended, "{event:?} after the end");
        match event {
            GenerationEvent::Provisional { .. } => open += 1,
            GenerationEvent::Committed { origin, .. } => {
                let fits = match mode {
                    Mode::DeviceOnly => *origin == Origin::Draft,
                    Mode::RemoteOnly => *origin == Origin::Target,
                    Mode::Exact => matches!(origin, Origin::Verified | Origin::Target),
                    Mode::Opportunistic => *origin != Origin::Unverified,
                };
                assert!(fits, "{origin:?} in {mode:?}");
                open = open.saturating_sub(1);
            }
            GenerationEvent::Reasoning { .. } => open = open.saturating_sub(1),
            GenerationEvent::Rollback { tokens } => {
                assert!(*tokens >= 1);
                open = 0;
            }
            GenerationEvent::State { .. }
            | GenerationEvent::ToolCall { .. }
            | GenerationEvent::ToolResult { .. }
            | GenerationEvent::MalformedToolCall { .. } => {}
            GenerationEvent::Finished { .. } => ended = true,
        }
    }
    assert!(ended && open == 0, "{open} tokens are still provisional at the end");
}

#[test]
fn events_come_in_their_order() {
    let served = Served::start();
    let verifier = verifier(&served);
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::DeviceOnly, Mode::RemoteOnly] {
        let session = wait(engine().open_session(Some(verifier.clone()), drawing(), None)).expect("valid");
        for question in pair::questions("heldout").iter().take(8) {
            let options = uhlm_ffi::GenerationOptions { mode: Some(mode), ..at_most(60) };
            assert_order(&reply(&session, chat(question), options), mode);
            session.reset().expect("idle");
        }
    }
}

#[test]
fn the_text_is_the_sum_of_the_commits() {
    let served = Served::start();
    let session = wait(engine().open_session(Some(verifier(&served)), greedy(), None)).expect("valid");
    let events = reply(&session, chat(QUESTION), at_most(200));
    let (finish, text, statistics) = finished(&events);
    assert_eq!((finish, committed(&events)), (FinishReason::EndOfReply, text.clone()));
    assert!(text.contains("16787"), "{text}");
    let tokens = events.iter().filter(|event| matches!(event, GenerationEvent::Committed { .. })).count();
    assert!(statistics.tokens <= tokens as u64 && statistics.tokens > 10, "{statistics:?}");
    let messages = session.messages().expect("open");
    assert_eq!(messages.last().map(|message| message.content.clone()), Some(text));
}

#[test]
fn a_rollback_never_reaches_the_text_stream() {
    let served = Served::start();
    let session = wait(engine().open_session(Some(verifier(&served)), drawing(), None)).expect("valid");
    let (mut rollbacks, mut void) = (0, 0);
    for question in pair::questions("heldout").iter().take(60) {
        let events = reply(&session, chat(question), at_most(60));
        let (_, text, statistics) = finished(&events);
        // The text stream is the commits in order; it only grows.
        let mut stream = String::new();
        for event in &events {
            if let GenerationEvent::Committed { token, .. } = event {
                stream.push_str(&token.text);
                assert!(text.starts_with(&stream), "{stream:?} was never part of {text:?}");
            }
            void += u32::from(matches!(event, GenerationEvent::Rollback { .. }));
        }
        assert_eq!(stream, text);
        rollbacks += statistics.rollbacks;
        session.reset().expect("idle");
    }
    assert!(rollbacks > 0 && void > 0, "without a rollback this shows nothing");
}

#[test]
fn split_characters_arrive_whole() {
    const TEXT: &str = "Grüße! 🎉🚀 漢字かな、한국어 — 👩‍👩‍👧 fin.";
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().join("parrot.gguf");
    parrot::write_parrot(&path, TEXT).expect("written");
    let served = Served::start_with(|config| uhlm_server::ServerConfig { model: path.clone(), ..config });
    let engine = load(&path).expect("a model");
    for mode in [Mode::DeviceOnly, Mode::Exact, Mode::RemoteOnly] {
        let session = wait(engine.open_session(Some(verifier(&served)), greedy(), None)).expect("valid");
        let options = uhlm_ffi::GenerationOptions { mode: Some(mode), ..at_most(200) };
        let events = reply(&session, Prompt::Raw { text: "go".into() }, options);
        let (finish, text, _) = finished(&events);
        assert_eq!((finish, text.as_str()), (FinishReason::EndOfReply, TEXT), "{mode:?}");
        assert_eq!(committed(&events), TEXT, "{mode:?}");
        let whole = |event: &GenerationEvent| match event {
            GenerationEvent::Committed { token, .. } | GenerationEvent::Provisional { token } => {
                !token.text.contains('\u{FFFD}')
            }
            _ => true,
        };
        assert!(events.iter().all(whole), "{mode:?}");
    }
}

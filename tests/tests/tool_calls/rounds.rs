//! Tools that the session has run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uhlm_core::{
    Event, FinishReason, GenerationError, GenerationOptions, Mode, Overflow, Role, Runner, SessionOptions, ToolCall,
    ToolFailure, ToolRunner, ToolUse, Tools,
};

use crate::support::{MODES, WEATHER, ask, calling, chat, listen, patient, session, tools, with};

const TIME: &str = r#"{"name": "get_time", "arguments": {}}"#;

fn automatic(run: impl Fn(&ToolCall) -> Result<String, ToolFailure> + Send + Sync + 'static) -> GenerationOptions {
    with(ToolUse::Automatic(Runner::new(run)))
}

#[test]
fn the_model_goes_on_with_the_results_in_every_mode() {
    let first = format!("Looking. {}", calling(&[WEATHER]));
    for mode in MODES {
        for knows_tools in [false, true] {
            let scripts = [first.as_str(), &calling(&[TIME]), "Sunny, at noon."];
            let session = session(mode, knows_tools, &scripts, patient());
            let told = ask(&session, chat("weather?"), automatic(|call| Ok(format!("{} ok", call.name))));
            assert_eq!(told.text, "Looking. Sunny, at noon.", "{mode:?} {told:?}");
            assert_eq!(told.reason, Some(FinishReason::EndOfReply));
            let said: Vec<_> = told.results.iter().map(|result| result.content.as_str()).collect();
            assert_eq!(said, ["get_weather ok", "get_time ok"]);
            let ids: Vec<_> = told.calls.iter().map(|call| call.id.as_str()).collect();
            assert_eq!(ids, ["call00001", "call00002"]);
            let roles: Vec<Role> = session.messages().iter().map(|message| message.role).collect();
            let round = [Role::Assistant, Role::Tool];
            assert_eq!(roles, [&[Role::User][..], &round, &round, &[Role::Assistant]].concat());
            let whole: u64 = told.statistics.origins.total();
            assert!(whole > 30, "the statistics are those of all rounds: {whole}");
        }
    }
}

#[test]
fn several_calls_run_side_by_side_and_their_results_keep_the_order_of_the_calls() {
    let script = calling(&[WEATHER, TIME]);
    let session = session(Mode::Exact, true, &[&script, "Done."], patient());
    let (time_is_told, told_time) = channel();
    let told_time = Mutex::new(told_time);
    // The first call waits until the result of the second one is told: one after the other, they would never end.
    let options = automatic(move |call| {
        if call.name == "get_weather" {
            let waited = told_time.lock().expect("no panic").recv_timeout(Duration::from_secs(60));
            waited.map_err(|_| ToolFailure("nothing ran beside it".into()))?;
        }
        Ok(call.name.clone())
    });
    let mut generation = session.generate(chat("both"), options).expect("idle");
    let mut told = Vec::new();
    while let Some(event) = generation.blocking_next() {
        if let Event::ToolResult(result) = event.expect("a reply") {
            assert!(!result.is_failure, "{result:?}");
            if result.name == "get_time" {
                time_is_told.send(()).expect("the first call waits");
            }
            told.push(result.name);
        }
    }
    // They are told as they come, and the model reads them in their order.
    assert_eq!(told, ["get_time", "get_weather"]);
    let read: Vec<_> = session.messages().into_iter().filter_map(|message| message.tool_name).collect();
    assert_eq!(read, ["get_weather", "get_time"]);
}

#[test]
fn a_tool_that_fails_panics_or_does_not_exist_is_a_result_that_says_so() {
    let unknown = r#"{"name": "delete_everything", "arguments": {}}"#;
    let script = calling(&[WEATHER, TIME, unknown]);
    let session = session(Mode::Exact, true, &[&script, "Sorry."], patient());
    let told = ask(
        &session,
        chat("all"),
        automatic(|call| match call.name.as_str() {
            "get_weather" => Err(ToolFailure("no network".into())),
            name => panic!("{name} panics"),
        }),
    );
    assert_eq!((told.text.as_str(), told.results.len()), ("Sorry.", 3));
    assert!(told.results.iter().all(|result| result.is_failure));
    let read: Vec<_> = session.messages().into_iter().skip(2).map(|message| message.content).collect();
    let expected = ["Error: no network", "Error: the tool failed", "Error: there is no tool 'delete_everything'"];
    assert_eq!(read[..3], expected);
}

/// Asks before each call, and allows the weather alone.
struct Asking {
    asked: Mutex<Vec<String>>,
    ran: AtomicUsize,
}

impl ToolRunner for Asking {
    fn allows(&self, call: &ToolCall) -> bool {
        self.asked.lock().expect("no panic").push(call.name.clone());
        call.name == "get_weather"
    }

    fn run(&self, call: &ToolCall) -> Result<String, ToolFailure> {
        self.ran.fetch_add(1, Ordering::Relaxed);
        Ok(call.name.clone())
    }
}

#[test]
fn what_the_person_does_not_allow_is_not_run_and_the_model_is_told() {
    let asking: Arc<Asking> = Arc::new(Asking { asked: Mutex::default(), ran: AtomicUsize::new(0) });
    let runner = Runner::from(Arc::clone(&asking) as Arc<dyn ToolRunner>);
    let session = session(Mode::Exact, true, &[&calling(&[TIME, WEATHER]), "Sunny."], patient());
    let told = ask(&session, chat("weather?"), with(ToolUse::Ask(runner)));
    assert_eq!(*asking.asked.lock().expect("no panic"), ["get_time", "get_weather"], "one after another");
    assert_eq!((asking.ran.load(Ordering::Relaxed), told.text.as_str()), (1, "Sunny."));
    let failed: Vec<bool> = told.results.iter().map(|result| result.is_failure).collect();
    assert_eq!(failed, [true, false]);
    assert!(told.results[0].content.contains("did not allow"), "{:?}", told.results);
}

#[test]
fn a_model_that_calls_and_calls_comes_to_an_end() {
    let script = calling(&[TIME]);
    let session = session(Mode::Exact, true, &[&script], patient());
    let tools = Tools { max_rounds: 2, ..tools(ToolUse::Automatic(Runner::new(|_: &ToolCall| Ok("noon".into())))) };
    let told = ask(&session, chat("time?"), GenerationOptions { tools, ..GenerationOptions::default() });
    assert_eq!((told.reason, told.calls.len(), told.results.len()), (Some(FinishReason::ToolCalls), 3, 2));
    // The limit of tokens is one for all rounds.
    session.reset().expect("idle");
    let options = automatic(|_| Ok("noon".into()));
    let most = told.statistics.origins.total() as usize / 3 + 4;
    let told = ask(&session, chat("time?"), GenerationOptions { max_tokens: most, ..options });
    assert_eq!((told.reason, told.statistics.origins.total()), (Some(FinishReason::MaxTokens), most as u64));
}

#[test]
fn cancelling_does_not_wait_for_a_tool() {
    let session = session(Mode::Exact, true, &[&calling(&[TIME]), "Yes."], patient());
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let options = automatic(move |_| {
        // Until the test is over.
        let _ = held.lock().map(|held| held.recv());
        Ok("late".into())
    });
    let mut generation = session.generate(chat("time?"), options).expect("idle");
    let mut reason = None;
    while let Some(event) = generation.blocking_next() {
        match event.expect("no failure") {
            Event::ToolCall(_) => generation.cancel(),
            Event::ToolResult(result) => panic!("nobody waits for {result:?}"),
            Event::Finished { reason: ended, .. } => reason = Some(ended),
            _ => {}
        }
    }
    assert_eq!(reason, Some(FinishReason::Cancelled));
    // No call of the conversation is left without a result.
    let messages = session.messages();
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant], "{messages:?}");
    assert_eq!(messages[2].content, "Error: it was cancelled");
    let told = ask(&session, chat("and now?"), GenerationOptions::default());
    assert_eq!(told.text, "Yes.");
    drop(release);
}

#[test]
fn what_a_tool_gave_stays_where_the_reply_to_it_fails() {
    let options = SessionOptions { overflow: Overflow::Stop, ..patient() };
    let session = session(Mode::DeviceOnly, true, &[&calling(&[TIME]), "Yes."], options);
    let long = "a b ".repeat(5000);
    let result = long.clone();
    let generation = session.generate(chat("time?"), automatic(move |_| Ok(result.clone()))).expect("idle");
    let error = listen(generation).expect_err("the result is longer than the context");
    assert!(matches!(error, GenerationError::PromptTooLong { .. }), "{error:?}");
    let messages = session.messages();
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant], "{messages:?}");
    assert_eq!(messages[2].content, long);
}

#[test]
fn calls_of_a_reply_that_was_cut_off_are_not_run_and_not_left_open() {
    let script = format!("{} {}", calling(&[TIME]), "and so on ".repeat(200));
    let session = session(Mode::DeviceOnly, true, &[&script, "Yes."], patient());
    let options = automatic(|call| panic!("{call:?} is not run"));
    let told = ask(&session, chat("time?"), GenerationOptions { max_tokens: 120, ..options });
    assert_eq!((told.reason, told.calls.len(), told.results.len()), (Some(FinishReason::MaxTokens), 1, 0));
    let roles: Vec<Role> = session.messages().iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(session.messages()[2].content, "Error: the reply was cut off");
}

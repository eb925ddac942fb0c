//! Tools that the app runs itself.

use uhlm_core::{
    FinishReason, GenerationError, GenerationOptions, Mode, Prompt, Role, ToolCall, ToolDefinition, ToolResult,
    ToolUse, Tools,
};

use crate::support::{MODES, WEATHER, ask, calling, chat, patient, sent, session, with};

#[test]
fn a_generation_ends_with_the_calls_and_goes_on_with_the_results() {
    let script = format!("Let me look.\n{}", calling(&[WEATHER, r#"{"name": "get_time", "arguments": {}}"#]));
    for knows_tools in [false, true] {
        for mode in MODES {
            let session = session(mode, knows_tools, &[&script, "It is sunny."], patient());
            let told = ask(&session, chat("weather?"), with(ToolUse::Manual));
            assert_eq!(told.reason, Some(FinishReason::ToolCalls), "{mode:?} {told:?}");
            assert_eq!(told.text, "Let me look.\n", "{mode:?}");
            let names: Vec<&str> = told.calls.iter().map(|call| call.name.as_str()).collect();
            assert_eq!(
                (names, told.calls[0].arguments.as_str()),
                (vec!["get_weather", "get_time"], r#"{"city": "Paris"}"#)
            );
            let results = told.calls.iter().map(|call| ToolResult::new(call, "21 degrees")).collect();
            let told = ask(&session, Prompt::ToolResults(results), with(ToolUse::Manual));
            assert_eq!((told.text.as_str(), told.reason), ("It is sunny.", Some(FinishReason::EndOfReply)), "{mode:?}");
            let roles: Vec<Role> = session.messages().iter().map(|message| message.role).collect();
            assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool, Role::Assistant]);
            assert_eq!(session.messages()[1].tool_calls.len(), 2);
            // What the models read: the definitions and the results. In the opportunistic mode these are sure of
            // everything, so nobody is asked.
            let (read, asks) = (sent(&session), matches!(mode, Mode::Exact | Mode::RemoteOnly));
            for text in ["\"name\": \"get_weather\"", "\"required\": [\"city\"]", "21 degrees"] {
                assert_eq!(read.contains(text), asks, "{mode:?} {text} {read}");
            }
        }
    }
}

#[test]
fn calls_that_wait_when_the_person_goes_on_are_answered_as_not_run() {
    for knows_tools in [false, true] {
        let session = session(Mode::DeviceOnly, knows_tools, &[&calling(&[WEATHER]), "", "Hello."], patient());
        let told = ask(&session, chat("weather?"), with(ToolUse::Manual));
        assert_eq!(told.reason, Some(FinishReason::ToolCalls));
        // The empty reply that closes the turn is the second one of the conversation.
        assert_eq!(ask(&session, chat("never mind"), with(ToolUse::Manual)).text, "Hello.");
        let messages = session.messages();
        let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant, Role::User, Role::Assistant]);
        assert_eq!(messages[2].content, "Error: nobody ran it");
        let late = Prompt::ToolResults(vec![ToolResult::new(&told.calls[0], "sunny")]);
        assert!(session.generate(late, with(ToolUse::Manual)).is_err(), "the call was answered");
    }
}

#[test]
fn what_is_no_call_is_an_event_and_the_conversation_goes_on() {
    let session = session(MODES[1], true, &["Hm. <tool_call>\n{\"name\": }\n</tool_call>", "Sorry."], patient());
    let told = ask(&session, chat("weather?"), with(ToolUse::Manual));
    assert_eq!((told.text.as_str(), told.reason), ("Hm. ", Some(FinishReason::EndOfReply)));
    assert_eq!((told.malformed, told.calls.len()), (vec!["<tool_call>\n{\"name\": }".to_owned()], 0));
    assert_eq!(ask(&session, chat("again"), with(ToolUse::Manual)).text, "Sorry.");
}

#[test]
fn without_tools_nothing_is_a_call() {
    let script = calling(&[WEATHER]);
    let session = session(MODES[1], true, &[&script], patient());
    let told = ask(&session, chat("weather?"), GenerationOptions::default());
    assert_eq!((told.text, told.calls.len()), (script, 0));
    let told = ask(&session, Prompt::Raw("weather?".into()), with(ToolUse::Manual));
    assert_eq!(told.calls.len(), 0, "raw text has no tools");
}

#[test]
fn tools_and_results_that_make_no_sense_are_refused_before_anything_is_written() {
    let session = session(MODES[1], true, &[&calling(&[WEATHER]), "Sunny."], patient());
    let refused = |prompt: Prompt, tools: Tools| {
        let options = GenerationOptions { tools, ..GenerationOptions::default() };
        let error = session.generate(prompt, options).err();
        assert!(matches!(error, Some(GenerationError::InvalidTools { .. })), "{error:?}");
        assert!(!session.is_generating());
    };
    let broken = ToolDefinition::new("get_weather", "", "{");
    refused(chat("x"), Tools { definitions: vec![broken], ..Tools::default() });
    let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() };
    refused(Prompt::ToolResults(vec![ToolResult::new(&call, "x")]), Tools::default());
    let told = ask(&session, chat("weather?"), with(ToolUse::Manual));
    refused(Prompt::ToolResults(Vec::new()), Tools::default());
    refused(Prompt::ToolResults(vec![ToolResult::new(&call, "x")]), Tools::default());
    let right = ToolResult::new(&told.calls[0], "x");
    refused(Prompt::ToolResults(vec![right.clone(), right.clone()]), Tools::default());
    refused(Prompt::ToolResults(vec![right.clone(), ToolResult::new(&call, "x")]), Tools::default());
    assert_eq!(ask(&session, Prompt::ToolResults(vec![right]), with(ToolUse::Manual)).text, "Sunny.");
}

//! Tools that a model calls, and who runs them.

use std::sync::{Arc, Mutex, OnceLock};

use uhlm_ffi::{
    ErrorKind, FinishReason, GenerationEvent, GenerationOptions, Mode, ModelOptions, Prompt, Role, SessionOptions,
    ToolCall, ToolChoice, ToolDefinition, ToolError, ToolResult, ToolRunner, ToolUse, Tools, UhlmEngine, UhlmSession,
};
use uhlm_testing::parrot;

use crate::support::{chat, finished, greedy, model, reply, wait};

/// Returns a session of a model that calls `get_weather` in every reply.
fn caller() -> Arc<UhlmSession> {
    static CALLER: OnceLock<Arc<UhlmEngine>> = OnceLock::new();
    let load = || {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("caller.gguf");
        parrot::write_parrot(&path, parrot::CALL).expect("written");
        let chat_template = Some("{% for m in messages %}{{ m.content }}\n{% endfor %}".to_owned());
        wait(UhlmEngine::load(ModelOptions { chat_template, ..model(&path) }, None)).expect("a model")
    };
    let options = SessionOptions { mode: Some(Mode::DeviceOnly), ..greedy() };
    wait(CALLER.get_or_init(load).open_session(None, options, None)).expect("valid")
}

fn tools(usage: ToolUse) -> GenerationOptions {
    let parameters = r#"{"type": "object", "properties": {"city": {"type": "string"}}}"#.to_owned();
    let weather = ToolDefinition { name: "get_weather".into(), description: "Tells the weather.".into(), parameters };
    let tools = Tools { definitions: vec![weather], usage: Some(usage), max_rounds: Some(1), choice: None };
    GenerationOptions { tools, ..GenerationOptions::default() }
}

fn calls(events: &[GenerationEvent]) -> Vec<ToolCall> {
    let call = |event: &GenerationEvent| match event {
        GenerationEvent::ToolCall { call } => Some(call.clone()),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn results(events: &[GenerationEvent]) -> Vec<ToolResult> {
    let result = |event: &GenerationEvent| match event {
        GenerationEvent::ToolResult { result } => Some(result.clone()),
        _ => None,
    };
    events.iter().filter_map(result).collect()
}

/// Runs what it is told to, and notes what it was asked.
struct Running {
    allows: bool,
    result: Result<String, ToolError>,
    ran: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl ToolRunner for Running {
    async fn allows(&self, _: ToolCall) -> Result<bool, ToolError> {
        Ok(self.allows)
    }

    async fn run(&self, call: ToolCall) -> Result<String, ToolError> {
        self.ran.lock().expect("no panic").push(call.arguments);
        self.result.clone()
    }
}

fn runner(allows: bool, result: Result<&str, &str>) -> Arc<Running> {
    let result = result.map(str::to_owned).map_err(|reason| ToolError::Failed { reason: reason.into() });
    Arc::new(Running { allows, result, ran: Mutex::default() })
}

#[test]
fn a_call_of_a_tool_ends_the_reply_and_its_result_goes_on() {
    let session = caller();
    let events = reply(&session, chat("weather?"), tools(ToolUse::Manual));
    let called = calls(&events);
    assert_eq!((called.len(), called[0].name.as_str()), (1, "get_weather"));
    assert_eq!(called[0].arguments, r#"{"city": "Paris"}"#);
    let (finish, text, _) = finished(&events);
    assert_eq!((finish, text.as_str()), (FinishReason::ToolCalls, "I will look.\n"));
    let invalid = |prompt: Prompt, options: GenerationOptions| {
        assert_eq!(session.start(prompt, options).expect_err("refused").kind(), ErrorKind::InvalidOptions);
    };
    let result =
        |id: &str| ToolResult { id: id.into(), name: "get_weather".into(), content: "sunny".into(), is_failure: false };
    invalid(Prompt::ToolResults { results: vec![result("another")] }, tools(ToolUse::Manual));
    let mut broken = tools(ToolUse::Manual);
    broken.tools.definitions[0].parameters = "{".into();
    invalid(chat("again"), broken);
    let events = reply(&session, Prompt::ToolResults { results: vec![result(&called[0].id)] }, tools(ToolUse::Manual));
    assert_eq!(finished(&events).0, FinishReason::ToolCalls);
    let roles: Vec<Role> = session.messages().expect("open").iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
}

#[test]
fn tools_are_run_and_one_that_fails_is_a_result() {
    let session = caller();
    let refused = session.start(chat("weather?"), tools(ToolUse::Automatic)).expect_err("there is no runner");
    assert_eq!(refused.kind(), ErrorKind::InvalidOptions);
    let sunny = runner(false, Ok("sunny"));
    session.set_tool_runner(Some(sunny.clone()));
    let events = reply(&session, chat("weather?"), tools(ToolUse::Automatic));
    assert_eq!(*sunny.ran.lock().expect("no panic"), [r#"{"city": "Paris"}"#], "one round");
    let told = results(&events);
    assert_eq!((told.len(), told[0].content.as_str(), told[0].is_failure), (1, "sunny", false));
    assert_eq!((calls(&events).len(), finished(&events).0), (2, FinishReason::ToolCalls));
    assert_eq!(session.messages().expect("open")[2].content, "sunny");
    let session = caller();
    session.set_tool_runner(Some(runner(true, Err("no network"))));
    let told = results(&reply(&session, chat("weather?"), tools(ToolUse::Automatic)));
    assert_eq!((told[0].content.as_str(), told[0].is_failure), ("Error: no network", true));
}

#[test]
fn a_reply_is_a_call_where_it_has_to_be_one() {
    let session = caller();
    let forced = |choice: ToolChoice| {
        let mut options = tools(ToolUse::Manual);
        let city = r#""properties": {"city": {"const": "Rome"}}, "required": ["city"]"#;
        options.tools.definitions[0].parameters =
            format!(r#"{{"type": "object", {city}, "additionalProperties": false}}"#);
        options.tools.choice = Some(choice);
        options
    };
    for choice in [ToolChoice::Required, ToolChoice::Named { name: "get_weather".into() }] {
        session.reset().expect("idle");
        let events = reply(&session, chat("weather?"), forced(choice));
        let called = calls(&events);
        assert_eq!((called.len(), called[0].arguments.as_str()), (1, r#"{"city": "Rome"}"#));
        let (finish, text, _) = finished(&events);
        assert_eq!((finish, text.as_str()), (FinishReason::ToolCalls, ""));
    }
    session.reset().expect("idle");
    let none = forced(ToolChoice::Named { name: "get_rich".into() });
    assert_eq!(session.start(chat("again"), none).expect_err("refused").kind(), ErrorKind::InvalidOptions);
}

#[test]
fn a_call_that_is_not_allowed_is_not_run() {
    let session = caller();
    let refusing = runner(false, Ok("sunny"));
    session.set_tool_runner(Some(refusing.clone()));
    let told = results(&reply(&session, chat("weather?"), tools(ToolUse::Ask)));
    assert!(refusing.ran.lock().expect("no panic").is_empty());
    assert!(told[0].is_failure && told[0].content.contains("did not allow"), "{told:?}");
}

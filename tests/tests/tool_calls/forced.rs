//! Replies that have to be a call.

use uhlm_core::{
    DraftModel, FinishReason, GenerationError, GenerationOptions, Grammar, Mode, Prompt, Role, Runner, Session,
    SessionOptions, ToolCall, ToolChoice, ToolDefinition, ToolUse, Tools,
};
use uhlm_grammar::{Constraint, Tables};
use uhlm_law::model::LanguageModel as _;
use uhlm_testing::pair;
use uhlm_testing::served::Served;
use uhlm_tools::{Piece, ToolFormat, ToolParser, forced_call};

use crate::support::{MODES, ask, chat, model, patient, session};

fn definitions() -> Vec<ToolDefinition> {
    let object = |name: &str, values: &str| {
        format!(
            r#"{{"type": "object", "properties": {{"{name}": {{"enum": {values}}}}}, "required": ["{name}"],
                "additionalProperties": false}}"#
        )
    };
    vec![
        ToolDefinition::new("get_weather", "Tells the weather.", object("city", r#"["Paris", "Rome"]"#)),
        ToolDefinition::new("get_time", "Tells the time.", object("zone", r#"["CET", "EST"]"#)),
    ]
}

fn forced(choice: ToolChoice, usage: ToolUse) -> GenerationOptions {
    let tools = Tools { definitions: definitions(), choice, usage, ..Tools::default() };
    GenerationOptions { tools, ..GenerationOptions::default() }
}

/// Opens a session of the bundled pair, which calls nothing by itself, with a server.
fn open(mode: Mode, knows_tools: bool, served: &Served) -> Session {
    let model = DraftModel::from(model(knows_tools));
    Session::new(model, Some(served.verifier()), SessionOptions { mode, ..patient() }).expect("valid options")
}

#[test]
fn a_model_that_would_say_something_else_calls_a_tool_as_its_schema_says_in_every_mode() {
    let served = Served::start();
    for mode in MODES {
        for knows_tools in [false, true] {
            for choice in [ToolChoice::Required, ToolChoice::Named("get_time".into())] {
                let session = open(mode, knows_tools, &served);
                let told = ask(&session, chat("weather?"), forced(choice.clone(), ToolUse::Manual));
                assert_eq!(told.reason, Some(FinishReason::ToolCalls), "{mode:?} {choice:?} {told:?}");
                assert!(told.malformed.is_empty() && told.text.is_empty(), "{told:?}");
                let [call] = &told.calls[..] else { panic!("one call: {told:?}") };
                let arguments: serde_json::Value = serde_json::from_str(&call.arguments).expect("JSON");
                let fits = match call.name.as_str() {
                    "get_weather" => {
                        choice == ToolChoice::Required && ["Paris", "Rome"].map(Into::into).contains(&arguments["city"])
                    }
                    "get_time" => ["CET", "EST"].map(Into::into).contains(&arguments["zone"]),
                    _ => false,
                };
                assert!(fits && arguments.as_object().is_some_and(|object| object.len() == 1), "{call:?}");
            }
        }
    }
}

#[test]
fn in_every_format_the_grammar_allows_a_call_that_is_read_as_one() {
    let tables = Tables::of_language(pair::target()).expect("tables");
    let ends = pair::target().vocabulary().ends();
    for format in ToolFormat::ALL {
        let grammar = Grammar::Lark(forced_call(format, &definitions(), |_| None));
        let mut matcher = tables.compile(&grammar).expect("a valid grammar").matcher(&ends);
        let mut ids = Vec::new();
        loop {
            let mask = Constraint::mask(&mut matcher, &ids).expect("a mask");
            // Whatever may come before the end does; everything that the schemas leave open is finite.
            match mask.ids().find(|id| !ends.contains(id)) {
                Some(id) => ids.push(id),
                None => break,
            }
        }
        assert!(Constraint::is_complete(&mut matcher, &ids), "{format:?}");
        let text = pair::target().detokenize(&ids);
        let names = definitions().into_iter().map(|tool| tool.name);
        let mut parser = ToolParser::new(format, names, "", Vec::new());
        let mut pieces = Vec::new();
        if format == ToolFormat::Harmony {
            // Its marks count as tokens alone, and this vocabulary has none.
            assert!(text.starts_with(b"<|channel|>commentary to=functions.get_"), "{}", String::from_utf8_lossy(&text));
            continue;
        }
        pieces.extend(parser.push(&text, b""));
        pieces.extend(parser.finish());
        let is_blank = |piece: &Piece| matches!(piece, Piece::Text { bytes, .. } if bytes.trim_ascii().is_empty());
        pieces.retain(|piece| !is_blank(piece));
        assert!(matches!(pieces[..], [Piece::Call(_)]), "{format:?} {pieces:?}");
    }
}

#[test]
fn what_the_model_writes_with_the_results_is_up_to_it() {
    let runner = Runner::new(|call: &ToolCall| Ok(format!("{} ok", call.name)));
    let session = session(Mode::DeviceOnly, true, &["Never.", "Sunny."], patient());
    let told = ask(&session, chat("weather?"), forced(ToolChoice::Required, ToolUse::Automatic(runner)));
    assert_eq!((told.text.as_str(), told.results.len()), ("Sunny.", 1), "{told:?}");
    let roles: Vec<Role> = session.messages().iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
}

#[test]
fn a_call_that_cannot_be_forced_is_refused_before_the_first_token() {
    let session = session(Mode::DeviceOnly, true, &["Hm."], patient());
    let refused = |prompt: Prompt, options: GenerationOptions| match session.generate(prompt, options) {
        Err(GenerationError::InvalidTools { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let required = || forced(ToolChoice::Required, ToolUse::Manual);
    let without = Tools { choice: ToolChoice::Required, ..Tools::default() };
    let none = refused(chat("hi"), GenerationOptions { tools: without, ..GenerationOptions::default() });
    assert!(none.contains("no tool that could be called"), "{none}");
    let other = refused(chat("hi"), forced(ToolChoice::Named("get_rich".into()), ToolUse::Manual));
    assert!(other.contains("no tool 'get_rich'"), "{other}");
    let grammar = Some(Grammar::Regex("a".into()));
    let both = refused(chat("hi"), GenerationOptions { grammar, ..required() });
    assert!(both.contains("not both"), "{both}");
    assert!(refused(Prompt::Raw("hi".into()), required()).contains("raw text"));
}

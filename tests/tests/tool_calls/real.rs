//! Fifty conversations on real models, by hand: `docs/real-models.md` has the command and what it gave.
//!
//! Each is one question with tools, answered by an automatic runner. A call counts as right if it names the expected
//! tool and its arguments hold the expected text; a question that needs no tool, if none is called.

use std::path::PathBuf;
use std::time::Duration;

use uhlm_core::{
    Engine, GenerationOptions, LoadOptions, Mode, OfflinePolicy, Runner, Session, SessionOptions, ToolCall, ToolChoice,
    ToolDefinition, ToolUse, Tools,
};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::served::Served;

use crate::support::{ask, chat, patient};

/// Questions with the tool that they need and a text that its arguments must hold; an empty tool for none.
const QUESTIONS: [(&str, &str, &str); 50] = [
    ("What is the weather in Paris?", "get_weather", "Paris"),
    ("Is it raining in Hamburg right now?", "get_weather", "Hamburg"),
    ("Do I need an umbrella in London today?", "get_weather", "London"),
    ("How warm is it in Cairo?", "get_weather", "Cairo"),
    ("Tell me the weather in S\u{e3}o Paulo.", "get_weather", "Paulo"),
    ("Weather in Tokyo, please.", "get_weather", "Tokyo"),
    ("Will it snow in Oslo today?", "get_weather", "Oslo"),
    ("I am in Rome. What is the weather like?", "get_weather", "Rome"),
    ("Compare nothing, just tell me the weather in Madrid.", "get_weather", "Madrid"),
    ("Wie ist das Wetter in Wien?", "get_weather", "Wien"),
    ("What time is it in Tokyo?", "get_time", "Tokyo"),
    ("Tell me the current time in New York.", "get_time", "New York"),
    ("What's the time in Berlin now?", "get_time", "Berlin"),
    ("Is it already night in Sydney? Look up the time there.", "get_time", "Sydney"),
    ("Current time in Delhi?", "get_time", "Delhi"),
    ("What time is it in Lima?", "get_time", "Lima"),
    ("Please check the time in Nairobi.", "get_time", "Nairobi"),
    ("I have to call somebody in Seoul. What time is it there?", "get_time", "Seoul"),
    ("Time in Toronto?", "get_time", "Toronto"),
    ("Wie sp\u{e4}t ist es in Moskau?", "get_time", "Mos"),
    ("Set a timer for 10 minutes.", "set_timer", "10"),
    ("Start a timer of 5 minutes for the tea.", "set_timer", "5"),
    ("Remind me in 30 minutes with a timer.", "set_timer", "30"),
    ("Timer, 45 minutes, please.", "set_timer", "45"),
    ("I need a timer for 3 minutes.", "set_timer", "3"),
    ("Set the timer to 90 minutes.", "set_timer", "90"),
    ("Please start a 15 minute timer.", "set_timer", "15"),
    ("Set a timer for 20 minutes called pasta.", "set_timer", "20"),
    ("A timer for 60 minutes.", "set_timer", "60"),
    ("Stelle einen Timer auf 12 Minuten.", "set_timer", "12"),
    ("Search my notes for the word invoice.", "search_notes", "invoice"),
    ("Find my note about the garden.", "search_notes", "garden"),
    ("What did I write about Lisbon in my notes?", "search_notes", "Lisbon"),
    ("Look in my notes for the recipe of pancakes.", "search_notes", "pancake"),
    ("Do my notes mention the dentist?", "search_notes", "dentist"),
    ("Search notes: password policy", "search_notes", "password"),
    ("Find the note with the wifi code.", "search_notes", "wifi"),
    ("Which of my notes is about taxes?", "search_notes", "tax"),
    ("Search my notes for \"quotes \\\" inside\".", "search_notes", "quotes"),
    ("Suche in meinen Notizen nach Urlaub.", "search_notes", "Urlaub"),
    ("Say hello.", "", ""),
    ("What is two plus two?", "", ""),
    ("Write one sentence about the sea.", "", ""),
    ("Thank you very much!", "", ""),
    ("Which language is spoken in Brazil?", "", ""),
    ("Write a function in Python that adds two numbers.", "", ""),
    ("Spell the word house.", "", ""),
    ("Name three colours.", "", ""),
    ("Who wrote Hamlet?", "", ""),
    ("Good night.", "", ""),
];

fn definitions() -> Vec<ToolDefinition> {
    let schema = |field: &str, kind: &str| {
        format!(r#"{{"type": "object", "properties": {{"{field}": {{"type": "{kind}"}}}}, "required": ["{field}"]}}"#)
    };
    vec![
        ToolDefinition::new("get_weather", "Tells the weather in a city.", schema("city", "string")),
        ToolDefinition::new("get_time", "Tells the time in a city.", schema("city", "string")),
        ToolDefinition::new("set_timer", "Starts a timer.", schema("minutes", "integer")),
        ToolDefinition::new("search_notes", "Searches the notes of the user.", schema("words", "string")),
    ]
}

/// Calls that the model makes as it likes, and that are answered at once.
fn offered() -> Tools {
    let answer = |call: &ToolCall| Ok(format!("{{\"result\": \"ok\", \"of\": \"{}\"}}", call.name));
    let usage = ToolUse::Automatic(Runner::new(answer));
    Tools { definitions: definitions(), usage, max_rounds: 2, ..Tools::default() }
}

/// The models that are named, the target behind a server.
struct Pair {
    engine: Engine,
    served: Served,
    threads: u32,
}

impl Pair {
    fn named() -> Self {
        let named = |variable: &str| PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("{variable}?")));
        let engine = Engine::load(named("UHLM_REAL_DRAFT"), &LoadOptions::default()).expect("a draft model");
        let (model, threads) = (named("UHLM_REAL_TARGET"), number("UHLM_REAL_THREADS").unwrap_or(2));
        let served = Served::start_with(|config| {
            let engine = EngineOptions { threads, ..config.engine };
            ServerConfig { engine, model, ..config }
        });
        Self { engine, served, threads }
    }

    fn session(&self, mode: Mode) -> Session {
        let (threads, offline) = (self.threads, OfflinePolicy::Wait(Duration::from_secs(300)));
        let options = SessionOptions { mode, threads, offline, ..patient() };
        self.engine.session(Some(self.served.verifier()), options).expect("valid options")
    }
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The questions that are asked: all, or as many as `UHLM_REAL_QUESTIONS` says, evenly chosen.
fn questions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    QUESTIONS.into_iter().step_by(50 / number("UHLM_REAL_QUESTIONS").unwrap_or(50))
}

#[test]
#[ignore = "needs models: UHLM_REAL_DRAFT and UHLM_REAL_TARGET name GGUF files of one vocabulary"]
fn real_models_call_tools() {
    let pair = Pair::named();
    for mode in [Mode::DeviceOnly, Mode::Exact] {
        let session = pair.session(mode);
        let (mut right, mut called, mut malformed, mut rounds) = (0, 0, 0, 0);
        for (question, tool, argument) in questions() {
            session.reset().expect("idle");
            let options = GenerationOptions { tools: offered(), max_tokens: 160, ..GenerationOptions::default() };
            let told = ask(&session, chat(question), options);
            let first = told.calls.first();
            let is_right = match first {
                None => tool.is_empty(),
                Some(call) => call.name == tool && call.arguments.contains(argument),
            };
            eprintln!(
                "{mode:?} {} {question:?} -> {:?} {:?} {:?}",
                if is_right { "right" } else { "WRONG" },
                first.map(|call| format!("{}({})", call.name, call.arguments)),
                told.malformed,
                told.text
            );
            right += usize::from(is_right);
            called += usize::from(first.is_some());
            malformed += told.malformed.len();
            rounds += told.results.len();
        }
        let asked = questions().count();
        eprintln!("{mode:?}: {right} right of {asked}, {called} with calls, {malformed} malformed, {rounds} results");
    }
}

/// Every question, those that need no tool too, is answered by a call, and every call can be read.
#[test]
#[ignore = "needs models: UHLM_REAL_DRAFT and UHLM_REAL_TARGET name GGUF files of one vocabulary"]
fn calls_that_real_models_are_forced_to_can_be_read() {
    let pair = Pair::named();
    for mode in [Mode::DeviceOnly, Mode::Exact] {
        let session = pair.session(mode);
        let (mut right, mut needed, mut unread) = (0, 0, Vec::new());
        for (question, tool, argument) in questions() {
            session.reset().expect("idle");
            let tools = Tools { definitions: definitions(), choice: ToolChoice::Required, ..Tools::default() };
            let options = GenerationOptions { tools, max_tokens: 160, ..GenerationOptions::default() };
            let told = ask(&session, chat(question), options);
            eprintln!("{mode:?} {question:?} -> {:?} {:?} {:?}", told.calls, told.malformed, told.text);
            let arguments = told.calls.first().map(|call| serde_json::from_str::<serde_json::Value>(&call.arguments));
            match arguments {
                Some(Ok(arguments)) if arguments.is_object() && told.malformed.is_empty() => {}
                _ => unread.push(question),
            }
            let first = told.calls.first();
            needed += usize::from(!tool.is_empty());
            right += usize::from(first.is_some_and(|call| call.name == tool && call.arguments.contains(argument)));
        }
        eprintln!("{mode:?}: {right} right of {needed} that need a tool, {} not read", unread.len());
        assert!(unread.is_empty(), "{mode:?}: no call that can be read: {unread:?}");
    }
}

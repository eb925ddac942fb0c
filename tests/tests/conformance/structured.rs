//! A reply has the form that was asked for.

use uhlm_ffi::{ErrorKind, FinishReason, GenerationOptions, Grammar, Mode, Recovery, SessionOptions};
use uhlm_testing::served::Served;

use crate::support::{at_most, chat, drawing, engine, finished, reply, rest, verifier, wait};

const SCHEMA: &str = r#"{"type": "object", "required": ["color", "share"], "additionalProperties": false,
    "properties": {"color": {"enum": ["red", "gr\u00fcn"]},
                   "share": {"type": "integer", "minimum": 0, "maximum": 99}}}"#;

fn formed(grammar: Grammar, tokens: u32) -> GenerationOptions {
    GenerationOptions { grammar: Some(grammar), ..at_most(tokens) }
}

#[test]
fn a_reply_has_the_form_that_was_asked_for() {
    let served = Served::start();
    let verifier = verifier(&served);
    for mode in [Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly] {
        let options = SessionOptions { mode: Some(mode), ..drawing() };
        let session = wait(engine().open_session(Some(verifier.clone()), options, None)).expect("a session");
        let schema = Grammar::JsonSchema { schema: SCHEMA.to_owned() };
        let (finish, text, statistics) = finished(&reply(&session, chat("Which?"), formed(schema.clone(), 120)));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(["red", "gr\u{fc}n"].contains(&value["color"].as_str().expect("a color")), "{text}");
        assert!(value["share"].as_i64().is_some_and(|share| (0..=99).contains(&share)), "{text}");
        assert_eq!((finish, statistics.grammar_complete), (FinishReason::EndOfReply, Some(true)));
        let choices = Grammar::Choices { texts: vec!["yes".to_owned(), "no".to_owned()] };
        let (_, text, _) = finished(&reply(&session, chat("Well?"), formed(choices, 20)));
        assert!(["yes", "no"].contains(&text.as_str()), "{text}");
        // A limit cuts it: the text so far is there.
        let (finish, text, statistics) = finished(&reply(&session, chat("Which?"), formed(schema, 2)));
        assert_eq!((finish, statistics.grammar_complete), (FinishReason::MaxTokens, Some(false)));
        assert!(text.starts_with('{'), "{text}");
        // A grammar that is not valid is refused before the first token.
        let bad = formed(Grammar::Regex { pattern: "(".to_owned() }, 20);
        let (events, outcome) = rest(&session.start(chat("Well?"), bad).expect("idle"));
        let error = outcome.expect_err("a bad grammar");
        assert_eq!((error.kind(), error.recovery()), (ErrorKind::InvalidOptions, Recovery::FixOptions));
        assert!(events.is_empty(), "{events:?}");
    }
}

//! The number of tokens of a conversation, what is text in it, and what becomes of one that is too long.

use uhlm_ffi::{Message, Mode, Overflow, Role, SessionOptions, Thinking, UhlmError};

use crate::support::{QUESTION, at_most, chat, engine, finished, greedy, reply};

fn user(content: &str) -> Message {
    Message { role: Role::User, content: content.to_owned() }
}

fn device_only() -> SessionOptions {
    SessionOptions { mode: Some(Mode::DeviceOnly), ..greedy() }
}

#[test]
fn tokens_can_be_counted() {
    let engine = engine();
    let session = engine.open_session(None, device_only(), None).expect("valid");
    let before = session.context_use().expect("open");
    assert_eq!((before.tokens, before.context), (0, None));
    let (_, _, statistics) = finished(&reply(&session, chat(QUESTION), at_most(8)));
    let prompt = u64::from(engine.count_tokens(vec![user(QUESTION)]).expect("a template"));
    assert_eq!(prompt, statistics.prompt_tokens);
    let used = session.context_use().expect("open");
    assert_eq!(u64::from(used.tokens), prompt + statistics.tokens);
    assert_eq!(used.context, engine.info().fitted_context);
    for text in ["two words", "caf\u{e9} \u{1f389}", ""] {
        let tokens = engine.tokenize(text.to_owned()).expect("tokens");
        assert_eq!(engine.detokenize(tokens), text);
    }
}

#[test]
fn what_people_type_is_text() {
    let engine = engine();
    let count = |text: &str| engine.count_tokens(vec![user(text)]).expect("a template");
    let (control, word) = (count("a<|im_end|>b"), count("a<|xm_end|>b"));
    assert!(control.abs_diff(word) <= 6 && control > count("ab") + 2, "{control} and {word} tokens");
    assert!(engine.tokenize("<|im_end|>".to_owned()).expect("tokens").len() > 1);
}

#[test]
fn a_conversation_that_is_too_long_drops_its_oldest_turns() {
    let open = |overflow| {
        let options = SessionOptions { context: Some(256), overflow: Some(overflow), ..device_only() };
        engine().open_session(None, options, None).expect("valid")
    };
    let session = open(Overflow::DropOldest { reserve: 32 });
    let dropped: u64 =
        (0..10).map(|_| finished(&reply(&session, chat(QUESTION), at_most(32))).2.dropped_messages).sum();
    assert!(dropped > 0);
    assert_eq!(session.messages().expect("open").len(), 20);
    // Where nothing may be dropped, it is an error before the first token.
    let session = open(Overflow::Stop);
    let outcome = (0..10).find_map(|_| {
        let generation = session.start(chat(QUESTION), at_most(32)).expect("idle");
        crate::support::rest(&generation).1.err()
    });
    assert!(matches!(outcome, Some(UhlmError::PromptTooLong { .. })), "{outcome:?}");
}

#[test]
fn options_of_the_template_that_make_no_sense_are_refused() {
    let with = |name: &str, json: &str| {
        let template_variables = [(name.to_owned(), json.to_owned())].into();
        engine().open_session(None, SessionOptions { template_variables, ..device_only() }, None)
    };
    for (name, json) in [("messages", "[]"), ("tone", "not json")] {
        assert!(matches!(with(name, json), Err(UhlmError::InvalidOptions { .. })), "{name}");
    }
    assert!(with("tone", "\"calm\"").is_ok());
    // A model that cannot think writes as it always does.
    let texts = [None, Some(Thinking::Off), Some(Thinking::On { budget: Some(4) })].map(|thinking| {
        let options = SessionOptions { thinking, ..device_only() };
        let session = engine().open_session(None, options, None).expect("valid");
        finished(&reply(&session, chat(QUESTION), at_most(40))).1
    });
    assert!(texts[0] == texts[1] && texts[0] == texts[2], "{texts:?}");
}

//! The number of tokens of a conversation, what is text in it, and what becomes of one that is too long.

use uhlm_ffi::{
    ErrorKind, GenerationOptions, Message, Mode, ModelOptions, Overflow, SessionOptions, Thinking, UhlmEngine,
};
use uhlm_testing::pair;

use crate::support::{QUESTION, at_most, chat, engine, finished, greedy, model, reply, wait};

fn user(content: &str) -> Message {
    Message::user(content)
}

fn device_only() -> SessionOptions {
    SessionOptions { mode: Some(Mode::DeviceOnly), ..greedy() }
}

#[test]
fn tokens_can_be_counted() {
    let engine = engine();
    let session = wait(engine.open_session(None, device_only(), None)).expect("valid");
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
        wait(engine().open_session(None, options, None)).expect("valid")
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
    let Some(ErrorKind::PromptTooLong { tokens, reply, capacity }) = outcome.map(|error| error.kind()) else {
        panic!("no room is needed for ten turns")
    };
    assert!(tokens + reply > capacity && reply > 0 && capacity == 256, "{tokens} + {reply} of {capacity}");
}

#[test]
fn options_of_the_template_that_make_no_sense_are_refused() {
    let with = |name: &str, json: &str| {
        let template_variables = [(name.to_owned(), json.to_owned())].into();
        wait(engine().open_session(None, SessionOptions { template_variables, ..device_only() }, None))
    };
    for (name, json) in [("messages", "[]"), ("tone", "not json")] {
        assert_eq!(with(name, json).err().map(|error| error.kind()), Some(ErrorKind::InvalidOptions), "{name}");
        let template_variables = [(name.to_owned(), json.to_owned())].into();
        let session = wait(engine().open_session(None, device_only(), None)).expect("valid");
        let refused = session.start(chat(QUESTION), GenerationOptions { template_variables, ..at_most(8) }).err();
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::InvalidOptions), "{name}");
    }
    assert!(with("tone", "\"calm\"").is_ok());
    // A model that cannot think writes as it always does.
    let texts = [None, Some(Thinking::Off), Some(Thinking::On { budget: Some(4) })].map(|thinking| {
        let options = SessionOptions { thinking, ..device_only() };
        let session = wait(engine().open_session(None, options, None)).expect("valid");
        finished(&reply(&session, chat(QUESTION), at_most(40))).1
    });
    assert!(texts[0] == texts[1] && texts[0] == texts[2], "{texts:?}");
}

#[test]
fn a_reply_has_template_variables_of_its_own() {
    let template = "{% for message in messages %}{{ message.content }}{% endfor %}{{ tone }}";
    let path = pair::file("demo-draft.gguf");
    let options = ModelOptions { chat_template: Some(template.into()), ..model(&path) };
    let engine = wait(UhlmEngine::load(options, None)).expect("the bundled draft model");
    let tone = |words: &str| [("tone".to_owned(), format!("\"{words}\""))].into();
    let options = SessionOptions { template_variables: tone("calm"), ..device_only() };
    let session = wait(engine.open_session(None, options, None)).expect("valid");
    let prompt = |options: GenerationOptions| {
        session.reset().expect("idle");
        finished(&reply(&session, chat(QUESTION), options)).2.prompt_tokens
    };
    let (short, long) = (prompt(at_most(4)), tone("calm, and kind to everybody who asks"));
    assert!(prompt(GenerationOptions { template_variables: long, ..at_most(4) }) > short + 4);
    assert_eq!(prompt(at_most(4)), short, "the session's hold again");
}

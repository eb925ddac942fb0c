//! Models that think before they reply, from the template to the events, against a real target in this process.
//!
//! The demo pair does not think. It is told that it does: its prompt ends within reasoning, which it writes on until
//! the budget ends it.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{DraftAhead, Event, FinishReason, GenerationOptions, Mode, Prompt, Session, SessionOptions, Thinking};
use uhlm_law::chat::{DraftModel, Message, Reasoning, ReasoningFormat, RenderOptions};
use uhlm_law::model::Decoder as _;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_testing::alike::Thinks;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::pair;
use uhlm_testing::patient;

const REASONING: Reasoning =
    Reasoning { format: ReasoningFormat::Tags { open: "<think>", close: "</think>" }, has_switch: false };

/// Returns the demo draft model, with a prompt that ends within reasoning unless that is turned off.
fn thinker() -> DraftModel {
    let model = DraftModel::from(Arc::clone(pair::draft().model()));
    let template = Arc::clone(&model.template);
    let render = move |messages: &[Message], options: &RenderOptions| {
        let mut rendered = template.render(messages, &RenderOptions { thinking: None, ..options.clone() })?;
        rendered.push_template("<think>\n");
        if options.thinking == Some(false) {
            rendered.push_template(&REASONING.skipping(&rendered.text()));
        }
        Ok(rendered)
    };
    DraftModel { template: Arc::new(Thinks { reasoning: REASONING, render }), ..model }
}

fn options(mode: Mode, temperature: f32, seed: u64) -> SessionOptions {
    patient::options(mode, SamplingParams { temperature, ..SamplingParams::default() }, seed)
}

fn session(round_trip: u64, options: SessionOptions) -> Session {
    let target = pair::target();
    let round_trip = Duration::from_millis(round_trip);
    let config = LocalConfig { round_trip, ..LocalConfig::of(Arc::clone(&target) as _, 1024) };
    let verifier = LocalVerifier::new(config, Box::new(move || Arc::clone(&target).sequence(0, 1)));
    let model = thinker();
    Session::new(model, Some(Arc::new(verifier.expect("a thread"))), options).expect("valid options")
}

/// A reply as it was told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    thought: Vec<TokenId>,
    said: Vec<TokenId>,
    reasoning: String,
    text: String,
    reason: Option<FinishReason>,
    /// Number of tokens of prompt and reply.
    whole: u64,
}

fn write(session: &Session, prompt: &str, options: GenerationOptions) -> Told {
    let mut generation = session.generate(Prompt::Chat(prompt.into()), options).expect("idle");
    let (mut told, mut streamed) = (Told::default(), String::new());
    while let Some(event) = generation.blocking_next() {
        match event.expect("no failure") {
            Event::Reasoning { token, .. } => told.thought.push(token.id),
            Event::Committed { token, .. } => {
                streamed.push_str(&token.text);
                told.said.push(token.id);
            }
            Event::Finished { reason, text, reasoning, statistics } => {
                assert_eq!(statistics.reasoning_tokens, told.thought.len() as u64);
                told.whole = statistics.prompt_tokens + statistics.tokens();
                (told.text, told.reasoning, told.reason) = (text, reasoning, Some(reason));
            }
            _ => {}
        }
    }
    assert_eq!(streamed, told.text, "the reasoning is in no text");
    told
}

fn budgeted(budget: Option<usize>) -> GenerationOptions {
    GenerationOptions { max_tokens: 60, thinking: Some(Thinking::On { budget }), ..GenerationOptions::default() }
}

const PROMPT: &str = "Tell me about a walk in the mountains.";
const BUDGET: usize = 11;

/// Returns the number of tokens by which the reasoning is ended, up to its mark.
fn closing() -> usize {
    pair::draft().tokenize("\n</think>").expect("tokens").len()
}

#[test]
fn reasoning_ends_at_its_budget_and_the_text_is_the_same_whatever_windows_and_timing_do() {
    for (temperature, seed) in [(0.0, 1), (1.0, 2), (1.0, 3)] {
        let alone = session(0, options(Mode::RemoteOnly, temperature, seed));
        let expected = write(&alone, PROMPT, budgeted(Some(BUDGET)));
        assert_eq!(expected.thought.len(), BUDGET + closing(), "{expected:?}");
        assert!(!expected.text.is_empty() && !expected.text.contains("think"), "{expected:?}");
        // Up to there the target thinks as it does without a budget.
        let free = write(&session(0, options(Mode::RemoteOnly, temperature, seed)), PROMPT, budgeted(None));
        assert_eq!(free.thought[..BUDGET], expected.thought[..BUDGET]);
        for (pace, ahead, round_trip) in [
            (Pace::Fastest, DraftAhead::Pipelined(4), 0),
            (Pace::Thrifty, DraftAhead::Off, 0),
            (Pace::Thrifty, DraftAhead::Pipelined(2), 15),
            (Pace::Balanced, DraftAhead::WhileWaiting, 15),
        ] {
            let options = SessionOptions { pace, draft_ahead: ahead, ..options(Mode::Exact, temperature, seed) };
            let told = write(&session(round_trip, options), PROMPT, budgeted(Some(BUDGET)));
            assert_eq!(told, expected, "{pace:?} {ahead:?}");
        }
    }
}

#[test]
fn every_mode_keeps_to_the_budget() {
    for mode in [Mode::DeviceOnly, Mode::Opportunistic, Mode::Exact, Mode::RemoteOnly] {
        let told = write(&session(0, options(mode, 1.0, 5)), PROMPT, budgeted(Some(BUDGET)));
        assert_eq!(told.thought.len(), BUDGET + closing(), "{mode:?} {told:?}");
        assert!(!told.reasoning.is_empty() && !told.text.is_empty(), "{mode:?} {told:?}");
    }
}

#[test]
fn without_thinking_everything_is_reply() {
    let off = GenerationOptions { thinking: Some(Thinking::Off), ..budgeted(None) };
    for options_ in [off, budgeted(Some(0))] {
        let told = write(&session(0, options(Mode::Exact, 0.0, 1)), PROMPT, options_);
        assert!(told.thought.is_empty() && told.reasoning.is_empty() && !told.text.is_empty(), "{told:?}");
    }
}

#[test]
fn a_stop_string_in_the_reasoning_stops_nothing() {
    let free = write(&session(0, options(Mode::Exact, 0.0, 1)), PROMPT, budgeted(Some(BUDGET)));
    let word = free.reasoning.split_whitespace().max_by_key(|word| word.len()).expect("a word").to_owned();
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let stopping = GenerationOptions { stop: vec![word.clone()], ..budgeted(Some(BUDGET)) };
        let told = write(&session(0, options(mode, 0.0, 1)), PROMPT, stopping);
        assert_eq!(told.thought, free.thought, "{word}");
        assert!(!told.said.is_empty() && !told.text.contains(&word), "{told:?}");
    }
}

#[test]
fn the_conversation_keeps_what_was_thought_apart_and_goes_on() {
    let session = session(0, options(Mode::Exact, 0.0, 1));
    let first = write(&session, PROMPT, budgeted(Some(BUDGET)));
    let messages = session.messages();
    assert_eq!(messages[1].content, first.text);
    assert_eq!(messages[1].reasoning.as_deref(), Some(first.reasoning.as_str()));
    assert_eq!(session.context_use().tokens as u64, first.whole);
    let second = write(&session, "And then?", budgeted(Some(BUDGET)));
    assert_eq!(second.thought.len(), BUDGET + closing());
    let used = session.context_use();
    assert_eq!((used.tokens as u64, used.context), (second.whole, Some(1024)));
    session.reset().expect("idle");
    assert_eq!(session.context_use().tokens, 0);
    let messages = vec![Message::system("Be brief.")];
    session.set_messages(messages.clone()).expect("idle");
    let model = thinker();
    let options = RenderOptions { add_generation_prompt: false, ..RenderOptions::default() };
    let rendered = model.template.render(&messages, &options).expect("a template");
    let expected = rendered.tokens(|text, special| model.language.tokenize(text, special)).expect("tokens").len();
    assert_eq!(session.context_use().tokens, expected);
}

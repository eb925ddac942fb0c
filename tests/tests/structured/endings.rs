//! The end of a reply with a grammar: whole, or cut by a limit.

use std::sync::Arc;

use uhlm_core::verifier::Verifier;
use uhlm_core::{FinishReason, GenerationError, GenerationOptions, Grammar, Mode, Prompt};

use crate::schemas;
use crate::support::{open, options, served, temperatures};

#[test]
fn a_reply_that_a_limit_cuts_is_an_error_with_the_text_so_far() {
    let served = served();
    let grammar = Some(Grammar::JsonSchema(schemas::all()[2].1.to_string()));
    for mode in [Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly] {
        let session = open(Some(served.verifier()), options(mode, &temperatures()[2]));
        let cut = GenerationOptions { max_tokens: 14, grammar: grammar.clone(), ..GenerationOptions::default() };
        let outcome = session.generate(Prompt::Chat("Who?".into()), cut).expect("idle").blocking_finish();
        let Err(GenerationError::Incomplete { text, reason: FinishReason::MaxTokens }) = &outcome else {
            panic!("{mode:?}: {outcome:?}")
        };
        assert!(text.starts_with("{\"who\": {\"name\":"), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
}

#[test]
fn a_reply_that_is_whole_at_its_limit_is_no_error() {
    let served = served();
    let session = open(Some(served.verifier()), options(Mode::Exact, &temperatures()[0]));
    let grammar = Some(Grammar::Choices(vec!["a".into()]));
    let options = GenerationOptions { max_tokens: 1, grammar, ..GenerationOptions::default() };
    let (text, statistics) =
        session.generate(Prompt::Chat("Well?".into()), options).expect("idle").blocking_finish().expect("whole");
    assert_eq!((text.as_str(), statistics.grammar_complete), ("a", Some(true)));
}

#[test]
fn a_reply_that_a_stop_string_cuts_is_not_whole() {
    let served = served();
    for (mode, verifier) in [(Mode::DeviceOnly, None), (Mode::Exact, Some(served.verifier()))] {
        let verifier = verifier.map(|verifier| -> Arc<dyn Verifier> { verifier });
        let session = open(verifier, options(mode, &temperatures()[0]));
        let (grammar, stop) = (Some(Grammar::Choices(vec!["abc".into()])), vec!["c".into()]);
        let options = GenerationOptions { stop, grammar, ..GenerationOptions::default() };
        let outcome = session.generate(Prompt::Chat("Well?".into()), options).expect("idle").blocking_finish();
        let Err(GenerationError::Incomplete { text, reason: FinishReason::StopSequence }) = &outcome else {
            panic!("{mode:?}: {outcome:?}")
        };
        assert_eq!(text, "ab");
    }
}

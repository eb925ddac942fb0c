//! What cannot be followed is refused before the first token, by the device itself.

use std::sync::Arc;

use uhlm_core::{GenerationError, GenerationOptions, Grammar, Mode, Prompt, Thinking};
use uhlm_law::model::Decoder as _;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::pair;

use crate::support::{open, options, served, temperatures, write};

#[test]
fn a_grammar_that_is_not_valid_is_a_typed_error_and_nothing_is_sent() {
    let served = served();
    let bad = [
        Grammar::JsonSchema("{\"type\":".into()),
        Grammar::JsonSchema("{\"type\":\"no such type\"}".into()),
        Grammar::Regex("(".into()),
        Grammar::Choices(Vec::new()),
        Grammar::Lark("start: missing".into()),
        Grammar::Regex("x".repeat(100_000)),
    ];
    for mode in [Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly] {
        let session = open(Some(served.verifier()), options(mode, &temperatures()[0]));
        for grammar in &bad {
            let outcome = write(&session, "Well?", 1, grammar);
            assert!(matches!(&outcome, Err(GenerationError::Grammar { .. })), "{mode:?}: {outcome:?}");
        }
        let good = Grammar::Choices(vec!["fine".into()]);
        assert_eq!(write(&session, "Well?", 1, &good).expect("it goes on").text, "fine");
    }
}

#[test]
fn a_verifier_that_knows_no_grammars_is_not_asked_for_one() {
    let target = pair::target();
    let sequences = {
        let target = Arc::clone(&target);
        move || Arc::clone(&target).sequence(2048, 1)
    };
    let verifier = LocalVerifier::new(LocalConfig::of(target, 2048), Box::new(sequences)).expect("a thread");
    let verifier = Arc::new(verifier);
    let session = open(Some(verifier), options(Mode::Exact, &temperatures()[0]));
    let grammar = Grammar::Choices(vec!["fine".into()]);
    for _ in 0..2 {
        let outcome = write(&session, "Well?", 1, &grammar);
        assert!(
            matches!(&outcome, Err(GenerationError::Grammar { reason }) if reason.contains("verifier")),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_reply_with_a_grammar_does_not_think_first() {
    let session = open(None, options(Mode::DeviceOnly, &temperatures()[0]));
    let grammar = Some(Grammar::Choices(vec!["fine".into()]));
    let thinking = Some(Thinking::On { budget: None });
    let options = GenerationOptions { grammar, thinking, ..GenerationOptions::default() };
    let outcome = session.generate(Prompt::Chat("Well?".into()), options).expect("idle").blocking_finish();
    assert!(matches!(outcome, Err(GenerationError::Grammar { .. })), "{outcome:?}");
}

//! Across a bridge the target's matcher decides, and the draft is not masked.

use uhlm_core::{Engine, GenerationError, Grammar, LoadOptions, Mode};
use uhlm_testing::pair;

use crate::schemas;
use crate::support::{Plain, options, served, temperatures, write};

#[test]
fn a_draft_model_of_another_vocabulary_writes_the_target_s_text_under_the_mask() {
    let served = served();
    let draft = Engine::load(pair::file("prose-draft.gguf"), &LoadOptions::default()).expect("a bundled model");
    let sampling = &temperatures()[1];
    let mut plain = Plain::new(sampling);
    let session = draft.session(Some(served.verifier()), options(Mode::Exact, sampling)).expect("a session");
    for (i, (name, schema)) in schemas::all().iter().enumerate().take(4) {
        let grammar = Grammar::JsonSchema(schema.to_string());
        let said = write(&session, "Who lives there?", i as u64, &grammar).expect("a reply");
        assert!(said.statistics.bridged);
        assert_eq!(said.ids, plain.write("Who lives there?", i as u64, &grammar), "{name}");
        schemas::check(schema, &said.text).expect("a value of the schema");
    }
    // Alone, the draft model cannot follow a grammar of the target's tokens.
    let mut alone = uhlm_core::GenerationOptions { mode: Some(Mode::DeviceOnly), ..Default::default() };
    alone.grammar = Some(Grammar::Choices(vec!["fine".into()]));
    let outcome = session.generate(uhlm_core::Prompt::Chat("Well?".into()), alone).expect("idle").blocking_finish();
    assert!(matches!(outcome, Err(GenerationError::Grammar { .. })), "{outcome:?}");
}

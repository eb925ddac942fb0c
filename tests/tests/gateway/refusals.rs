//! What a gateway cannot do exactly it refuses, and what is not its target it does not serve. Keys and an engine's own
//! words go nowhere.

use uhlm_core::{GenerationError, Mode};
use uhlm_law::sampling::SamplingParams;
use uhlm_server::upstream::{EngineKind, UpstreamOptions};
use uhlm_server::{ServerConfig, ServerError};
use uhlm_testing::engine::{StandIn, Trouble};
use uhlm_testing::pair;
use uhlm_testing::secrets::KEY;

use crate::support::{gateway, gateway_with, prompts, session, stand_in, try_to_start, upstream, write};

fn start(upstream: UpstreamOptions) -> Result<(), ServerError> {
    try_to_start(|config| ServerConfig { upstream: Some(upstream), ..config })
}

#[test]
fn a_repeat_penalty_is_refused_before_the_first_token() {
    let engine = stand_in(EngineKind::Vllm);
    let served = gateway(&[&engine]);
    let sampling = SamplingParams { penalty_repeat: 1.2, ..SamplingParams::default() };
    let refused = write(&session(served.verifier(), Mode::Exact, &sampling), &prompts()[0], 1);
    assert!(matches!(&refused, Err(GenerationError::Refused { reason }) if reason.contains("penalty_repeat")));
}

#[test]
fn a_chain_that_needs_longer_lists_than_an_engine_gives_is_refused_and_one_that_cuts_is_not() {
    let engine = StandIn::start_with(EngineKind::Vllm, pair::target(), 20, None);
    let served = gateway(&[&engine]);
    let hot = SamplingParams { temperature: 1.8, ..SamplingParams::default() };
    let refused = write(&session(served.verifier(), Mode::RemoteOnly, &hot), &prompts()[0], 1);
    assert!(matches!(&refused, Err(GenerationError::Refused { reason }) if reason.contains("top_k")), "{refused:?}");
    let cut = SamplingParams { top_k: 12, ..hot };
    write(&session(served.verifier(), Mode::RemoteOnly, &cut), &prompts()[0], 1).expect("no failure");
}

#[test]
fn an_engine_of_another_vocabulary_is_not_served() {
    let prose = uhlm_llama::Model::load(&pair::file("prose-target.gguf"), &uhlm_llama::LoadOptions::default());
    let engine = StandIn::start(EngineKind::LlamaServer, prose.expect("the bundled prose model"));
    let refused = start(upstream(&[&engine]));
    assert!(matches!(&refused, Err(ServerError::Upstream(_))), "{refused:?}");
    assert!(refused.is_err_and(|error| error.to_string().contains("tokenizer")));
}

#[test]
fn engines_of_different_models_are_not_served_together() {
    let draft = uhlm_llama::Model::load(&pair::file("demo-draft.gguf"), &uhlm_llama::LoadOptions::default());
    let engines =
        [stand_in(EngineKind::Sglang), StandIn::start(EngineKind::Sglang, draft.expect("the bundled draft model"))];
    let refused = start(upstream(&[&engines[0], &engines[1]]));
    assert!(refused.is_err_and(|error| error.to_string().contains("other probabilities")));
}

#[test]
fn a_key_is_read_from_a_file_and_shown_nowhere() {
    let engine = StandIn::start_with(EngineKind::Vllm, pair::target(), usize::MAX, Some(KEY));
    assert!(start(upstream(&[&engine])).is_err(), "no key");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).expect("written");
    let options = UpstreamOptions { key_file: Some(file), ..upstream(&[&engine]) };
    assert!(!format!("{options:?}").contains(KEY));
    let served = gateway_with(options);
    let session = session(served.verifier(), Mode::RemoteOnly, &SamplingParams::greedy());
    write(&session, &prompts()[0], 1).expect("no failure");
    assert!(!String::from_utf8_lossy(&served.metrics().render()).contains(KEY));
}

#[test]
fn an_engine_s_own_words_do_not_reach_a_device() {
    let engine = stand_in(EngineKind::Vllm);
    let served = gateway(&[&engine]);
    let session = session(served.verifier(), Mode::RemoteOnly, &SamplingParams::greedy());
    engine.fail(Trouble::Broken, usize::MAX);
    let error = write(&session, &prompts()[0], 1).expect_err("the engine fails at everything");
    assert!(!format!("{error:?}").contains("cannot go on"), "{error:?}");
}

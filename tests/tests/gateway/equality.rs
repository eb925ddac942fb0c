//! The text through the gateway is the target's own, token by token, for each kind of engine and each way of sampling.

use std::time::Duration;

use uhlm_core::Mode;
use uhlm_core::verifier::VerifierExt as _;
use uhlm_law::advance::Capabilities;
use uhlm_law::sampling::SamplingParams;
use uhlm_server::upstream::{EngineKind, UpstreamOptions};
use uhlm_testing::engine::StandIn;
use uhlm_testing::pair;

use crate::support::{
    Alone, KINDS, counter, gateway, gateway_with, prompts, session, stand_in, temperatures, upstream, write,
};

/// Number of tokens that are compared for each kind, way and mode.
const TOKENS: usize = 150;

/// Compares replies with those of the target alone; returns the number of tokens.
fn compare(upstream: UpstreamOptions, sampling: &SamplingParams, wanted: usize) -> usize {
    let served = gateway_with(upstream);
    let mut alone = Alone::new(sampling);
    let mut compared = 0;
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let session = session(served.verifier(), mode, sampling);
        let mut of_mode = 0;
        for (i, prompt) in prompts().iter().enumerate() {
            if of_mode >= wanted {
                break;
            }
            let expected = alone.write(prompt, i as u64);
            let found = write(&session, prompt, i as u64).expect("no failure");
            assert_eq!(found, expected, "{mode:?}, reply {i} at temperature {}", sampling.temperature);
            of_mode += expected.len();
        }
        compared += of_mode;
    }
    compared
}

fn compare_all(kind: EngineKind) {
    for sampling in temperatures() {
        let engine = stand_in(kind);
        let compared = compare(upstream(&[&engine]), &sampling, TOKENS);
        println!("{kind}, temperature {}: {compared} tokens equal, {} requests", sampling.temperature, engine.asked());
    }
}

#[test]
fn through_llama_server_the_text_is_the_target_s_own() {
    compare_all(EngineKind::LlamaServer);
}

#[test]
fn through_vllm_the_text_is_the_target_s_own() {
    compare_all(EngineKind::Vllm);
}

#[test]
fn through_sglang_the_text_is_the_target_s_own() {
    compare_all(EngineKind::Sglang);
}

#[test]
fn what_a_short_list_leaves_in_doubt_is_asked_for_again_and_not_guessed() {
    // A list of 21 settles a chain that keeps 20, and one that keeps those within a part of the greatest.
    let top_k = SamplingParams { temperature: 0.9, top_k: 20, ..SamplingParams::default() };
    let min_p = SamplingParams { min_p: 0.05, ..SamplingParams::default() };
    let penalty = SamplingParams { penalty_frequency: 0.4, penalty_presence: 0.2, ..top_k.clone() };
    for sampling in [top_k, min_p, penalty] {
        let engine = StandIn::start_with(EngineKind::Vllm, pair::target(), 60, None);
        assert!(compare(upstream(&[&engine]), &sampling, 60) > 0);
    }
}

#[test]
fn devices_and_operators_are_told_what_the_engines_can_do() {
    let engines = [EngineKind::Vllm, EngineKind::Vllm].map(|kind| StandIn::start_with(kind, pair::target(), 50, None));
    let served = gateway(&[&engines[0], &engines[1]]);
    let expected = "vllm x 2: a window in one batch, up to 50 tokens a row, not batch-invariant";
    let (sender, answers) = std::sync::mpsc::channel();
    let verifier = served.verifier();
    let _call = verifier.info(Duration::from_secs(10), move |answer| drop(sender.send(answer)));
    let info = answers.recv().expect("an answer").expect("no failure").value;
    assert_eq!(info.engine, expected);
    assert!(!info.capabilities.contains(Capabilities::PROBABILITIES));
    for engine in &engines {
        let url = engine.address().url;
        assert_eq!(counter(&served, &format!("uhlm_upstream_up{{engine=\"{url}\"}}")), Some(1));
    }
    for kind in KINDS {
        assert_eq!(kind.takes_windows(), kind != EngineKind::LlamaServer);
    }
}

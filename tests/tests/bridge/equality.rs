//! The text is, token by token, what the target alone writes with the same seed, one row a pass.
//! `UHLM_EQUAL_DRAFT` and `UHLM_EQUAL_TARGET` name another pair of models than the bundled ones, `UHLM_EQUAL_TOKENS`
//! more tokens to compare at each temperature, `UHLM_EQUAL_TEMPERATURE` one temperature only.

use std::path::{Path, PathBuf};

use uhlm_core::{DraftAhead, Mode, SessionOptions, Statistics};
use uhlm_law::gate::Goal;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;
use uhlm_testing::pair;

use crate::support::{
    Plain, RandomText, engine, number, open, options, prompts, served, temperatures, wanted_temperatures, write,
};

/// Number of tokens that are compared at each temperature, unless the environment says another.
const TOKENS: usize = 600;

/// Returns the ways to close windows and to draft ahead that are compared, the default last.
fn ways() -> Vec<(CloseRule, DraftAhead)> {
    vec![
        (CloseRule::Fixed(1), DraftAhead::Off),
        (CloseRule::Fixed(4), DraftAhead::WhileWaiting),
        (CloseRule::Fixed(16), DraftAhead::Pipelined(3)),
        (CloseRule::CostModel, DraftAhead::Pipelined(2)),
    ]
}

/// Compares `exact` and `remote_only` with the target in a plain loop; returns the share of judged tokens that stood.
fn compare(draft: &Path, target: &Path, sampling: &SamplingParams) -> f64 {
    let (draft, served, wanted) = (engine(draft), served(target, true), number("UHLM_EQUAL_TOKENS", TOKENS));
    let streamed = open(&draft, served.verifier(), options(Mode::RemoteOnly, sampling));
    let sessions: Vec<_> = ways()
        .into_iter()
        .map(|(close, draft_ahead)| {
            let options = SessionOptions { close, draft_ahead, ..options(Mode::Exact, sampling) };
            open(&draft, served.verifier(), options)
        })
        .collect();
    let mut plain = Plain::new(target, sampling);
    let (mut compared, mut all) = (0, Statistics::default());
    for (i, prompt) in prompts().iter().cycle().enumerate() {
        if compared >= wanted {
            break;
        }
        let (seed, way) = (i as u64, i % sessions.len());
        let expected = plain.write(prompt, seed);
        // Each of the first replies, and every fourth of a long run.
        if i < 8 || i.is_multiple_of(4) {
            assert_eq!(write(&streamed, prompt, seed).0, expected, "remote_only, reply {i}");
        }
        let (exact, statistics) = write(&sessions[way], prompt, seed);
        assert_eq!(exact, expected, "reply {i} at temperature {}, {:?}", sampling.temperature, ways()[way]);
        assert!(statistics.bridged);
        all.add(&statistics);
        compared += expected.len();
    }
    let accepted = 1.0 - all.rejected as f64 / all.judged.max(1) as f64;
    let passes = all.target_passes as f64 / compared as f64;
    println!(
        "{} for {}, temperature {}: {compared} tokens equal, {:.3} of {} judged stood, {passes:.3} passes a token",
        draft.model().name(),
        plain.name(),
        sampling.temperature,
        accepted,
        all.judged,
    );
    accepted
}

/// Returns the file that the environment names, or a bundled one.
pub(crate) fn file(variable: &str, bundled: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| pair::file(bundled), PathBuf::from)
}

#[test]
fn the_demo_draft_model_proposes_for_the_target_of_prose_and_its_text_is_the_targets_own() {
    let (draft, target) = (file("UHLM_EQUAL_DRAFT", "demo-draft.gguf"), file("UHLM_EQUAL_TARGET", "prose-target.gguf"));
    for sampling in wanted_temperatures() {
        let accepted = compare(&draft, &target, &sampling);
        assert!(accepted > 0.02, "a bridge over which nothing passes: {accepted}");
    }
}

#[test]
fn the_draft_model_of_prose_proposes_for_the_demo_target_and_its_text_is_the_targets_own() {
    for sampling in temperatures() {
        let accepted = compare(&pair::file("prose-draft.gguf"), &pair::file("demo-target.gguf"), &sampling);
        assert!(accepted > 0.02, "a bridge over which nothing passes: {accepted}");
    }
}

#[test]
fn a_target_that_writes_random_bytes_in_sentence_pieces_writes_its_own_text() {
    let random = RandomText::new();
    for sampling in temperatures() {
        compare(&pair::file("demo-draft.gguf"), &random.path(), &sampling);
    }
}

#[test]
fn a_draft_model_that_proposes_random_bytes_changes_nothing() {
    let random = RandomText::new();
    for sampling in temperatures() {
        compare(&random.path(), &pair::file("demo-target.gguf"), &sampling);
    }
}

#[test]
fn opportunistic_and_device_only_replies_are_the_same_again_with_a_seed() {
    let served = served(&pair::file("prose-target.gguf"), true);
    let draft = engine(&pair::file("demo-draft.gguf"));
    for mode in [Mode::Opportunistic, Mode::DeviceOnly] {
        let text = || {
            let goal = Goal::Threshold(0.3);
            let options = SessionOptions { goal, ..options(mode, &SamplingParams::default()) };
            let session = open(&draft, served.verifier(), options);
            let replies = prompts().into_iter().take(6).enumerate();
            replies.map(|(i, prompt)| write(&session, &prompt, i as u64).0).collect::<Vec<_>>()
        };
        let first = text();
        assert_eq!(first, text(), "{mode:?}");
        assert!(first.iter().map(Vec::len).sum::<usize>() > 100);
    }
}

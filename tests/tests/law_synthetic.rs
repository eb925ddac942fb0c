//! Equality and law on synthetic models: `exact` writes what `remote_only` writes, and that follows the target.
//!
//! The target's text for a seed is computed by a plain loop over the model's own logits. Whatever the options of the
//! loop, the windows and the draft model are, `exact` and `remote_only` must bring it, token by token: these tests
//! have no chance of a false alarm. That the text is a draw of the target's distribution is left to one statistical
//! test, of `remote_only`.

#![allow(clippy::print_stdout, reason = "the figures of a statistical test are worth reading")]

use std::sync::Arc;

use uhlm_core::{Consent, DraftAhead, Event, GenerationOptions, Mode, Origin, Prompt, Session, SessionOptions};
use uhlm_law::advance::Begin;
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::pace::Pace;
use uhlm_law::rng;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_law::window::CloseRule;
use uhlm_testing::goodness::Goodness;
use uhlm_testing::synthetic::SyntheticModel;

/// Least number of tokens in each comparison.
const COMPARED: usize = 20_000;
/// Largest number of tokens of a reply.
const MAX_TOKENS: usize = 200;

/// Returns options under which windows close by a rule that does not depend on any cost: which drafts are judged must
/// not depend on how fast this machine is.
fn options(mode: Mode) -> SessionOptions {
    let close = CloseRule::Risk(0.5);
    SessionOptions { mode, close, seed: Some(1), consent: Consent::Conversation, ..SessionOptions::default() }
}

fn session(draft: SyntheticModel, options: SessionOptions) -> Session {
    let verifier = SyntheticModel::target().verifier(|config| config);
    Session::new(Arc::new(draft), Some(Arc::new(verifier)), options).expect("a session")
}

/// Returns the prompt of the reply with this seed, one letter: at temperature 0 the seed alone would change nothing.
fn prompt(seed: u64) -> String {
    char::from(b'a' + (seed % 19) as u8).into()
}

/// Returns the reply that the target writes alone, in a plain loop.
fn target_alone(sampling: &SamplingParams, prompt: &str, seed: u64) -> Vec<TokenId> {
    let prompt = SyntheticModel::target().tokenize(prompt, Special::Plain).expect("tokens");
    let (reply_start, max_tokens) = (prompt.len() as u32, MAX_TOKENS as u32);
    let begin = Begin { seed, sampling: sampling.clone(), reply_start, max_tokens, stop: Vec::new(), grammar: None };
    SyntheticModel::target().reply(&begin, &prompt)
}

/// Writes one reply; returns its tokens with their origins.
fn write(session: &Session, prompt: &str, seed: Option<u64>) -> Vec<(TokenId, Origin)> {
    let options = GenerationOptions { max_tokens: MAX_TOKENS, seed, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Raw(prompt.into()), options).expect("idle");
    let mut tokens = Vec::new();
    while let Some(event) = generation.blocking_next() {
        match event.expect("no failure") {
            Event::Committed { token, origin } => tokens.push((token.id, origin)),
            Event::Finished { .. } => return tokens,
            _ => {}
        }
    }
    panic!("a stream without an end");
}

/// Compares the replies of a session with the target alone, one seed after the other; returns how many tokens were
/// drafted and equal, and how many the target wrote.
fn assert_equal(draft: SyntheticModel, options: SessionOptions) -> (usize, usize) {
    let (mode, sampling) = (options.mode, options.sampling.clone());
    let session = session(draft, options);
    let (mut verified, mut target) = (0, 0);
    for seed in 0.. {
        if verified + target >= COMPARED {
            break;
        }
        let prompt = prompt(seed);
        let written = write(&session, &prompt, Some(seed));
        let ids: Vec<TokenId> = written.iter().map(|&(id, _)| id).collect();
        assert_eq!(ids, target_alone(&sampling, &prompt, seed), "{mode:?}, seed {seed}");
        verified += written.iter().filter(|(_, origin)| *origin == Origin::Verified).count();
        target += written.iter().filter(|(_, origin)| *origin == Origin::Target).count();
    }
    println!("{verified} tokens drafted and equal, {target} by the target");
    (verified, target)
}

/// Asserts the same as [`assert_equal`], and that drafts were judged and some of them rejected.
fn assert_equal_where_some_are_rejected(options: SessionOptions) {
    let (verified, target) = assert_equal(SyntheticModel::draft(), options);
    assert!(verified > COMPARED / 4 && target > COMPARED / 20, "{verified} and {target} tokens");
}

#[test]
fn remote_only_writes_what_the_target_writes_alone() {
    let (verified, _) = assert_equal(SyntheticModel::draft(), options(Mode::RemoteOnly));
    assert_eq!(verified, 0);
}

#[test]
fn exact_writes_what_the_target_writes_alone_without_draft_ahead() {
    let (draft_ahead, close) = (DraftAhead::Off, CloseRule::CostModel);
    assert_equal_where_some_are_rejected(SessionOptions { draft_ahead, close, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_while_drafting_ahead() {
    let (draft_ahead, close) = (DraftAhead::WhileWaiting, CloseRule::CostModel);
    assert_equal_where_some_are_rejected(SessionOptions { draft_ahead, close, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_with_several_windows_in_flight() {
    let (draft_ahead, close) = (DraftAhead::Pipelined(3), CloseRule::Fixed(3));
    assert_equal_where_some_are_rejected(SessionOptions { draft_ahead, close, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_with_as_many_windows_of_one_token_in_flight_as_there_can_be() {
    let (draft_ahead, close) = (DraftAhead::Pipelined(8), CloseRule::Fixed(1));
    assert_equal_where_some_are_rejected(SessionOptions { draft_ahead, close, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_when_windows_close_by_accumulated_risk() {
    assert_equal_where_some_are_rejected(options(Mode::Exact));
}

#[test]
fn exact_writes_what_the_target_writes_alone_at_every_pace() {
    for pace in Pace::ALL {
        assert_equal(
            SyntheticModel::draft(),
            SessionOptions { pace, close: CloseRule::CostModel, ..options(Mode::Exact) },
        );
    }
}

#[test]
fn exact_writes_what_the_target_writes_alone_under_a_budget_of_passes() {
    let (close, max_passes_per_token) = (CloseRule::CostModel, Some(0.4));
    assert_equal(SyntheticModel::draft(), SessionOptions { max_passes_per_token, close, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_when_windows_close_by_uncertainty() {
    assert_equal_where_some_are_rejected(SessionOptions { close: CloseRule::Uncertainty, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_under_a_truncating_chain() {
    let sampling = SamplingParams { temperature: 0.7, top_k: 12, top_p: 0.95, ..SamplingParams::default() };
    assert_equal_where_some_are_rejected(SessionOptions { sampling, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_under_penalties() {
    let penalties = SamplingParams { penalty_last_n: 16, penalty_repeat: 1.3, ..SamplingParams::default() };
    let sampling = SamplingParams { penalty_frequency: 0.2, penalty_presence: 0.1, ..penalties };
    assert_equal_where_some_are_rejected(SessionOptions { sampling, ..options(Mode::Exact) });
}

#[test]
fn exact_writes_what_the_target_writes_alone_at_temperature_0() {
    // The model knows one token of context: without a penalty, greedy text goes round in a circle.
    let sampling = SamplingParams { penalty_last_n: 64, penalty_frequency: 0.4, ..SamplingParams::greedy() };
    assert_equal_where_some_are_rejected(SessionOptions { sampling, ..options(Mode::Exact) });
}

#[test]
fn the_draft_model_changes_nothing_of_the_text() {
    let (verified, target) = assert_equal(SyntheticModel::target(), options(Mode::Exact));
    assert!(verified > 2 * target, "a target that drafts for itself is never wrong: {verified} and {target}");
    let stranger = SyntheticModel { shared: 0.0, own: 1.5, seed: 77, ..SyntheticModel::draft() };
    let (verified, target) = assert_equal(stranger, options(Mode::Exact));
    assert!(target > 2 * verified, "a model of another world is mostly wrong: {verified} and {target}");
}

#[test]
fn the_seed_of_a_session_is_mixed_with_the_number_of_the_generation() {
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let session = session(SyntheticModel::draft(), SessionOptions { seed: Some(9), ..options(mode) });
        for generation in 0..50 {
            let ids: Vec<TokenId> = write(&session, "a", None).into_iter().map(|(id, _)| id).collect();
            let expected = target_alone(&SamplingParams::default(), "a", rng::derived(9, generation));
            assert_eq!(ids, expected, "{mode:?}, generation {generation}");
        }
    }
}

/// Number of tokens that the statistical test observes.
const OBSERVED: u64 = 60_000;
/// Probability that a right sampler fails.
const FALSE_ALARM: f64 = 1e-6;

/// Each token, given the one before it, is a draw of the target's distribution after that one. n is 60,000, over 23
/// contexts with about 470 degrees of freedom: a right sampler fails with probability 1e-6. The power against a
/// temperature of 1.1 in the place of 1 is above 0.9999 (such a statistic is about 990 with a standard deviation of
/// 60, the bound 630); the same draws are held against that law, and against the draft's.
#[test]
fn the_draws_of_remote_only_follow_the_target_and_neither_the_draft_nor_a_warmer_target() {
    let (draft, target) = (SyntheticModel::draft(), SyntheticModel::target());
    let sampling = SamplingParams::default();
    let warmer = SamplingParams { temperature: 1.1, ..sampling.clone() };
    let session = session(draft, options(Mode::RemoteOnly));
    let (mut right, mut by_draft, mut by_warmer) = (Goodness::default(), Goodness::default(), Goodness::default());
    let mut seen = 0;
    for seed in 0.. {
        if seen >= OBSERVED {
            break;
        }
        let mut last = target.tokenize(&prompt(seed), Special::Plain).expect("tokens")[0];
        for (id, _) in write(&session, &prompt(seed), Some(seed)) {
            let context = u64::from(last);
            right.observe(context, id, &target.law(&sampling, last));
            by_draft.observe(context, id, &draft.law(&sampling, last));
            by_warmer.observe(context, id, &target.law(&warmer, last));
            seen += 1;
            last = id;
        }
    }
    let (right, by_draft, by_warmer) = (right.fit(), by_draft.fit(), by_warmer.fit());
    println!("the target's {right:?}\nthe draft's {by_draft:?}\na warmer target's {by_warmer:?}");
    assert!(right.p_value > FALSE_ALARM);
    assert!(by_draft.p_value < FALSE_ALARM && by_warmer.p_value < FALSE_ALARM);
}

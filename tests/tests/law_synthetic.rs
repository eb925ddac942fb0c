//! The law of `exact` output on synthetic models, over every loop option. Each test observes about 60,000 tokens; seeds
//! are fixed, and a right sampler fails with probability 1e-6 where timing makes the draws differ from run to run.

#![allow(clippy::print_stdout, reason = "the figures of a statistical test are worth reading")]

use std::sync::Arc;

use uhlm_core::event::Event;
use uhlm_core::mode::Mode;
use uhlm_core::options::{DraftAhead, GenerationOptions, Prompt, SessionOptions};
use uhlm_core::origin::Origin;
use uhlm_core::privacy::Consent;
use uhlm_core::session::Session;
use uhlm_core::verifier::Verifier;
use uhlm_law::chat::DraftModel;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;
use uhlm_testing::goodness::{Fit, Goodness};
use uhlm_testing::synthetic::SyntheticModel;

const TOKENS: u64 = 60_000;
const FALSE_ALARM: f64 = 1e-6;

/// The fit of all tokens, and that of the replacements of rejected ones.
fn run(verifier: Arc<dyn Verifier>, options: SessionOptions) -> (Fit, Fit) {
    let (draft, target) = (SyntheticModel::draft(), SyntheticModel::target());
    let sampling = options.sampling.clone();
    let session = Session::new(Arc::new(draft), Some(verifier), options).expect("a session");
    let (mut all, mut replaced) = (Goodness::default(), Goodness::default());
    let mut seen = 0;
    while seen < TOKENS {
        let prompt = Prompt::Raw("a".into());
        let options = GenerationOptions { max_tokens: 200, ..GenerationOptions::default() };
        let mut generation = session.generate(prompt, options).expect("idle");
        let mut last = draft.tokenize("a", uhlm_law::chat::Special::Plain)[0];
        while let Some(event) = generation.blocking_next() {
            match event.expect("no failure") {
                Event::Committed { token, origin } => {
                    seen += 1;
                    let p = target.law(&sampling, last);
                    all.observe(u64::from(last), token.id, &p);
                    if origin == Origin::Resampled {
                        let residual = p.residual(&draft.law(&sampling, last)).expect("a rejection leaves a residual");
                        replaced.observe(u64::from(last), token.id, &residual);
                    }
                    last = token.id;
                }
                Event::Finished { .. } => break,
                _ => {}
            }
        }
    }
    (all.fit(), replaced.fit())
}

fn assert_law(options: SessionOptions) {
    let verifier = SyntheticModel::target().verifier(|config| config);
    let (all, replaced) = run(Arc::new(verifier), options);
    println!("all {all:?}\nreplaced {replaced:?}");
    assert!(replaced.observations > 2_000);
    assert!(all.p_value > FALSE_ALARM && replaced.p_value > FALSE_ALARM);
}

fn exact(seed: u64) -> SessionOptions {
    SessionOptions { mode: Mode::Exact, seed: Some(seed), consent: Consent::Conversation, ..SessionOptions::default() }
}

#[test]
fn exact_output_follows_the_target_without_draft_ahead() {
    assert_law(SessionOptions { draft_ahead: DraftAhead::Off, ..exact(1) });
}

#[test]
fn exact_output_follows_the_target_while_drafting_ahead() {
    assert_law(exact(2));
}

#[test]
fn exact_output_follows_the_target_with_several_windows_in_flight() {
    assert_law(SessionOptions { draft_ahead: DraftAhead::Pipelined(3), close: CloseRule::Fixed(3), ..exact(3) });
}

#[test]
fn exact_output_follows_the_target_when_windows_close_by_accumulated_risk() {
    assert_law(SessionOptions { close: CloseRule::Risk(0.5), ..exact(4) });
}

#[test]
fn exact_output_follows_the_target_when_windows_close_by_uncertainty() {
    assert_law(SessionOptions { close: CloseRule::Uncertainty, bonus: false, ..exact(5) });
}

#[test]
fn exact_output_follows_the_target_under_a_truncating_chain() {
    let sampling = SamplingParams { temperature: 0.7, top_k: 12, top_p: 0.95, ..SamplingParams::default() };
    assert_law(SessionOptions { sampling, ..exact(6) });
}

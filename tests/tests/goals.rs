//! Goals on the real pair: the gate is calibrated on questions with answers and holds its goal on free text.
//!
//! Target and draft run in this process. The calibration run judges every token at temperature 1; then a new session
//! writes at least 500 tokens of another kind of prompt with a goal, and what it did is compared with the goal. Seeds
//! are fixed, and one window at a time is in flight, so that no timing enters: each outcome is the same in every run.

#![allow(clippy::print_stdout, reason = "the figures of a statistical test are worth reading")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uhlm_core::verifier::Verifier;
use uhlm_core::{
    Consent, DraftAhead, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, SessionOptions, Statistics,
};
use uhlm_law::calibration::{Calibration, CalibrationSource, Label};
use uhlm_law::gate::Goal;
use uhlm_law::model::Sequence;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;
use uhlm_llama::ContextOptions;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::pair;

/// Number of tokens that a goal must hold on.
const TOKENS: u64 = 500;

fn verifier() -> Arc<dyn Verifier> {
    let target = pair::target();
    let options = ContextOptions { threads: 1, ..ContextOptions::default() };
    let config = LocalConfig::of(Arc::clone(&target) as _, 1024);
    let factory = Box::new(move || Ok(Box::new(target.new_sequence(&options)?) as Box<dyn Sequence>));
    Arc::new(LocalVerifier::new(config, factory).expect("a thread"))
}

/// Writes replies to the prompts, over and over, until there are enough tokens.
fn write(prompts: &[String], tokens: u64, labels: bool, options: SessionOptions) -> Statistics {
    let session = pair::draft().session(Some(verifier()), options).expect("a session");
    let mut total = Statistics::default();
    for prompt in prompts.iter().cycle() {
        if total.tokens() >= tokens {
            break;
        }
        session.reset().expect("idle");
        let options = GenerationOptions { collect_labels: labels, ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompt.clone()), options).expect("idle");
        total.add(&generation.blocking_finish().expect("no failure").1);
    }
    total
}

fn options() -> SessionOptions {
    // A machine under load answers late; that is no matter of a goal.
    let minute = Duration::from_secs(60);
    let link = LinkConfig { min_deadline: minute, max_deadline: minute, ..LinkConfig::default() };
    SessionOptions {
        link,
        sampling: SamplingParams::default(),
        draft_ahead: DraftAhead::Off,
        offline: OfflinePolicy::Fail,
        threads: 1,
        seed: Some(5),
        consent: Consent::Conversation,
        ..SessionOptions::default()
    }
}

/// Returns a calibration on questions: every fourth one of the calibration set.
fn calibration() -> Calibration {
    static CALIBRATION: OnceLock<Calibration> = OnceLock::new();
    CALIBRATION.get_or_init(calibrate).clone()
}

fn calibrate() -> Calibration {
    let prompts: Vec<String> = pair::questions("calibration").into_iter().step_by(4).collect();
    let options = SessionOptions { mode: Mode::Exact, close: CloseRule::Fixed(6), ..options() };
    let statistics = write(&prompts, 1500, true, options);
    let source = CalibrationSource {
        draft: pair::draft().fingerprint(),
        target: pair::target().fingerprint(),
        estimator: SessionOptions::default().estimator,
        sampling: SamplingParams::default(),
    };
    Calibration::fit(&statistics.labels.expect("collected"), source).expect("rejections grow with uncertainty")
}

fn opportunistic(goal: Goal, labels: bool) -> Statistics {
    let options = SessionOptions { mode: Mode::Opportunistic, calibration: calibration(), goal, ..options() };
    write(&pair::questions("prompts_free"), TOKENS, labels, options)
}

#[test]
fn a_share_to_send_holds_within_a_tenth_on_free_text() {
    for share in [0.1, 0.3] {
        let sent = opportunistic(Goal::ShareSent(share), false).transmission_rate();
        println!("share {share}: {sent}");
        assert!((sent / share - 1.0).abs() < 0.1, "share {share}: {sent}");
    }
}

#[test]
fn a_byte_budget_holds_within_a_tenth_on_free_text() {
    for budget in [3.0, 5.0, 10.0] {
        let statistics = opportunistic(Goal::Bytes(budget), false);
        // Verdicts only: that a session opens and its prompt travels is no matter of the gate.
        let bytes: u64 = statistics.round_bytes.iter().map(|&(up, down)| u64::from(up + down)).sum();
        let per_token = bytes as f64 / statistics.tokens() as f64;
        println!("budget {budget}: {per_token}");
        assert!((per_token / budget - 1.0).abs() < 0.1, "budget {budget}: {per_token}");
    }
}

#[test]
fn a_risk_holds_within_what_its_labels_can_say_on_free_text() {
    // What was skipped is labelled when it travels as context with a later window. The gate holds what it expects;
    // what it expects of tokens that are never judged is an assumption, and a label is a single bit: over some 5,000
    // tokens that are judged or labelled, a share of 0.01 has a standard error of 0.0014. A quarter more must do.
    let options =
        SessionOptions { mode: Mode::Opportunistic, calibration: calibration(), goal: Goal::Risk(0.01), ..options() };
    let statistics = write(&pair::questions("prompts_free"), 16 * TOKENS, true, options);
    let labels: &[Label] = statistics.labels.as_deref().expect("collected");
    assert!(labels.len() as u64 > TOKENS, "{} labels", labels.len());
    let differing = statistics.skipped_labelled - statistics.skipped_matched;
    let risk = differing as f64 / (statistics.judged + statistics.skipped_labelled) as f64;
    println!("{differing} of {} judged {} risk {risk}", statistics.skipped_labelled, statistics.judged);
    assert!(risk < 0.01 * 1.25, "{risk}");
}

//! Yesterday's rule is simulated, today's session is not: fed with the drafts of shared noise and windows of one
//! length, the simulator takes what the session takes on the same recording.

#![allow(clippy::print_stdout, reason = "the figures of a comparison are worth reading")]

mod common;

use std::sync::Arc;

use uhlm_eval::billing::Billing;
use uhlm_eval::cells::{Bedded, Cell, FurtherCosts, Spent, calibrated};
use uhlm_eval::pair::Pair;
use uhlm_eval::questions;
use uhlm_eval::trace::record::Recording;
use uhlm_eval::trace::{Trace, file};
use uhlm_eval::yesterday::{Coupling, Facts, Link, Rule, Writer};
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;

/// Tokens of a window.
const WINDOW: usize = 5;

/// Records free prompts, where the draft model is wrong most.
fn recorded() -> Arc<Trace> {
    let pair = Pair::load(&common::file("prose-draft.gguf"), &common::file("prose-target.gguf")).expect("the pair");
    let questions = questions::read(&common::file("data/prompts_free.jsonl")).expect("bundled prompts");
    let path = std::env::temp_dir().join(format!("uhlm-yesterday-{}.trace", std::process::id()));
    let recording = Recording {
        prompts: 12,
        max_tokens: 64,
        sampling: SamplingParams { temperature: 1.0, ..SamplingParams::default() },
        context: 512,
        ..Recording::default()
    };
    let read = recording.run(&pair, &questions, &path, &|_, _, _| {}).map(|()| file::read(&path));
    drop(std::fs::remove_file(&path));
    Arc::new(read.expect("recorded").and_then(Trace::compacted).expect("a trace"))
}

#[test]
fn the_simulator_takes_what_the_session_takes_on_the_same_drafts() {
    let trace = recorded();
    assert!(trace.tokens() > 200);
    let calibration = calibrated(&trace).expect("replayed");
    let further = FurtherCosts::default();
    let facts = Facts::of(&trace, Coupling::Shared, 1).expect("sound rows");
    let (mut apart, mut sums) = (Vec::new(), [0.0; 2]);
    for (draft_ms, target_ms, rtt_ms) in
        [(24.6, 104.6, 50.0), (15.0, 20.0, 20.0), (25.0, 40.0, 150.0), (100.0, 105.0, 50.0), (15.0, 105.0, 150.0)]
    {
        let cell = Cell { draft_ms, target_ms, rtt_ms };
        let bedded = Bedded { trace: &trace, calibration: &calibration, cell, further: &further };
        let session = bedded.write(|options| options.close = CloseRule::Fixed(WINDOW));
        let session = Spent::sum(&session.expect("replayed"));
        let costs = cell.costs(&further);
        let link = Link { round_trip: rtt_ms / 1e3, up: 1.25e6, down: 6.25e6, billing: Billing::PAPER };
        let mut writer = Writer::new(Rule::session(WINDOW), &costs, link, &facts);
        let written: Vec<Spent> = facts.iter().map(|facts| Spent::from(&writer.write(facts))).collect();
        let simulated = Spent::sum(&written);
        assert_eq!(simulated.tokens, session.tokens);
        let ratio = |of: fn(&Spent) -> f64| of(&simulated) / of(&session);
        apart.push((cell, ratio(|it| it.seconds), ratio(|it| it.passes), ratio(|it| it.drafted)));
        sums[0] += simulated.seconds;
        sums[1] += session.seconds;
    }
    println!("simulated over session, seconds, passes and drafts by cell: {apart:?}; seconds in all: {sums:?}");
    for (cell, seconds, passes, drafted) in &apart {
        let close = |ratio: &f64, within: f64| (ratio - 1.0).abs() < within;
        // The predictors differ in what they were fitted to, and the session's costs have to be measured first.
        assert!(close(seconds, 0.04) && close(passes, 0.1) && close(drafted, 0.15), "{cell}: {apart:?}");
    }
    assert!((sums[0] / sums[1] - 1.0).abs() < 0.02, "{sums:?}: {apart:?}");
}

//! One seed, one report.

mod common;

use common::file;
use uhlm_eval::experiment::{self, Files, Plan};
use uhlm_eval::report::Report;
use uhlm_eval::settings;

#[test]
fn a_seed_gives_the_same_record_and_the_same_report_twice() {
    let files = Files {
        draft: file("demo-draft.gguf"),
        target: file("demo-target.gguf"),
        held_out: Some(file("data/heldout.jsonl")),
        free: file("data/prompts_free.jsonl"),
        calibration: file("data/calibration.jsonl"),
        memory: None,
    };
    // A channel of each kind, one of them with outages.
    let outages: Vec<_> = settings::presets().into_iter().filter(|setting| setting.name.contains("outages")).collect();
    let plan = Plan {
        speed: (11, 2),
        quality: 12,
        calibration: (30, 4),
        settings: Some([vec![settings::paper(), settings::steady(50, false)], outages].concat()),
        ..Plan::quick(7)
    };
    let once = || {
        let record = experiment::run(&files, &plan, &|_| {}).expect("an evaluation");
        let report = Report::new(&record).expect("a report");
        let html = report.html().expect("a page");
        assert!(!html.contains("http://") || !html.contains("<script"), "the page loads something");
        (serde_json::to_string(&record).expect("plain data"), html, report.markdown("results", "demo"))
    };
    let (first, second) = (once(), once());
    assert_eq!(first.0, second.0, "the records differ");
    assert!(first.1 == second.1, "the pages differ");
    assert!(first.2 == second.2, "the Markdown differs");
    for name in ["U-HLM, risk-prone", "ours, exact, balanced", "CU-HLM, k = 30", "<svg"] {
        assert!(first.1.contains(name), "no {name} in the page");
    }
}

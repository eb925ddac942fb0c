//! Properties that all methods have in common, whoever wrote them.

mod common;

use common::file;
use uhlm_eval::baseline;
use uhlm_eval::baseline::rule::Baseline;
use uhlm_eval::channel::{Channel, PacketChannel};
use uhlm_eval::lab::{Lab, Setting};
use uhlm_eval::method::Method;
use uhlm_eval::pair::{ComputeTimes, Pair};
use uhlm_eval::questions;
use uhlm_eval::reply::Reply;
use uhlm_eval::settings;
use uhlm_eval::stream::{Numbered, Run};
use uhlm_law::sampling::{SamplingParams, TokenId};

fn numbered(name: &str, count: usize) -> Vec<Numbered> {
    let all = questions::read(&file(name)).expect("bundled questions");
    (0..).zip(questions::spread(&all, count)).map(|(index, question)| Numbered { index, question }).collect()
}

fn run<'a>(pair: &'a Pair, prompts: &'a [Numbered], temperature: f32) -> Run<'a> {
    Run {
        pair,
        prompts,
        sampling: SamplingParams { temperature, ..SamplingParams::default() },
        times: ComputeTimes::PAPER,
        max_tokens: 60,
        seed: 3,
    }
}

fn pair() -> Pair {
    Pair::load(&file("demo-draft.gguf"), &file("demo-target.gguf")).expect("the bundled pair")
}

fn tokens(replies: &[Reply]) -> Vec<Vec<TokenId>> {
    replies.iter().map(|reply| reply.tokens.clone()).collect()
}

#[test]
fn at_temperature_zero_every_exact_method_writes_what_the_target_writes() {
    let (pair, prompts, learn) = (pair(), numbered("data/heldout.jsonl", 20), numbered("data/calibration.jsonl", 100));
    let lab = Lab::prepare(run(&pair, &prompts, 0.0), &run(&pair, &learn, 0.0)).expect("calibrated");
    for setting in [settings::paper(), settings::steady(100, true)] {
        let target = tokens(&lab.replies(Method::LlmOnly, &setting).expect("replies"));
        let draft = tokens(&lab.replies(Method::SlmOnly, &setting).expect("replies"));
        assert_ne!(target, draft, "a pair that agrees shows nothing");
        for method in Method::ALL.into_iter().filter(|method| method.is_exact()) {
            let written = tokens(&lab.replies(method, &setting).expect("replies"));
            assert_eq!(written, target, "{} in {}", method.name(), setting.name);
        }
    }
}

#[test]
fn thresholds_at_the_ends_make_hlm_and_the_draft_model_of_u_hlm() {
    let (pair, prompts) = (pair(), numbered("data/heldout.jsonl", 10));
    let run = run(&pair, &prompts, 1.0);
    let write = |rule| {
        let traces = run.map(|stream| baseline::run(stream, rule)).expect("traces").concat();
        let sent: u64 = traces.iter().map(|trace| trace.decisions.judged).sum();
        (traces.into_iter().map(|trace| trace.tokens).collect::<Vec<_>>(), sent)
    };
    let (hlm, all) = write(Baseline::Hlm);
    assert_eq!(write(Baseline::UHlm { threshold: -1.0 }), (hlm, all));
    let (alone, none) = write(Baseline::UHlm { threshold: 1.0 });
    assert_eq!((alone, none), write(Baseline::RandHlm { rate: 0.0 }));
    assert_eq!(none, 0);
}

#[test]
fn a_link_changes_the_time_of_a_baseline_and_nothing_else() {
    let (pair, prompts, learn) = (pair(), numbered("data/heldout.jsonl", 5), numbered("data/calibration.jsonl", 60));
    let lab = Lab::prepare(run(&pair, &prompts, 1.0), &run(&pair, &learn, 1.0)).expect("calibrated");
    let on = |rtt| {
        let channel = Channel::Packet(PacketChannel::steady(rtt));
        let setting = Setting { name: String::new(), channel, billing: uhlm_eval::billing::Billing::PAPER };
        lab.replies(Method::Hlm, &setting).expect("replies")
    };
    let (near, far) = (on(10.0), on(110.0));
    assert_eq!(tokens(&near), tokens(&far));
    for (near, far) in near.iter().zip(&far) {
        // Every token is one round.
        let rounds = near.tokens.len() as u32;
        let apart = far.elapsed - near.elapsed;
        assert!(apart.abs_diff(std::time::Duration::from_millis(100) * rounds).as_millis() < 1, "{apart:?}");
        assert_eq!(near.ledger, far.ledger);
    }
}

#[test]
fn a_memory_changes_no_text_is_gone_on_from_and_spares_the_models_the_second_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pair.memory");
    let (prompts, learn) = (numbered("data/heldout.jsonl", 12), numbered("data/calibration.jsonl", 60));
    let setting = settings::steady(50, true);
    let replies = |pair: &Pair| {
        let lab = Lab::prepare(run(pair, &prompts, 0.0), &run(pair, &learn, 0.0)).expect("calibrated");
        Method::ALL.map(|method| lab.replies(method, &setting).expect("replies"))
    };
    let rows = |pair: &Pair| pair.memory().map_or(0, |memory| memory.rows());
    let plain = replies(&pair());
    let pair_with = || pair().remembering(&path).expect("a file");
    let first = pair_with();
    let once = replies(&first);
    assert!(rows(&first) > 500, "{} rows", rows(&first));
    for ((method, plain), once) in Method::ALL.into_iter().zip(&plain).zip(&once) {
        assert_eq!(tokens(plain), tokens(once), "{}", method.name());
    }
    drop(first);
    let bytes = std::fs::metadata(&path).expect("there").len();
    let again = pair_with();
    let known = rows(&again);
    assert!(replies(&again) == once, "what is remembered gives other replies");
    assert_eq!((rows(&again), std::fs::metadata(&path).expect("there").len()), (known, bytes), "a model was asked");
    // A run that was interrupted has lost nothing but the row that it was at.
    std::fs::File::options().write(true).open(&path).and_then(|file| file.set_len(bytes / 2)).expect("cut");
    let cut = pair_with();
    assert!((1..known).contains(&rows(&cut)));
    for (method, (before, after)) in Method::ALL.into_iter().zip(once.iter().zip(&replies(&cut))) {
        assert_eq!(tokens(before), tokens(after), "{}", method.name());
    }
    assert_eq!(rows(&cut), known);
}

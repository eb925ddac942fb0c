//! The exact baselines of `uhlm-eval` write as the target does, and the test would see it if they did not.
//!
//! 1,600 replies of four tokens to four prompts. Each token is compared with the target's law after the same prefix;
//! prefixes that occur too rarely to make a cell of their own say nothing. A right sampler fails with probability at
//! most 1e-6; the draft model alone must fail.

#![allow(clippy::print_stdout, reason = "the figures of a statistical test are worth reading")]

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use uhlm_eval::baseline;
use uhlm_eval::baseline::rule::Baseline;
use uhlm_eval::pair::{ComputeTimes, Pair};
use uhlm_eval::questions::Question;
use uhlm_eval::stream::{Numbered, Run};
use uhlm_eval::target::Target;
use uhlm_law::sampling::{Distribution, SamplingChain, SamplingParams, TokenId};
use uhlm_testing::goodness::{Fit, Goodness};
use uhlm_testing::pair;

const REPEATS: usize = 400;
const TOKENS: usize = 4;
const FALSE_ALARM: f64 = 1e-6;

/// Returns how well the replies of a rule fit the target's law.
fn fit(models: &Pair, rule: Baseline) -> Fit {
    let texts: Vec<String> = pair::questions("prompts_free").into_iter().take(4).collect();
    let prompts: Vec<Numbered> = (0..REPEATS * texts.len())
        .map(|i| {
            let question = Question { task: None, question: texts[i % texts.len()].clone(), check: None };
            Numbered { index: i as u64, question }
        })
        .collect();
    let run = Run {
        pair: models,
        prompts: &prompts,
        sampling: SamplingParams::default(),
        times: ComputeTimes::PAPER,
        max_tokens: TOKENS,
        seed: 11,
    };
    let traces = run.map(|stream| baseline::run(stream, rule)).expect("replies").concat();
    let mut target = Target::new(models).expect("a context");
    let chain = SamplingChain::new(SamplingParams::default()).expect("valid");
    let mut laws: HashMap<Vec<TokenId>, Distribution> = HashMap::new();
    let mut goodness = Goodness::default();
    for trace in &traces {
        let prompt = &prompts[trace.prompt as usize].question.question;
        let mut prefix = models.prompt(prompt).expect("a template");
        for &token in &trace.tokens {
            let law = laws.entry(prefix.clone()).or_insert_with(|| {
                target.pass(0, &prefix, 1).expect("fits");
                target.row(0, &chain, &prefix).expect("finite logits")
            });
            let mut hasher = DefaultHasher::new();
            prefix.hash(&mut hasher);
            goodness.observe(hasher.finish(), token, law);
            prefix.push(token);
        }
    }
    let fit = goodness.fit();
    println!("{rule:?}: {fit:?}");
    fit
}

#[test]
fn hlm_and_dssd_write_as_the_target_does_and_the_draft_model_alone_does_not() {
    let models = Pair::load(&pair::file("demo-draft.gguf"), &pair::file("demo-target.gguf")).expect("the bundled pair");
    for rule in [Baseline::Hlm, Baseline::Dssd { window: 4 }] {
        let fit = fit(&models, rule);
        assert!(fit.freedom > 10.0, "too few cells to say anything: {fit:?}");
        assert!(fit.p_value > FALSE_ALARM, "{rule:?} does not follow the target's law: {fit:?}");
    }
    let alone = fit(&models, Baseline::RandHlm { rate: 0.0 });
    assert!(alone.p_value < FALSE_ALARM, "the test does not tell the draft model from the target: {alone:?}");
}

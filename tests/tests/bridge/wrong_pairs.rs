//! Pairs that nobody would choose: a draft model without a chat template, one that only continues texts, one that
//! writes noise. The text is the target's own, and drafting ends where it does not pay.

use std::path::Path;

use tempfile::TempDir;
use uhlm_core::{Mode, SessionOptions, Statistics};
use uhlm_law::sampling::SamplingParams;
use uhlm_testing::gguf_edit::GgufEdit;
use uhlm_testing::pair;

use crate::support::{Plain, RandomText, engine, open, options, prompts, served, temperatures, write};

/// Writes a copy of a bundled model without its chat template.
fn without_template(folder: &TempDir, bundled: &str) -> std::path::PathBuf {
    let path = folder.path().join(bundled);
    let model = GgufEdit::of(&std::fs::read(pair::file(bundled)).expect("a file"));
    model.without("tokenizer.chat_template").write(&path);
    path
}

/// Compares replies of a pair with the target's own, and returns their statistics together.
fn compare(draft: &Path, target: &Path, sampling: &SamplingParams) -> Statistics {
    let served = served(target, true);
    let session = open(&engine(draft), served.verifier(), options(Mode::Exact, sampling));
    let (mut plain, mut all) = (Plain::new(target, sampling), Statistics::default());
    for (prompt, seed) in prompts().iter().take(4).zip(0..) {
        let (text, statistics) = write(&session, prompt, seed);
        assert_eq!(text, plain.write(prompt, seed), "temperature {}", sampling.temperature);
        assert!(statistics.bridged);
        all.add(&statistics);
    }
    all
}

#[test]
fn a_draft_model_without_a_chat_template_reads_the_targets_and_is_of_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let draft = without_template(&folder, "demo-draft.gguf");
    for sampling in temperatures() {
        let all = compare(&draft, &pair::file("prose-target.gguf"), &sampling);
        let stood = 1.0 - all.rejected as f64 / all.judged.max(1) as f64;
        println!("without a template, temperature {}: {stood:.3} of {} stood", sampling.temperature, all.judged);
        assert!(stood > 0.02, "{stood}");
    }
}

#[test]
fn a_draft_model_that_knows_nothing_of_conversations_changes_no_text() {
    // Trained on stories alone, and without the template that would tell it where a turn ends.
    let folder = tempfile::tempdir().expect("a folder");
    let draft = without_template(&folder, "prose-draft.gguf");
    for sampling in temperatures() {
        compare(&draft, &pair::file("demo-target.gguf"), &sampling);
    }
}

#[test]
fn drafting_ends_where_no_draft_stands() {
    let random = RandomText::new();
    let served = served(&pair::file("demo-target.gguf"), true);
    let options = SessionOptions {
        draft_ahead: SessionOptions::default().draft_ahead,
        ..options(Mode::Exact, &SamplingParams::greedy())
    };
    let session = open(&engine(&random.path()), served.verifier(), options);
    let prompts = prompts();
    let (mut drafted, mut written) = (Vec::new(), Vec::new());
    for (prompt, seed) in prompts.iter().take(12).zip(0..) {
        let (text, statistics) = write(&session, prompt, seed);
        drafted.push(statistics.drafted);
        written.push(text.len() as u64);
    }
    println!("drafted: {drafted:?} for replies of {written:?} tokens");
    assert!(drafted[0] > 0, "it was tried");
    // It is tried again now and then, because models and machines change.
    assert!(drafted.contains(&0), "{drafted:?}");
    let (drafted, written) = (drafted.iter().sum::<u64>(), written.iter().sum::<u64>());
    assert!(drafted < written, "{drafted} drafts for {written} tokens");
}

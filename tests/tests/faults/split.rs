//! A model whose file was split into parts is one model: it says the same, and each part that is not there or not whole
//! is named.

use std::path::PathBuf;

use uhlm_core::{Engine, GenerationOptions, Mode, OfflinePolicy, Prompt};
use uhlm_law::model::LanguageModel as _;
use uhlm_llama::{LoadError, LoadOptions, memory};
use uhlm_testing::{pair, split};

use crate::support::{consume, options};

/// Returns the demo draft model in three parts.
fn parts() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let parts = split::split(&pair::file("demo-draft.gguf"), folder.path(), "a demo", 3).expect("split");
    (folder, parts)
}

fn load(path: &std::path::Path) -> Result<Engine, LoadError> {
    Engine::load(path, &LoadOptions::default())
}

/// Returns the text that a model writes alone.
fn text(engine: &Engine) -> String {
    let session = engine.session(None, options(Mode::DeviceOnly, OfflinePolicy::Fail)).expect("valid options");
    let options = GenerationOptions { max_tokens: 40, ..GenerationOptions::default() };
    let prompt = Prompt::Chat("Please add 7447 to 9340.".into());
    let record = consume(session.generate(prompt, options).expect("idle"));
    record.outcome.expect("a reply").1
}

#[test]
fn a_split_model_says_what_the_whole_one_says_whichever_part_is_named() {
    let (_folder, parts) = parts();
    let whole = load(&pair::file("demo-draft.gguf")).expect("the bundled draft");
    for path in [&parts[0], &parts[2]] {
        let engine = load(path).expect("all parts are there");
        assert_eq!(engine.model().vocabulary_hash(), whole.model().vocabulary_hash());
        assert_eq!(engine.model().parameters(), whole.model().parameters());
        assert_eq!(text(&engine), text(&whole));
    }
}

#[test]
fn the_memory_of_a_split_model_is_that_of_all_its_parts() {
    let (_folder, parts) = parts();
    let whole = memory::estimate(&pair::file("demo-draft.gguf"), 512).expect("a model");
    let split = memory::estimate(&parts[0], 512).expect("all parts are there");
    let bytes: u64 = parts.iter().map(|part| std::fs::metadata(part).expect("there").len()).sum();
    assert_eq!(split.weights, bytes);
    let beside = |estimate: memory::MemoryEstimate| memory::MemoryEstimate { weights: 0, ..estimate };
    assert_eq!(beside(split), beside(whole));
}

#[test]
fn a_part_that_is_missing_cut_or_another_one_is_named() {
    let named = |change: &dyn Fn(&[PathBuf])| {
        let (_folder, parts) = parts();
        change(&parts);
        load(&parts[0]).expect_err("a part is wrong")
    };
    let error = named(&|parts| std::fs::remove_file(&parts[1]).expect("there"));
    assert!(
        matches!(&error, LoadError::MissingPart { path } if path.ends_with("a demo-00002-of-00003.gguf")),
        "{error}"
    );

    let error = named(&|parts| {
        let bytes = std::fs::read(&parts[2]).expect("there");
        std::fs::write(&parts[2], &bytes[..bytes.len() / 2]).expect("written");
    });
    assert!(
        matches!(&error, LoadError::Truncated { path, .. } if path.ends_with("a demo-00003-of-00003.gguf")),
        "{error}"
    );

    let error = named(&|parts| {
        std::fs::copy(&parts[2], &parts[1]).expect("written");
    });
    assert!(
        matches!(&error, LoadError::Damaged { path, .. } if path.ends_with("a demo-00002-of-00003.gguf")),
        "{error}"
    );
}

#[test]
fn the_first_part_alone_under_another_name_says_what_it_is() {
    let (folder, parts) = parts();
    let renamed = folder.path().join("renamed.gguf");
    std::fs::rename(&parts[0], &renamed).expect("renamed");
    let error = load(&renamed).expect_err("the others cannot be found");
    assert!(matches!(&error, LoadError::Damaged { reason, .. } if reason.contains("part 1 of 3")), "{error}");
}

#[test]
fn parts_of_two_models_are_told_from_those_of_one() {
    let (first, second) = (parts(), parts());
    let fingerprint = |path: &PathBuf| load(path).expect("all parts are there").fingerprint();
    assert_eq!(fingerprint(&first.1[0]), fingerprint(&second.1[0]));
    let mut bytes = std::fs::read(&second.1[2]).expect("there");
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    std::fs::write(&second.1[2], bytes).expect("written");
    assert_ne!(fingerprint(&first.1[0]), fingerprint(&second.1[0]));
}

//! The bundled pair of models, and the bundled questions.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use uhlm_core::Engine;
use uhlm_llama::{Accelerator, LoadOptions, Model};

/// Returns the path of a file in `models/`.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

/// Returns options that load a model onto the CPU, also where the machine has a GPU: tests compare texts and rows.
#[must_use]
pub fn on_the_cpu() -> LoadOptions {
    LoadOptions { accelerator: Accelerator::Cpu, ..LoadOptions::default() }
}

/// Returns the draft model, loaded once for the process.
#[must_use]
pub fn draft() -> Engine {
    static DRAFT: OnceLock<Engine> = OnceLock::new();
    DRAFT.get_or_init(|| Engine::load(file("demo-draft.gguf"), &on_the_cpu()).expect("the bundled draft model")).clone()
}

/// Returns the target model, loaded once for the process: the reference that tests compare with.
#[must_use]
pub fn target() -> Arc<Model> {
    static TARGET: OnceLock<Arc<Model>> = OnceLock::new();
    let load = || Model::load(&file("demo-target.gguf"), &on_the_cpu()).expect("the bundled target model");
    Arc::clone(TARGET.get_or_init(load))
}

/// One line of a file of questions; the answer in it is not read.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    /// Text of the question.
    pub question: String,
}

/// Returns the questions of `data/<name>.jsonl`.
#[must_use]
pub fn questions(name: &str) -> Vec<String> {
    let path = file("data").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path).expect("bundled questions");
    let parse = |line: &str| serde_json::from_str::<Question>(line).expect("one question a line").question;
    text.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

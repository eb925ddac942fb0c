//! What a cache of 8 bits changes: `cargo run -p uhlm-tests --bin cache_precision -- MODEL.gguf [TOKENS]`.
//!
//! Reads the bundled questions with both caches and prints, for each, the size of the state and the time of a token,
//! and between them how far logits are apart and how often the most probable token is the same.

#![allow(clippy::print_stdout, reason = "a command")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use uhlm_law::model::{LanguageModel as _, Sequence as _, Special};
use uhlm_law::sampling::{SamplingError, TokenId, top_log_probabilities};
use uhlm_llama::{CachePrecision, ContextOptions, LoadOptions, Model};
use uhlm_testing::pair;

/// What reading a text one token at a time gave.
struct Read {
    /// The most probable token at each place, with its probability's logarithm.
    top: Vec<(TokenId, f32)>,
    /// Size of the cache in the engine's own form, in bytes.
    state: usize,
    /// Time of a token in milliseconds, over the last quarter of the text.
    token: f64,
}

fn read(path: &Path, cache: CachePrecision, tokens: &[TokenId]) -> Result<Read, Box<dyn std::error::Error>> {
    let model = Model::load(path, &LoadOptions { cache, ..LoadOptions::default() })?;
    let context = u32::try_from(tokens.len())?;
    let mut sequence = model.new_sequence(&ContextOptions { context, ..ContextOptions::default() })?;
    let (mut top, late) = (Vec::new(), tokens.len() - tokens.len() / 4);
    let mut began = Instant::now();
    for (place, &id) in tokens.iter().enumerate() {
        if place == late {
            began = Instant::now();
        }
        sequence.decode(&[id], &|| false)?;
        top.push(*top_log_probabilities(sequence.logits(), 1).first().ok_or(SamplingError::NonFiniteLogits)?);
    }
    let token = began.elapsed().as_secs_f64() * 1e3 / (tokens.len() - late).max(1) as f64;
    Ok(Read { top, state: sequence.save()?.map_or(0, |state| state.len()), token })
}

fn compare(path: &Path, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let text = pair::questions("heldout").join("\n");
    let model = Model::load(path, &LoadOptions::default())?;
    let mut tokens = model.tokenize(&text, Special::ParseWithBos)?;
    tokens.truncate(count);
    drop(model);
    let [large, small] = [CachePrecision::F16, CachePrecision::Q8].map(|cache| read(path, cache, &tokens));
    let (large, small) = (large?, small?);
    let same = large.top.iter().zip(&small.top).filter(|(one, other)| one.0 == other.0).count();
    let apart: f32 = large.top.iter().zip(&small.top).map(|(one, other)| (one.1 - other.1).abs()).sum();
    let count = tokens.len();
    println!("{count} tokens of {}", path.display());
    for (name, read) in [("f16", &large), ("q8", &small)] {
        println!("{name:>4}: {:.1} kB a token, {:.2} ms a token", read.state as f64 / 1e3 / count as f64, read.token);
    }
    println!(
        "the most probable token is the same at {:.1} % of places; its log-probability differs by {:.4} on average",
        100.0 * same as f64 / count as f64,
        f64::from(apart) / count as f64
    );
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| pair::file("demo-draft.gguf").display().to_string());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1000);
    match compare(Path::new(&path), count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

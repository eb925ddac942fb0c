//! `uhlm bench memory`: the estimate of a draft model's memory, beside the measured peak.
//!
//! Each measurement runs in a process of its own, which fills the whole context and draws tokens at its end. The
//! process's memory before it loaded the model is taken off its peak (`VmHWM`), so that neither the program nor another
//! model counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch};
use uhlm_llama::memory::{self, MemoryEstimate};
use uhlm_llama::{Accelerator, ContextOptions, LoadOptions, Model};

use crate::failure::Failure;
use crate::output;
use crate::report::{bytes, percent};
use crate::terminal::table::Table;

#[derive(Clone, Debug, Args)]
pub(super) struct MemoryArgs {
    /// Models, GGUF files
    #[arg(required = true, value_name = "GGUF")]
    models: Vec<PathBuf>,
    /// Contexts to measure each with, in tokens
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', default_value = "512,4096")]
    context: Vec<u32>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Measure the first model with the first context in this process
    #[arg(long, hide = true)]
    here: bool,
}

/// The memory of a process before it loaded the model and at its peak, in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Measured {
    before: u64,
    peak: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    model: PathBuf,
    estimate: MemoryEstimate,
    total: u64,
    measured: u64,
    /// Estimate over measurement, less one: positive where the estimate is too high.
    error: f64,
}

pub(super) fn run(args: &MemoryArgs) -> Result<(), Failure> {
    if args.here {
        let (Some(model), Some(&context)) = (args.models.first(), args.context.first()) else {
            return Err(Failure::usage("a model and a context"));
        };
        return output::json(&here(model, context)?);
    }
    let mut rows = Vec::new();
    for model in &args.models {
        for &context in &args.context {
            let estimate = memory::estimate(model, context).map_err(|error| Failure::new(error.to_string()))?;
            let found = in_child(model, context)?;
            let measured = found.peak.saturating_sub(found.before);
            let error = estimate.total() as f64 / measured.max(1) as f64 - 1.0;
            rows.push(Row { model: model.clone(), total: estimate.total(), estimate, measured, error });
        }
    }
    if args.json {
        return output::json(&rows);
    }
    let heading = ["model", "context", "weights", "repacked", "cache", "compute", "other", "estimate", "peak", "error"];
    let mut table = Table::new(&heading);
    for Row { model, estimate, total, measured, error } in &rows {
        let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let sign = if *error < 0.0 { "-" } else { "+" };
        let MemoryEstimate { context, weights, repacked, cache, compute, vocabulary, graphs } = estimate;
        let sizes = [*weights, *repacked, *cache, *compute, vocabulary + graphs, *total, *measured].map(bytes);
        let mut row = vec![name, context.to_string()];
        row.extend(sizes);
        row.push(format!("{sign}{}", percent(error.abs())));
        table.push(row);
    }
    output::line(table.render());
    Ok(())
}

fn in_child(model: &Path, context: u32) -> Result<Measured, Failure> {
    let failed = |reason: String| Failure::new(format!("measuring {} failed: {reason}", model.display()));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["bench", "memory", "--here", "--context", &context.to_string()]).arg(model);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Loads the model, fills the context and draws tokens, all in this process.
fn here(path: &Path, context: u32) -> Result<Measured, Failure> {
    let before = status("VmRSS")?;
    let model = Model::load(path, &LoadOptions { accelerator: Accelerator::Cpu, ..LoadOptions::default() })?;
    let options = ContextOptions { context, ..ContextOptions::default() };
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let mut sequence = model.new_sequence(&options).map_err(|error| failed(&error))?;
    let size = model.vocabulary().size() as u32;
    let filled = sequence.capacity().min(context.max(16) as usize) - 8;
    let tokens: Vec<u32> = (0..filled as u32).map(|i| 3 + i * 7 % (size - 3)).collect();
    sequence.decode(&tokens, &|| false).map_err(|error| failed(&error))?;
    let chain = SamplingChain::new(SamplingParams { temperature: 1.0, ..SamplingParams::default() })?;
    let mut scratch = Scratch::default();
    for _ in 0..4 {
        let input = ChainInput { logits: sequence.logits(), history: &tokens, mask: None };
        let law = chain.distribution(input, &mut scratch)?;
        let next = law.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(3, |(id, _)| id);
        sequence.decode(&[next], &|| false).map_err(|error| failed(&error))?;
    }
    Ok(Measured { before, peak: status("VmHWM")? })
}

/// Returns the value of a line of `/proc/self/status`, in bytes.
fn status(name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")
        .map_err(|_| Failure::new("memory can be measured on Linux and Android only"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map(|kb| kb * 1024).ok_or_else(|| Failure::new(format!("no {name} in /proc/self/status")))
}

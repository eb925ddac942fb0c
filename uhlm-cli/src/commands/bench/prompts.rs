//! `uhlm bench device --prompts FILE`: the gain of reading ahead, by kind of task.
//!
//! A session in `device_only` and llama.cpp's own loop answer the same prompts in turns, with the same file, threads
//! and context. The time from the first token of a reply to its last counts; reading the prompt does not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uhlm_core::{Engine, GenerationOptions, Prompt, Session, SessionOptions, Statistics};
use uhlm_law::chat::{ChatTemplate as _, Message, RenderOptions};
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_llama::Model;

use super::reference::Reference;
use crate::failure::Failure;
use crate::output;
use crate::report::significant;
use crate::terminal::progress;
use crate::terminal::table::Table;

/// The prompts and the settings of a measurement.
pub(super) struct Task<'a> {
    pub(super) file: &'a Path,
    /// Number of prompts of each category.
    pub(super) of_each: usize,
    /// Greatest length of a reply, in tokens.
    pub(super) tokens: usize,
    /// Number of turns of each prompt.
    pub(super) turns: usize,
    /// Options of the session; its context, threads and temperature are llama.cpp's as well.
    pub(super) options: SessionOptions,
}

/// A line of the file: `prompt`, or the first of `turns`.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    turns: Vec<String>,
}

/// Number of tokens after the first ones of replies, and their time in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Spent {
    tokens: usize,
    seconds: f64,
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.seconds += other.seconds;
    }

    fn speed(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.tokens as f64 / self.seconds }
    }
}

/// The results of the prompts of a category.
#[derive(Debug, Default, Serialize)]
struct Category {
    category: String,
    prompts: usize,
    prompt_tokens: u64,
    session: Spent,
    llama_cpp: Spent,
    /// Ratio of the session's tokens a second to llama.cpp's.
    ratio: f64,
    ngram_proposed: u64,
    ngram_accepted: u64,
    /// Ratio of each turn.
    ratios: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Document {
    model: String,
    file: PathBuf,
    threads: u32,
    context: u32,
    temperature: f32,
    ngrams: bool,
    categories: Vec<Category>,
}

/// Measures all categories and prints them.
pub(super) fn run(engine: &Engine, path: &Path, task: &Task<'_>, json: bool) -> Result<(), Failure> {
    let (model, options) = (engine.model(), &task.options);
    let failed = || Failure::new("llama.cpp failed; -v shows what it logs");
    let on_gpu = model.backend().is_gpu();
    let reference = Reference::load(path, options.context.tokens(), options.threads, on_gpu);
    let mut reference = reference.ok_or_else(failed)?;
    let session = engine.session(None, options.clone())?;
    let prompts = read(task)?;
    let bar = progress::bar(prompts.len() * task.turns, "session and llama.cpp in turns");
    let room = (options.context.tokens() as usize).saturating_sub(task.tokens + 1);
    let mut categories: Vec<Category> = Vec::new();
    for turn in 0..task.turns {
        for (number, (name, text)) in prompts.iter().enumerate() {
            let prompt = rendered(model, text, room)?;
            let ids = model.tokenize(&prompt, Special::ParseWithBos)?;
            let seed = (turn * prompts.len() + number) as u32;
            let temperature = options.sampling.temperature;
            let mut theirs = || reference.generate(&ids, task.tokens, temperature, seed).ok_or_else(failed);
            // The second side finds the processor as the first has left it, so they take turns in being first.
            let (statistics, run) = if seed.is_multiple_of(2) {
                let ours = reply(&session, &prompt, task.tokens)?;
                (ours, theirs()?)
            } else {
                let run = theirs()?;
                (reply(&session, &prompt, task.tokens)?, run)
            };
            let place = categories.iter().position(|category| category.category == *name).unwrap_or_else(|| {
                categories.push(Category { category: name.clone(), ..Category::default() });
                categories.len() - 1
            });
            let ours = Spent {
                tokens: (statistics.tokens() as usize).saturating_sub(1),
                seconds: (statistics.elapsed - statistics.first_token).as_secs_f64(),
            };
            let theirs = Spent { tokens: run.tokens - 1, seconds: (run.total - run.first_token).as_secs_f64() };
            categories[place].add(&statistics, ours, theirs);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let document = Document {
        model: model.name().to_owned(),
        file: task.file.into(),
        threads: options.threads,
        context: options.context.tokens(),
        temperature: options.sampling.temperature,
        ngrams: options.ngrams,
        categories,
    };
    if json { output::json(&document) } else { print(&document) }
}

impl Category {
    fn add(&mut self, statistics: &Statistics, ours: Spent, theirs: Spent) {
        self.prompts += 1;
        self.prompt_tokens += statistics.prompt_tokens;
        self.ngram_proposed += statistics.ngram_proposed;
        self.ngram_accepted += statistics.ngram_accepted;
        self.session.add(ours);
        self.llama_cpp.add(theirs);
        self.ratio = self.session.speed() / self.llama_cpp.speed();
        self.ratios.push(ours.speed() / theirs.speed());
    }
}

/// Reads the first prompts of each category, in the order of the file.
fn read(task: &Task<'_>) -> Result<Vec<(String, String)>, Failure> {
    let refused = |reason: String| Failure::usage(format!("{}: {reason}", task.file.display()));
    let text = std::fs::read_to_string(task.file).map_err(|error| refused(error.to_string()))?;
    let (mut taken, mut prompts) = (HashMap::<String, usize>::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason: String| refused(format!("line {}: {reason}", number + 1));
        let line: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let prompt = line.prompt.or_else(|| line.turns.into_iter().next());
        let prompt = prompt.ok_or_else(|| wrong("neither `prompt` nor `turns`".into()))?;
        let category = line.category.unwrap_or_else(|| "prompts".into());
        let count = taken.entry(category.clone()).or_default();
        *count += 1;
        if *count <= task.of_each {
            prompts.push((category, prompt));
        }
    }
    if prompts.is_empty() { Err(refused("there is no prompt in it".into())) } else { Ok(prompts) }
}

/// Returns the prompt in the model's template, cut at its end if it would be longer than `room` tokens.
fn rendered(model: &Arc<Model>, text: &str, room: usize) -> Result<String, Failure> {
    let render = |text: &str| {
        let prompt = model.render(&[Message::user(text)], &RenderOptions::default());
        prompt.map(|prompt| prompt.text()).map_err(|error| Failure::new(error.to_string()))
    };
    let length = |prompt: &str| model.tokenize(prompt, Special::ParseWithBos).map(|ids| ids.len());
    let whole = render(text)?;
    let mut ids = model.tokenize(text, Special::Plain)?;
    let mut prompt = whole;
    loop {
        let excess = length(&prompt)?.saturating_sub(room);
        if excess == 0 {
            return Ok(prompt);
        }
        if ids.is_empty() {
            return Err(Failure::usage("the template leaves no room in the context").hint("raise --context"));
        }
        ids.truncate(ids.len().saturating_sub(excess));
        prompt = render(&String::from_utf8_lossy(&model.detokenize(&ids)))?;
    }
}

fn reply(session: &Session, prompt: &str, tokens: usize) -> Result<Statistics, Failure> {
    let options = GenerationOptions { max_tokens: tokens, ..GenerationOptions::default() };
    // Each prompt is answered in a conversation of its own.
    session.reset()?;
    Ok(session.generate(Prompt::Raw(prompt.to_owned()), options)?.blocking_finish()?.1)
}

fn print(document: &Document) -> Result<(), Failure> {
    output::line(format_args!(
        "{}, {} threads, temperature {}; tokens/s after the first token",
        document.model, document.threads, document.temperature
    ));
    let mut table =
        Table::new(&["category", "prompts", "tokens each", "session", "llama.cpp", "ratio", "read ahead", "drafted"]);
    for c in &document.categories {
        table.push(vec![
            c.category.clone(),
            c.prompts.to_string(),
            (c.prompt_tokens / c.prompts.max(1) as u64).to_string(),
            significant(c.session.speed()),
            significant(c.llama_cpp.speed()),
            format!("{:.3}", c.ratio),
            c.ngram_proposed.to_string(),
            c.ngram_accepted.to_string(),
        ]);
    }
    output::line(table.render());
    Ok(())
}

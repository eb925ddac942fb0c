//! The Rust side of `cargo xtask bench-ffi`: the same commands as the Kotlin and the Swift driver answer, on the core
//! itself.
//!
//! `speed` generates the fixture's questions, `steady` one long reply of the heavy model, `cancel` cancels one; each
//! answers with one line of JSON. The argument is a file with the fixture's first line.

#![allow(clippy::print_stdout, reason = "standard output is the interface")]

use std::io::BufRead as _;
use std::path::PathBuf;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use uhlm_core::{Engine, Event, GenerationOptions, Mode, Prompt, Session, SessionOptions};
use uhlm_law::sampling::SamplingParams;
use uhlm_llama::LoadOptions;

#[derive(Deserialize)]
struct Fixture {
    draft: PathBuf,
    heavy: PathBuf,
    questions: Vec<String>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let path = std::env::args_os().nth(1).ok_or("usage: uhlm-bench-driver FIXTURE.json")?;
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path)?)?;
    let draft = Engine::load(&fixture.draft, &LoadOptions::default())?;
    let heavy = Engine::load(&fixture.heavy, &LoadOptions::default())?;
    let heavy = open(&heavy)?;
    for line in std::io::stdin().lock().lines() {
        let answer = match line?.trim() {
            "speed" => speed(&draft, &fixture.questions)?,
            "steady" => steady(&heavy)?,
            "cancel" => cancel(&heavy)?,
            "quit" => break,
            _ => json!({ "error": "commands: speed, steady, cancel, quit" }),
        };
        println!("{answer}");
    }
    Ok(())
}

fn open(engine: &Engine) -> Result<Session, Failure> {
    let options = SessionOptions {
        mode: Mode::DeviceOnly,
        sampling: SamplingParams::greedy(),
        threads: 1,
        ..SessionOptions::default()
    };
    Ok(engine.session(None, options)?)
}

fn speed(engine: &Engine, questions: &[String]) -> Result<Value, Failure> {
    let (mut tokens, mut seconds) = (0, 0.0);
    for question in questions {
        let session = open(engine)?;
        // Once unmeasured: the first generation of a session makes its context.
        let one = GenerationOptions { max_tokens: 1, ..GenerationOptions::default() };
        session.generate(Prompt::Raw("go".into()), one)?.blocking_finish()?;
        session.reset()?;
        let options = GenerationOptions { max_tokens: 96, ..GenerationOptions::default() };
        let began = Instant::now();
        let mut generation = session.generate(Prompt::Chat(question.clone()), options)?;
        while let Some(event) = generation.blocking_next() {
            tokens += u64::from(matches!(event?, Event::Committed { .. }));
        }
        seconds += began.elapsed().as_secs_f64();
    }
    Ok(json!({ "tokens": tokens, "seconds": seconds }))
}

/// One long reply of the model whose step takes milliseconds.
fn steady(session: &Session) -> Result<Value, Failure> {
    let options = GenerationOptions { max_tokens: 96, ..GenerationOptions::default() };
    let began = Instant::now();
    let mut generation = session.generate(Prompt::Raw("go".into()), options)?;
    let mut tokens = 0;
    while let Some(event) = generation.blocking_next() {
        tokens += u64::from(matches!(event?, Event::Committed { .. }));
    }
    Ok(json!({ "tokens": tokens, "seconds": began.elapsed().as_secs_f64() }))
}

/// From the call of `cancel` until the session is idle; the step is what a token took before.
fn cancel(session: &Session) -> Result<Value, Failure> {
    let options = GenerationOptions { max_tokens: 1000, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Raw("cancel".into()), options)?;
    let (mut committed, mut first) = (0u32, Instant::now());
    while committed < 10 {
        let event = generation.blocking_next().ok_or("the reply ended early")??;
        if matches!(event, Event::Committed { .. }) {
            committed += 1;
            if committed == 1 {
                first = Instant::now();
            }
        }
    }
    let step = first.elapsed() / 9;
    let began = Instant::now();
    generation.cancel();
    while session.is_generating() {
        std::hint::spin_loop();
    }
    let took = began.elapsed();
    Ok(json!({ "micros": took.as_secs_f64() * 1e6, "stepMicros": step.as_secs_f64() * 1e6 }))
}

//! One measurement: processes of this program that run the loop of a draft model from the same moment on.
//!
//! A process loads the model, reads the prompt, says that it is ready, and begins with the line that it gets. So all of
//! them compute throughout the time that is measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_llama::{Accelerator, ContextOptions, LoadOptions, Model, Waiting};

use crate::failure::Failure;
use crate::output;

/// The line with which a process says that it is ready.
const READY: &str = "ready";
/// Length of the prompt, in tokens.
const PROMPT: u32 = 32;
/// Units of the times in `/proc/self/stat` in a second, on every processor that Linux runs on today.
const TICKS: f64 = 100.0;

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) model: PathBuf,
    /// Number of threads; 0 chooses by the model's size and the cores.
    pub(super) threads: u32,
    pub(super) waiting: Waiting,
    pub(super) seconds: u32,
    pub(super) context: u32,
}

/// What a process did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    /// Number of threads that it had.
    pub(super) threads: u32,
    pub(super) tokens: u64,
    pub(super) seconds: f64,
    /// Time on cores, all threads together, in seconds.
    pub(super) cpu_seconds: f64,
}

/// Reads what threads do between two passes.
pub(super) fn waiting(text: &str) -> Result<Waiting, String> {
    match text {
        "sleep" => Ok(Waiting::Sleep),
        "ended" => Ok(Waiting::Ended),
        number => match number.parse() {
            Ok(rounds @ 1..=100) => Ok(Waiting::Poll(rounds)),
            _ => Err("`sleep`, `ended`, or rounds from 1 to 100".into()),
        },
    }
}

/// Returns the text that [`waiting`] reads.
pub(super) fn name(waiting: Waiting) -> String {
    match waiting {
        Waiting::Sleep => "sleep".into(),
        Waiting::Ended => "ended".into(),
        Waiting::Poll(rounds) => rounds.to_string(),
    }
}

/// Runs so many processes with the same task at once. If one of them fails the others find their input closed, and end.
pub(super) fn at_once(task: &Task, processes: usize) -> Result<Vec<Turn>, Failure> {
    let begun = (0..processes).map(|_| begin(task)).collect::<Result<Vec<_>, _>>()?;
    let mut ready = Vec::new();
    for (child, mut lines) in begun {
        let mut line = String::new();
        lines.read_line(&mut line).map_err(|error| failed(task, &error))?;
        if line.trim_end() != READY {
            return Err(failed(task, &"it did not get ready"));
        }
        ready.push((child, lines));
    }
    for (child, _) in &mut ready {
        let input = child.stdin.as_mut().ok_or_else(|| failed(task, &"no input"))?;
        input.write_all(b"\n").map_err(|error| failed(task, &error))?;
    }
    let end = |(mut child, mut lines): (Child, BufReader<ChildStdout>)| {
        let mut text = String::new();
        lines.read_to_string(&mut text).map_err(|error| failed(task, &error))?;
        let status = child.wait().map_err(|error| failed(task, &error))?;
        if !status.success() {
            return Err(failed(task, &status));
        }
        serde_json::from_str(&text).map_err(|error| failed(task, &error))
    };
    ready.into_iter().map(end).collect()
}

fn failed(task: &Task, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("measuring {} failed: {reason}", task.model.display()))
}

fn begin(task: &Task) -> Result<(Child, BufReader<ChildStdout>), Failure> {
    let program = std::env::current_exe().map_err(|error| failed(task, &error))?;
    let mut command = Command::new(program);
    command.args(["bench", "load", "--here", "--waiting", &name(task.waiting)]);
    command.args(["--threads", &task.threads.to_string(), "--seconds", &task.seconds.to_string()]);
    command.args(["--context", &task.context.to_string(), "--model"]).arg(&task.model);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(task, &error))?;
    let lines = child.stdout.take().ok_or_else(|| failed(task, &"no output"))?;
    Ok((child, BufReader::new(lines)))
}

/// Runs the loop in this process.
pub(super) fn here(task: &Task) -> Result<(), Failure> {
    let model = Model::load(&task.model, &LoadOptions { accelerator: Accelerator::Cpu, ..LoadOptions::default() })?;
    let threads = if task.threads == 0 { model.sensible_threads(4) } else { task.threads };
    let options = ContextOptions { context: task.context, threads, waiting: task.waiting, ..ContextOptions::default() };
    let mut sequence = model.new_sequence(&options)?;
    let size = model.vocabulary().size() as u32;
    let prompt: Vec<u32> = (0..PROMPT).map(|i| 3 + i * 7 % (size - 3)).collect();
    let begin = prompt.len();
    if sequence.capacity() <= begin + 1 {
        return Err(Failure::usage("the prompt leaves no room in the context").hint("raise --context"));
    }
    sequence.decode(&prompt, &|| false)?;
    let mut next = best(sequence.logits());
    output::line(READY);
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).map_err(|error| failed(task, &error))? == 0 {
        return Err(Failure::new("the process that began this measurement is gone"));
    }
    let (length, began, cpu) = (Duration::from_secs(task.seconds.into()), Instant::now(), cpu_seconds()?);
    let mut tokens = 0;
    while began.elapsed() < length {
        if sequence.len() == sequence.capacity() {
            sequence.truncate(begin)?;
        }
        sequence.decode(&[next], &|| false)?;
        next = best(sequence.logits());
        tokens += 1;
    }
    let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    output::json(&Turn { threads, tokens, seconds, cpu_seconds })
}

/// Returns the token with the largest logit.
fn best(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(id, _)| id as u32)
}

/// Returns the time that this process has been on cores, in seconds, with its threads that have ended.
fn cpu_seconds() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat").ok();
    let unknown = || Failure::new("time on cores can be measured on Linux and Android only");
    text.as_deref().and_then(ticks).map(|ticks| ticks as f64 / TICKS).ok_or_else(unknown)
}

/// Reads the time on cores from `/proc/self/stat`, in ticks: that of the program and that of the system for it.
fn ticks(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, which may have any characters.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_do_is_read_as_it_is_written() {
        for how in [Waiting::Sleep, Waiting::Ended, Waiting::Poll(1), Waiting::Poll(100)] {
            assert_eq!(waiting(&name(how)), Ok(how));
        }
        for wrong in ["0", "101", "", "Sleep", "-1"] {
            assert!(waiting(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_time_on_cores_is_that_of_the_program_and_of_the_system_whatever_the_program_is_called() {
        let stat = "17 (a) 3 (b) R 1 17 17 0 -1 4194304 120 0 0 0 42 8 0 0 20 0 3 0 100 1000 50";
        assert_eq!(ticks(stat), Some(50));
        assert_eq!(ticks("17 (a) R 1 17"), None);
        assert_eq!(ticks(""), None);
    }
}

//! Flips single bits of a model's header and records what becomes of the process that loads it.
//!
//! A child process tries flip after flip: it loads the file, uses what it gets, and prints the outcome in a line. If it
//! dies or prints nothing for too long, the parent counts that flip as an abort or a hang, and the next child goes on
//! after it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Seek as _, SeekFrom, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_llama::{ContextOptions, LoadError, LoadOptions, Model};

use crate::gguf_edit::GgufEdit;

/// Time after which a flip counts as a hang; most take some milliseconds.
const LIMIT: Duration = Duration::from_secs(60);
/// Outcome that a child prints for a flip after which a panic was caught.
const PANIC: &str = "panicked";

/// The results so far; a run goes on from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flips {
    /// Number of the next flip, which is that of bit `next % 8` of byte `next / 8`.
    pub next: u64,
    /// Number of flips that were tried.
    pub tried: u64,
    /// Number of flips by their outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Numbers of the flips that ended the process.
    pub aborts: Vec<u64>,
    /// Numbers of the flips that took longer than a minute.
    pub hangs: Vec<u64>,
    /// Numbers of the flips that made this library panic.
    pub panics: Vec<u64>,
    /// Largest memory that a child took, in KiB; Linux only.
    pub peak_kib: u64,
}

/// Returns the number of bits in the header of a model.
#[must_use]
pub fn bits(model: &Path) -> u64 {
    let bytes = std::fs::read(model).expect("a model");
    GgufEdit::of(&bytes).header().len() as u64 * 8
}

/// Tries every `step`-th flip of the header of `model`, from the next one of `flips` up to `end`, with the program
/// `exe`, which must run [`child`] for `child MODEL FROM STEP END`. It calls `saved` from time to time.
///
/// # Panics
/// If no child can be started.
pub fn run(exe: &Path, model: &Path, step: u64, end: u64, flips: &mut Flips, saved: &mut dyn FnMut(&Flips)) {
    while flips.next < end {
        let numbers = [flips.next, step, end].map(|number| number.to_string());
        let mut command = Command::new(exe);
        command.arg("child").arg(model).args(numbers).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a child process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, receiver) = channel();
        let reading = std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let hangs = loop {
            match receiver.recv_timeout(LIMIT) {
                Ok(line) => flips.take(&line, step, saved),
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        if hangs {
            child.kill().expect("our own child");
        }
        let status = child.wait().expect("our own child");
        // The thread ends with the child's end of the pipe.
        let _ = reading.join();
        if hangs {
            flips.hangs.push(flips.next);
        } else if !status.success() {
            flips.aborts.push(flips.next);
        } else if flips.next < end {
            panic!("a child stopped before flip {}", flips.next);
        }
        if flips.next < end && (hangs || !status.success()) {
            flips.tried += 1;
            flips.next += step;
        }
        saved(flips);
    }
}

impl Flips {
    /// Takes a line that a child printed: `FLIP KIB OUTCOME`.
    fn take(&mut self, line: &str, step: u64, saved: &mut dyn FnMut(&Flips)) {
        let mut words = line.splitn(3, ' ');
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let (flip, peak) = (number(), number());
        let outcome = words.next().unwrap_or_default();
        assert_eq!(flip, self.next, "a child goes on where the last one stopped");
        *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
        if outcome == PANIC {
            self.panics.push(flip);
        }
        self.peak_kib = self.peak_kib.max(peak);
        self.tried += 1;
        self.next += step;
        if self.tried.is_multiple_of(500) {
            saved(self);
        }
    }
}

/// Does the work of a child: tries the flips of the arguments `MODEL FROM STEP END`, each in its own copy of the file.
///
/// # Panics
/// If the arguments are others, or the copy cannot be written.
pub fn child(arguments: &[String]) {
    let [model, numbers @ ..] = arguments else { panic!("expected MODEL FROM STEP END") };
    let numbers: Vec<u64> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
    let [from, step, end] = numbers[..] else { panic!("expected three numbers") };
    let whole = std::fs::read(model).expect("the model");
    let folder = tempfile::tempdir().expect("a directory");
    let copy = folder.path().join("flipped.gguf");
    std::fs::write(&copy, &whole).expect("written");
    let mut file = OpenOptions::new().write(true).open(&copy).expect("our copy");
    let mut write = |at: u64, byte: u8| {
        file.seek(SeekFrom::Start(at)).expect("our copy");
        file.write_all(&[byte]).expect("our copy");
    };
    let mut out = std::io::stdout().lock();
    for flip in (from..end).step_by(step as usize) {
        let (at, bit) = (flip / 8, flip % 8);
        write(at, whole[at as usize] ^ 1 << bit);
        let outcome = catch_unwind(AssertUnwindSafe(|| outcome(&copy))).unwrap_or(PANIC);
        write(at, whole[at as usize]);
        writeln!(out, "{flip} {} {outcome}", peak_kib()).expect("a parent");
        out.flush().expect("a parent");
    }
}

/// Loads a file, does with the model what a session does, and returns the outcome.
fn outcome(path: &Path) -> &'static str {
    let model = match Model::load(path, &LoadOptions::default()) {
        Ok(model) => model,
        Err(LoadError::Damaged { .. }) => return "damaged",
        Err(LoadError::Truncated { .. }) => return "truncated",
        Err(LoadError::NotGguf { .. }) => return "no GGUF file",
        Err(LoadError::Unsupported { .. }) => return "unsupported",
        Err(LoadError::Memory(_)) => return "not enough memory",
        Err(_) => return "another error",
    };
    // A template that a flip broke is an error of the chat, not of the model.
    let prompt = model.prompt(&[Message::user("12 cats sat, \u{e9}\u{1f389}!")]);
    let Ok(tokens) = prompt.or_else(|_| model.tokenize("12 cats", Special::ParseWithBos)) else {
        return "loaded, text refused";
    };
    model.detokenize(&tokens);
    let options = ContextOptions { threads: 1, ..ContextOptions::default() };
    let Ok(mut sequence) = model.new_sequence(&options) else { return "loaded, no context" };
    use uhlm_law::model::{LanguageModel as _, Sequence as _, Special};
    for tokens in [&tokens[..], &[5]] {
        if sequence.decode(tokens, &|| false).is_err() {
            return "loaded, a pass failed";
        }
    }
    if sequence.logits().iter().all(|z| z.is_finite()) { "loaded" } else { "loaded, numbers that are none" }
}

/// Returns the largest memory that this process has taken, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

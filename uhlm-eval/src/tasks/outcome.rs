//! Keeps the results of each reply, in a file that an interrupted run goes on from.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use uhlm_core::Statistics;

use crate::error::EvalError;

/// The identity of a reply: two replies with the same key need not both be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Name of the method: `target`, `draft`, `opportunistic` or `exact`.
    pub method: String,
    /// Name of the set of tasks.
    pub set: String,
    /// Name of the task.
    pub task: String,
    /// Temperature in hundredths, so that keys compare.
    pub temperature_hundredths: u32,
}

/// The results of one reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Identity of the reply.
    #[serde(flatten)]
    pub key: Key,
    /// Whether the reply is right.
    pub right: bool,
    /// Number of tokens of the reply.
    pub tokens: u64,
    /// Number of passes of the target.
    pub passes: u64,
    /// Number of drafted tokens that the target judged.
    pub judged: u64,
    /// Number of drafted tokens that the gate let pass unjudged.
    pub skipped: u64,
    /// Number of the skipped tokens about which the target said whether they are its own.
    pub labelled: u64,
    /// Number of the labelled tokens that are the target's own.
    pub matched: u64,
    /// Number of bytes of request bodies.
    pub up: u64,
    /// Number of bytes of response bodies.
    pub down: u64,
    /// Number of tokens that nobody judged because the verifier was out of reach.
    pub unverified: u64,
}

impl Outcome {
    /// Makes an outcome of the figures that the table needs of a reply's statistics.
    #[must_use]
    pub fn new(key: Key, right: bool, statistics: &Statistics) -> Self {
        Self {
            key,
            right,
            tokens: statistics.tokens(),
            passes: statistics.target_passes,
            judged: statistics.judged,
            skipped: statistics.skipped,
            labelled: statistics.skipped_labelled,
            matched: statistics.skipped_matched,
            up: statistics.body_up,
            down: statistics.body_down,
            unverified: statistics.origins.unverified,
        }
    }
}

/// The file of a run: JSON Lines, with one reply in each line.
#[derive(Debug)]
pub struct Log {
    file: File,
    known: Vec<Outcome>,
}

impl Log {
    /// Opens a file or begins it. A last line that was cut when a run was interrupted is dropped, so that its reply is
    /// written anew. Blocks on the file.
    ///
    /// # Errors
    /// [`EvalError::Questions`] if the file cannot be read or written, or a line is no reply.
    pub fn open(path: &Path) -> Result<Self, EvalError> {
        let failed = |reason: String| EvalError::Questions { path: path.into(), reason };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| failed(error.to_string()))?;
        let mut known = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line).map_err(|error| failed(error.to_string()))? > 0 {
            if !line.ends_with('\n') {
                break;
            }
            let number = known.len() + 1;
            known.push(serde_json::from_str(&line).map_err(|error| failed(format!("line {number}: {error}")))?);
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole).map_err(|error| failed(error.to_string()))?;
        Ok(Self { file, known })
    }

    /// Returns all replies of the file, those that were added since it was opened included.
    #[must_use]
    pub fn known(&self) -> &[Outcome] {
        &self.known
    }

    /// Returns the keys of those replies.
    #[must_use]
    pub fn keys(&self) -> HashSet<Key> {
        self.known.iter().map(|outcome| outcome.key.clone()).collect()
    }

    /// Adds a reply. Blocks on the file.
    ///
    /// # Errors
    /// The system's error.
    pub fn add(&mut self, outcome: Outcome) -> std::io::Result<()> {
        let line = serde_json::to_string(&outcome)? + "\n";
        self.file.write_all(line.as_bytes())?;
        self.known.push(outcome);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::tasks) fn outcome(method: &str, task: usize, right: bool) -> Outcome {
        let key = Key {
            method: method.into(),
            set: "GSM8K".into(),
            task: format!("GSM8K/{task}"),
            temperature_hundredths: 70,
        };
        let statistics = Statistics { target_passes: 2, judged: 6, skipped: 2, body_up: 80, ..Statistics::default() };
        Outcome::new(key, right, &statistics)
    }

    #[test]
    fn an_interrupted_run_goes_on_after_its_last_whole_line() {
        let folder = std::env::temp_dir().join(format!("uhlm-tasks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("log.jsonl");
        let mut log = Log::open(&path).expect("new");
        log.add(outcome("draft", 0, true)).expect("written");
        log.file.write_all(b"{\"method\": \"dra").expect("written");
        let mut log = Log::open(&path).expect("again");
        assert_eq!(log.known(), [outcome("draft", 0, true)]);
        log.add(outcome("draft", 1, false)).expect("written");
        let log = Log::open(&path).expect("a third time");
        assert!(log.keys().contains(&outcome("draft", 1, true).key));
        assert_eq!(log.known().len(), 2);
        std::fs::write(&path, "no reply\n").expect("written");
        assert!(Log::open(&path).is_err());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}

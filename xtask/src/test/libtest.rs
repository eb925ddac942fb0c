//! Runs `cargo test`, passes its output through unchanged and adds up libtest's result lines.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Counts, Outcome, lines};
use crate::cargo;

/// The sum over all test programs.
pub(super) fn run(command: &mut Command) -> Outcome {
    let mut outcome = Outcome::new();
    outcome.result = run_counting(command, &mut outcome);
    outcome
}

fn run_counting(command: &mut Command, outcome: &mut Outcome) -> Result<()> {
    let line = cargo::line(command);
    eprintln!("$ {line}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("could not start `{line}`"))?;
    let output = child.stdout.take().context("the output of the tests")?;
    let copied = copy_counting(BufReader::new(output), io::stdout().lock(), outcome);
    let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
    copied.context("passing the tests' output on")?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

fn copy_counting(from: impl BufRead, to: impl Write, outcome: &mut Outcome) -> io::Result<()> {
    lines::copy(from, to, |line| {
        if let Some(result) = parse_result(line) {
            outcome.counts.passed += result.passed;
            outcome.counts.failed += result.failed;
            outcome.counts.ignored += result.ignored;
        }
        outcome.passed.extend(parse_test(line, "ok"));
        outcome.failed.extend(parse_test(line, "FAILED"));
    })
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn parse_result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    let number = |what: &str| {
        let mut parts = numbers.split("; ");
        parts.find_map(|part| part.strip_suffix(what)?.trim().parse::<u64>().ok())
    };
    Some(Counts { passed: number(" passed")?, failed: number(" failed")?, ignored: number(" ignored")? })
}

/// `test module::a_name ... ok`, or FAILED; the name comes without its module.
fn parse_test(line: &str, ended: &str) -> Option<String> {
    let path = line.trim().strip_prefix("test ")?.strip_suffix(ended)?.strip_suffix(" ... ")?;
    Some(path.rsplit("::").next().unwrap_or(path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up_and_the_output_is_unchanged() {
        let output = b"running 2 tests\ntest a ... ok\ntest m::b ... FAILED\n\xff not text\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s\n\
            no newline at the end";
        let mut copy = Vec::new();
        let mut outcome = Outcome::new();
        copy_counting(&output[..], &mut copy, &mut outcome).expect("memory does not fail");
        assert_eq!(copy, output);
        assert_eq!(outcome.counts, Counts { passed: 15, failed: 2, ignored: 1 });
        assert!(outcome.passed.iter().eq(["a"]) && outcome.failed.iter().eq(["b"]));
    }

    #[test]
    fn other_lines_are_no_results() {
        for line in ["", "test result: ok", "test result: ok. many passed; 0 failed; 0 ignored", "result: 1 passed"] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_failing_command_is_a_problem_even_if_no_test_failed() {
        let outcome = run(Command::new("sh").args(["-c", "kill -ABRT $$"]));
        assert_eq!(outcome.counts, Counts::default());
        assert!(outcome.result.is_err());
    }
}

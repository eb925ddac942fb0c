//! Runs `swift test`, passes its output through unchanged and counts XCTest's result lines.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Outcome, lines};
use crate::{cargo, swift};

/// All tests of the package. A command that fails does not keep the next from running.
pub(super) fn run() -> Outcome {
    match swift::tests() {
        Ok(mut commands) => run_commands(&mut commands),
        Err(error) => Outcome { result: Err(error), ..Outcome::new() },
    }
}

fn run_commands(commands: &mut [Command]) -> Outcome {
    let mut outcome = Outcome::new();
    for command in commands {
        let result = run_counting(command, &mut outcome);
        outcome.result = outcome.result.and(result);
    }
    outcome
}

fn run_counting(command: &mut Command, outcome: &mut Outcome) -> Result<()> {
    eprintln!("$ swift test");
    let before = outcome.counts;
    // XCTest writes its lines to standard output on Linux and to standard error on a Mac.
    let (output, input) = io::pipe().context("a pipe for the tests' output")?;
    command.stdout(input.try_clone().context("a pipe for the tests' output")?).stderr(input);
    let mut child = command.spawn().with_context(|| format!("could not start `{}`", cargo::line(command)))?;
    // This process must not keep the writing end open, or the output never ends.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let copied = copy_counting(BufReader::new(output), io::stdout().lock(), outcome);
    let status = child.wait().context("waiting for `swift test`")?;
    copied.context("passing the tests' output on")?;
    if !status.success() {
        bail!("`swift test` failed ({status})");
    }
    if outcome.counts.passed == before.passed {
        bail!("`swift test` ran no test");
    }
    Ok(())
}

fn copy_counting(from: impl BufRead, to: impl Write, outcome: &mut Outcome) -> io::Result<()> {
    lines::copy(from, to, |line| match parse_result(line) {
        Some((name, Ended::Passed)) => {
            outcome.counts.passed += 1;
            outcome.passed.insert(name);
        }
        Some((name, Ended::Failed)) => {
            outcome.counts.failed += 1;
            outcome.failed.insert(name);
        }
        Some((_, Ended::Skipped)) => outcome.counts.ignored += 1,
        None => {}
    })
}

/// How one test ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    Skipped,
}

/// `Test Case 'ConformanceTests.test_a_name' passed (0.5 seconds)`; on a Mac the name is `-[UhlmTests.ConformanceTests
/// test_a_name]`. The name comes without its prefix. A test that printed without ending its line may stand before it.
fn parse_result(line: &str) -> Option<(String, Ended)> {
    let (_, rest) = line.trim().rsplit_once("Test Case '")?;
    let (name, outcome) = rest.rsplit_once("' ")?;
    let method = name.trim_end_matches(']').rsplit(['.', ' ']).next()?;
    let outcome = match outcome.split(' ').next()? {
        "passed" => Ended::Passed,
        "failed" => Ended::Failed,
        "skipped" => Ended::Skipped,
        _ => return None,
    };
    Some((method.strip_prefix("test_").unwrap_or(method).to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Counts;

    #[test]
    fn result_lines_are_counted_and_the_output_is_unchanged() {
        let output = b"Test Suite 'All tests' started at 2025-01-01 00:00:00.000\n\
            Test Case 'LayerTests.test_a_break_cancels' started at 2025-01-01 00:00:00.000\n\
            Test Case 'LayerTests.test_a_break_cancels' passed (0.002 seconds)\n\xff no text\n\
            printed by a testTest Case 'LayerTests.test_another' failed (1.0 seconds)\n\
            Test Case 'LayerTests.test_a_third' skipped (0.0 seconds)\n\
            Test Case '-[UhlmTests.LayerTests test_on_a_mac]' passed (0.1 seconds).\n\
            Executed 4 tests, with 1 test skipped and 1 failure (0 unexpected) in 1.1 (1.1) seconds\n";
        let (mut copy, mut outcome) = (Vec::new(), Outcome::new());
        copy_counting(&output[..], &mut copy, &mut outcome).expect("memory does not fail");
        assert_eq!(copy, output);
        assert_eq!(outcome.counts, Counts { passed: 2, failed: 1, ignored: 1 });
        assert!(outcome.passed.iter().eq(["a_break_cancels", "on_a_mac"]));
        assert!(outcome.failed.iter().eq(["another"]));
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn other_lines_are_no_results() {
        for line in ["", "Test Case 'A.test_b' started at 1", "Test Suite 'A' passed at 2025", "Test Case 'broken"] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_command_that_fails_or_runs_nothing_is_a_problem_even_if_no_test_failed() {
        let outcome = run_commands(&mut [sh("kill -ABRT $$")]);
        assert_eq!(outcome.counts, Counts::default());
        assert!(outcome.result.is_err());
        assert!(run_commands(&mut [sh("echo nothing")]).result.is_err());
    }

    #[test]
    #[cfg(unix)]
    fn a_second_command_runs_although_the_first_failed() {
        let outcome = run_commands(&mut [sh("exit 1"), sh("echo \"Test Case 'A.test_b' passed (0 s)\"")]);
        assert_eq!(outcome.counts.passed, 1);
        assert!(outcome.result.is_err());
    }

    #[test]
    #[cfg(unix)]
    fn both_streams_are_read() {
        let script = "echo \"Test Case 'A.test_b' passed (0 seconds)\"; \
            echo \"Test Case 'A.test_c' passed (0 seconds)\" >&2";
        let outcome = run_commands(&mut [sh(script)]);
        assert!(outcome.result.is_ok());
        assert_eq!(outcome.counts.passed, 2);
        assert!(outcome.passed.contains("c"));
    }
}

//! `cargo xtask test`: every test suite of the repository, and one table of the results.
//!
//! A suite is one language's test runner. It passes the runner's output through, counts, and never stops the next suite.

mod libtest;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::{cargo, setup, table};

/// The test suites, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Rust,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// What one suite came to.
struct Report {
    suite: Suite,
    counts: Counts,
    took: Duration,
    /// Why the suite as a whole did not succeed; set for failed tests, and for a build or a process that broke.
    problem: Option<String>,
}

/// Sets up, runs the suites, prints the table; fails if a suite did.
pub(crate) fn run(only: Option<Suite>) -> Result<()> {
    setup::ensure(setup::Sudo { may_ask: false })?;
    run_suites(only)
}

/// The same on a machine that is set up.
pub(crate) fn run_suites(only: Option<Suite>) -> Result<()> {
    let suites = Suite::value_variants().iter().copied().filter(|suite| only.is_none_or(|only| only == *suite));
    let reports: Vec<Report> = suites.map(Suite::run).collect();
    println!("\n{}", table_of(&reports));
    let problems: Vec<String> = reports.iter().filter_map(Report::in_words).collect();
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

impl Suite {
    fn run(self) -> Report {
        let start = Instant::now();
        let (counts, outcome) = match self {
            Suite::Rust => rust(),
        };
        Report { suite: self, counts, took: start.elapsed(), problem: outcome.err().map(|error| format!("{error:#}")) }
    }
}

/// Unit, integration and documentation tests of the workspace; benches and examples are compiled along.
///
/// All from one set of units: `--workspace` in both commands resolves the same features, so the second builds only what
/// rustdoc compiles itself.
fn rust() -> (Counts, Result<()>) {
    let built = cargo::run(&mut cargo::cargo(&["test", "--workspace", "--all-targets", "--no-run"]));
    if built.is_err() {
        return (Counts::default(), built);
    }
    libtest::run(&mut cargo::cargo(&["test", "--workspace", "--no-fail-fast"]))
}

impl Report {
    fn in_words(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(match self.counts.failed {
            0 => format!("{}: {problem}", self.suite),
            failed => format!("{}: {failed} failed", self.suite),
        })
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suite::Rust => "rust",
        })
    }
}

fn table_of(reports: &[Report]) -> String {
    let rows: Vec<[String; 6]> = reports
        .iter()
        .map(|report| {
            let Counts { passed, failed, ignored } = report.counts;
            let result = if report.problem.is_none() { "ok" } else { "FAILED" };
            let numbers = [passed, failed, ignored].map(|number| number.to_string());
            let [passed, failed, ignored] = numbers;
            [report.suite.to_string(), result.to_owned(), passed, failed, ignored, table::seconds(report.took)]
        })
        .collect();
    table::format(["suite", "result", "passed", "failed", "ignored", "seconds"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failed: u64, problem: Option<&str>) -> Report {
        let counts = Counts { passed: 3, failed, ignored: 1 };
        Report { suite: Suite::Rust, counts, took: Duration::from_millis(1250), problem: problem.map(str::to_owned) }
    }

    #[test]
    fn the_table_has_one_row_a_suite() {
        let text = table_of(&[report(0, None)]);
        assert_eq!(text.lines().last(), Some("rust       ok       3       0        1      1.2"));
    }

    #[test]
    fn a_process_that_died_fails_its_suite_although_no_test_is_counted_as_failed() {
        assert!(table_of(&[report(0, Some("killed by signal 6"))]).contains("FAILED"));
        assert_eq!(report(0, Some("killed by signal 6")).in_words().as_deref(), Some("rust: killed by signal 6"));
        assert_eq!(report(2, Some("exit status 101")).in_words().as_deref(), Some("rust: 2 failed"));
    }
}

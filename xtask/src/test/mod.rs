//! `cargo xtask test`: every test suite of the repository, and one table of the results.
//!
//! A suite is one runner on one part of the repository. It passes the runner's output through, counts, and never
//! stops the next suite.

mod conformance;
mod libtest;
mod lines;
mod maven;
mod swift;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::bindings::{self, Language};
use crate::{cargo, setup, table};

/// The test suites, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Rust,
    Kotlin,
    Swift,
    AndroidDemo,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// What a suite's runner found out.
#[derive(Debug)]
struct Outcome {
    counts: Counts,
    /// Names of the tests that passed, without what the language puts before them.
    passed: BTreeSet<String>,
    /// Names of those that failed.
    failed: BTreeSet<String>,
    /// Whether all commands succeeded.
    result: Result<()>,
}

impl Outcome {
    fn new() -> Self {
        Self { counts: Counts::default(), passed: BTreeSet::new(), failed: BTreeSet::new(), result: Ok(()) }
    }
}

/// What one suite came to.
struct Report {
    suite: Suite,
    counts: Counts,
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
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
    let languages = reports.iter().filter(|report| report.suite != Suite::AndroidDemo);
    let columns: Vec<_> = languages.map(|report| (report.suite.to_string(), &report.passed)).collect();
    let behaviours = conformance::read()?;
    println!("\n{}", conformance::table(&behaviours, &columns));
    println!("\n{}", table_of(&reports));
    let mut problems: Vec<String> = reports.iter().filter_map(Report::in_words).collect();
    problems.extend(conformance::missing(&behaviours, &columns));
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

impl Suite {
    fn run(self) -> Report {
        let start = Instant::now();
        let maven = |project| foreign(Language::Kotlin, |library, fixture| maven::run(project, library, fixture));
        let Outcome { counts, passed, failed, result } = match self {
            Suite::Rust => rust(),
            Suite::Kotlin => maven(&maven::SDK),
            Suite::Swift => foreign(Language::Swift, |_, _| swift::run()),
            Suite::AndroidDemo => maven(&maven::ANDROID_DEMO),
        };
        let problem = result.err().map(|error| format!("{error:#}"));
        Report { suite: self, counts, passed, failed, took: start.elapsed(), problem }
    }
}

/// Unit, integration and documentation tests of the workspace; benches and examples are compiled along.
///
/// All from one set of units: `--workspace` in both commands resolves the same features, so the second builds only what
/// rustdoc compiles itself.
fn rust() -> Outcome {
    match cargo::run(&mut cargo::cargo(&["test", "--workspace", "--all-targets", "--no-run"])) {
        Ok(()) => libtest::run(&mut cargo::cargo(&["test", "--workspace", "--no-fail-fast"])),
        Err(error) => Outcome { result: Err(error), ..Outcome::new() },
    }
}

/// A suite in another language: library and fixture are built, the sources generated, then its runner runs.
fn foreign(language: Language, run: impl FnOnce(&Path, &Path) -> Outcome) -> Outcome {
    let prepared = bindings::build().and_then(|library| {
        bindings::generate(language, &library)?;
        Ok((library, bindings::program("uhlm-fixture")?))
    });
    match prepared {
        Ok((library, fixture)) => run(&library, &fixture),
        Err(error) => Outcome { result: Err(error), ..Outcome::new() },
    }
}

impl Report {
    fn in_words(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(match self.counts.failed {
            0 => format!("{}: {problem}", self.suite),
            failed => {
                let names: Vec<&str> = self.failed.iter().map(String::as_str).collect();
                format!("{}: {failed} failed ({})", self.suite, names.join(", "))
            }
        })
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suite::Rust => "rust",
            Suite::Kotlin => "kotlin",
            Suite::Swift => "swift",
            Suite::AndroidDemo => "android demo",
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
        Report {
            suite: Suite::Rust,
            counts,
            passed: BTreeSet::new(),
            failed: BTreeSet::from(["a_test".to_owned(), "b_test".to_owned()]),
            took: Duration::from_millis(1250),
            problem: problem.map(str::to_owned),
        }
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
        assert_eq!(report(2, Some("exit status 101")).in_words().as_deref(), Some("rust: 2 failed (a_test, b_test)"));
    }
}

//! `cargo xtask test` runs every test suite of the repository, and prints one table of the results.
//!
//! A suite is one runner on one part of the repository. It passes the runner's output through, reads how each test
//! ended, searches it for what fixtures keep secret, and never stops the next suite.

mod conformance;
mod results;
mod secrets;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::bindings::{self, Language};
use crate::{cargo, notices, setup, table};
use results::Results;

/// The test suites, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    Rust,
    Kotlin,
    Swift,
    AndroidDemo,
}

/// The folders of the Swift packages with tests: ours, the check of its part for Apple's Foundation Models, and the iOS
/// app's logic.
const SWIFT_PACKAGES: [&str; 3] = [".", "bindings/swift/foundation-models", "ios-demo/ChatKit"];

/// The result of one suite.
struct Report {
    suite: Suite,
    results: Results,
    took: Duration,
    /// The reason that the suite as a whole did not succeed; set for failed tests, for a build or a process that broke,
    /// and for output that has a secret.
    problem: Option<String>,
}

/// Sets up, runs the suites and prints the table; fails if a suite did.
pub(crate) fn run(only: Option<Suite>) -> Result<()> {
    setup::ensure()?;
    run_suites(only)
}

/// Runs the suites and prints the table on a machine that is set up.
pub(crate) fn run_suites(only: Option<Suite>) -> Result<()> {
    let suites = Suite::value_variants().iter().copied().filter(|suite| only.is_none_or(|only| only == *suite));
    let reports: Vec<Report> = suites.map(Suite::run).collect();
    let languages = reports.iter().filter(|report| report.suite != Suite::AndroidDemo);
    let columns: Vec<_> = languages.map(|report| (report.suite.to_string(), &report.results.passed[..])).collect();
    let behaviours = conformance::read()?;
    println!("\n{}", conformance::table(&behaviours, &columns));
    println!("\n{}", table_of(&reports));
    let mut problems: Vec<String> = reports.iter().filter_map(Report::in_words).collect();
    problems.extend(conformance::missing(&behaviours, &columns));
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

impl Suite {
    fn run(self) -> Report {
        let (start, mut results) = (Instant::now(), Results::default());
        let result = match self {
            Suite::Rust => rust(&mut results),
            Suite::Kotlin => kotlin(&mut results),
            Suite::Swift => swift(&mut results),
            // These tests are of view models, storage, a process that is killed, and clicks through the app. None of it
            // needs a display. The package is compiled along, without its tests (the app's modules do not heed the
            // property), and the code for Android alone is type-checked.
            Suite::AndroidDemo => {
                let arguments = ["test", "-Pandroid", "-Dmaven.test.skip=true"];
                maven(&mut results, "android-demo", &["shared", "desktop"], &arguments)
            }
        };
        // A test that fails may show what it compared: only what passes is asked for secrets.
        let problem = result.err().map(|error| format!("{error:#}")).or_else(|| results.search.problem());
        Report { suite: self, results, took: start.elapsed(), problem }
    }
}

/// Runs the unit, integration and documentation tests of the workspace. Benches are compiled by nobody but clippy.
fn rust(results: &mut Results) -> Result<()> {
    // What passing tests print is shown, so that it is searched, too.
    results.run(&mut cargo::cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]))
}

/// Tests all Swift packages. A command that fails does not keep the next from running.
fn swift(results: &mut Results) -> Result<()> {
    let library = bindings::build()?;
    bindings::generate(Language::Swift, &library)?;
    let fixture = bindings::program("uhlm-fixture")?;
    let mut outcome = Ok(());
    for package in SWIFT_PACKAGES {
        let before = results.passed.len();
        let result = results.run(cargo::script("swift.sh").args(["test", package]).arg(&fixture));
        let ran = results.passed.len() > before;
        let result = result.and_then(|()| if ran { Ok(()) } else { bail!("`swift test` ran no test") });
        outcome = outcome.and(result);
    }
    outcome
}

/// Tests the Kotlin package, packs it and the AAR into a Maven repository, and has an app of somebody else take them
/// from there.
fn kotlin(results: &mut Results) -> Result<()> {
    let library = bindings::build()?;
    notices::run(std::slice::from_ref(&library))?;
    let repository = cargo::root().join("target/kotlin-repository");
    // Only what is packed now is to be found there.
    if repository.exists() {
        fs::remove_dir_all(&repository).with_context(|| format!("removing {}", repository.display()))?;
    }
    let deployed = format!("-Duhlm.deployed=file://{}", repository.display());
    maven(results, "bindings/kotlin", &["uhlm-ffi", "uhlm"], &["deploy", "-Pandroid", &deployed])?;
    let mut consumer = cargo::script("kotlin-consumer.sh");
    results.run(consumer.arg(&repository).arg(&library).arg(cargo::root().join("models/demo-draft.gguf")))
}

/// Runs a Maven build to the phase that `arguments` name, with all tests of the `modules` that have some, against the
/// built library; the fixture gives them models and verifiers.
fn maven(results: &mut Results, folder: &str, modules: &[&str], arguments: &[&str]) -> Result<()> {
    let library = bindings::build()?;
    bindings::generate(Language::Kotlin, &library)?;
    let path = cargo::root().join(folder);
    let reports = modules.iter().map(|module| path.join(module).join("target/surefire-reports"));
    // Reports of an earlier run must not be taken for this one's.
    for reports in reports.clone().filter(|reports| reports.exists()) {
        fs::remove_dir_all(&reports).with_context(|| format!("removing {}", reports.display()))?;
    }
    let property = |name: &str, path: &Path| format!("-Duhlm.{name}={}", path.display());
    let mut command = cargo::script("sandbox/maven.sh");
    command.args(["--file", folder]).args(arguments);
    command.args([property("library", &library), property("fixture", &bindings::program("uhlm-fixture")?)]);
    let run = results.run(&mut command);
    let read = reports.into_iter().try_for_each(|reports| results.read_reports(&reports));
    run.and(read)?;
    if results.is_empty() { bail!("no test of {folder} ran") } else { Ok(()) }
}

impl Report {
    /// Returns the problem of the suite in words, if it has one.
    fn in_words(&self) -> Option<String> {
        let (problem, failed) = (self.problem.as_ref()?, &self.results.failed);
        Some(match failed.len() {
            0 => format!("{}: {problem}", self.suite),
            count => format!("{}: {count} failed ({})", self.suite, failed.join(", ")),
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

/// Returns the table with one row for each suite.
fn table_of(reports: &[Report]) -> String {
    let row = |report: &Report| {
        let Results { passed, failed, ignored, .. } = &report.results;
        let [passed, failed, ignored] = [passed, failed, ignored].map(|names| names.len().to_string());
        let result = if report.problem.is_none() { "ok" } else { "FAILED" }.to_owned();
        [report.suite.to_string(), result, passed, failed, ignored, table::seconds(report.took)]
    };
    let rows: Vec<[String; 6]> = reports.iter().map(row).collect();
    table::format(["suite", "result", "passed", "failed", "ignored", "seconds"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failed: &[&str], problem: Option<&str>) -> Report {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (passed, ignored) = (names(&["a", "b", "c"]), names(&["d"]));
        let results = Results { passed, failed: names(failed), ignored, ..Results::default() };
        let problem = problem.map(str::to_owned);
        Report { suite: Suite::Rust, results, took: Duration::from_millis(1250), problem }
    }

    #[test]
    fn the_table_has_one_row_a_suite() {
        let text = table_of(&[report(&[], None)]);
        assert_eq!(text.lines().last(), Some("rust       ok       3       0        1      1.2"));
    }

    #[test]
    fn a_process_that_died_fails_its_suite_although_no_test_is_counted_as_failed() {
        assert!(table_of(&[report(&[], Some("killed by signal 6"))]).contains("FAILED"));
        assert_eq!(report(&[], Some("killed by signal 6")).in_words().as_deref(), Some("rust: killed by signal 6"));
        let failed = report(&["e", "f"], Some("exit status 101"));
        assert_eq!(failed.in_words().as_deref(), Some("rust: 2 failed (e, f)"));
    }
}

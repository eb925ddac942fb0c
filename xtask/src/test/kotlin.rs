//! Runs the Kotlin suite with Maven, passes its output through and reads which tests passed from Surefire's reports.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::cargo;
use crate::setup::Sudo;
use crate::setup::packages::Manager;

/// Runs all tests against a built library; `fixture` is the program that gives them models and verifiers.
///
/// Maven fetches what it lacks from its repository once; later runs need no network.
pub(super) fn run(library: &Path, fixture: &Path) -> Outcome {
    let mut outcome = Outcome::new();
    outcome.result = run_reading(library, fixture, &mut outcome);
    outcome
}

fn run_reading(library: &Path, fixture: &Path, outcome: &mut Outcome) -> Result<()> {
    let project = cargo::root().join("bindings/kotlin");
    let reports = project.join("uhlm/target/surefire-reports");
    // Those of an earlier run must not be taken for this one's.
    if reports.exists() {
        fs::remove_dir_all(&reports).with_context(|| format!("removing {}", reports.display()))?;
    }
    ensure_maven()?;
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "--no-transfer-progress", "test"]);
    command.arg(format!("-Duhlm.library={}", library.display()));
    command.arg(format!("-Duhlm.fixture={}", fixture.display()));
    let run = cargo::run(command.current_dir(&project));
    let read = read(&reports, outcome);
    run?;
    read?;
    if outcome.counts.passed + outcome.counts.failed == 0 { bail!("no Kotlin test ran") } else { Ok(()) }
}

const MAVEN_MISSING: &str =
    "`mvn` or `javac` does not run: install Maven 3.8 or newer and a JDK of version 17 or newer";

/// Installs Maven and a JDK where they are missing and that needs no question.
fn ensure_maven() -> Result<()> {
    let runs = || cargo::answer("mvn", &["--version"]).is_some() && cargo::answer("javac", &["--version"]).is_some();
    if runs() {
        return Ok(());
    }
    if let Some(manager) = Manager::of_this_system() {
        let packages: &[&str] = match manager {
            Manager::Apt => &["maven", "default-jdk-headless"],
            Manager::Dnf => &["maven", "java-17-openjdk-devel"],
            Manager::Pacman => &["maven", "jdk17-openjdk"],
            Manager::Apk => &["maven", "openjdk17"],
            Manager::Zypper => &["maven", "java-17-openjdk-devel"],
            Manager::Brew => &["maven"],
        };
        manager.install(packages, Sudo { may_ask: false }).context(MAVEN_MISSING)?;
    }
    if runs() { Ok(()) } else { bail!(MAVEN_MISSING) }
}

/// Adds up the reports of a folder. Where Maven failed before the tests there is none.
fn read(folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let Ok(files) = folder.read_dir() else { return Ok(()) };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            add_report(&text, outcome).with_context(|| format!("reading {}", path.display()))?;
        }
    }
    Ok(())
}

/// Adds one report, which is of one class.
fn add_report(text: &str, outcome: &mut Outcome) -> Result<()> {
    let report = roxmltree::Document::parse(text)?;
    for case in report.descendants().filter(|node| node.has_tag_name("testcase")) {
        let has = |name: &str| case.children().any(|child| child.has_tag_name(name));
        if has("failure") || has("error") {
            outcome.counts.failed += 1;
        } else if has("skipped") {
            outcome.counts.ignored += 1;
        } else {
            outcome.counts.passed += 1;
            outcome.passed.insert(case.attribute("name").context("a test without a name")?.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Counts;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="dev.uhlm.ConformanceTest" time="1.5" tests="5" errors="1" skipped="1" failures="1">
  <properties><property name="a" value="&lt;testcase&gt;"/></properties>
  <testcase name="use_after_close_is_an_error" classname="dev.uhlm.ConformanceTest" time="0.1"/>
  <testcase name="a sentence with &quot;quotes&quot;" classname="dev.uhlm.ConformanceTest" time="0.1">
    <system-out><![CDATA[<failure/>]]></system-out>
  </testcase>
  <testcase name="failed" classname="dev.uhlm.ConformanceTest" time="0.1"><failure message="no"/></testcase>
  <testcase name="threw" classname="dev.uhlm.ConformanceTest" time="0.1"><error message="no"/></testcase>
  <testcase name="skipped" classname="dev.uhlm.ConformanceTest" time="0.1"><skipped/></testcase>
</testsuite>"#;

    #[test]
    fn reports_are_added_up_and_name_what_passed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("TEST-a.xml"), REPORT).expect("a file");
        fs::write(folder.path().join("TEST-b.xml"), REPORT).expect("a file");
        fs::write(folder.path().join("a.txt"), "not a report").expect("a file");
        let mut outcome = Outcome::new();
        read(folder.path(), &mut outcome).expect("reports");
        assert_eq!(outcome.counts, Counts { passed: 4, failed: 4, ignored: 2 });
        let (quoted, plain) = ("a sentence with \"quotes\"", "use_after_close_is_an_error");
        assert!(outcome.passed.iter().eq([quoted, plain]));
    }

    #[test]
    fn a_report_that_is_cut_short_is_an_error_and_no_report_is_none() {
        assert!(add_report(&REPORT[..REPORT.len() / 2], &mut Outcome::new()).is_err());
        let nowhere = tempfile::tempdir().expect("a temporary folder").path().join("nowhere");
        let mut outcome = Outcome::new();
        assert!(read(&nowhere, &mut outcome).is_ok());
        assert_eq!(outcome.counts, Counts::default());
        assert!(outcome.passed.is_empty());
    }
}

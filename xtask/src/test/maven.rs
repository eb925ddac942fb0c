//! Runs tests with Maven, passes its output through and reads which tests passed from Surefire's reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::cargo;
use crate::setup::Sudo;
use crate::setup::packages::Manager;

/// A Maven build with tests.
pub(super) struct Project {
    /// Its folder from the root.
    folder: &'static str,
    /// Its modules that have tests.
    modules: &'static [&'static str],
    arguments: &'static [&'static str],
}

/// The Kotlin package.
pub(super) const SDK: Project = Project { folder: "bindings/kotlin", modules: &["uhlm"], arguments: &[] };

/// The Android app's shared code and its desktop form: view models, storage, a process that is killed, clicks through
/// the app. None of it needs a display. The package is compiled along, without its tests, and what only Android has
/// is type-checked.
pub(super) const ANDROID_DEMO: Project = Project {
    folder: "android-demo",
    modules: &["shared", "desktop"],
    // The app's modules do not heed the property; the package's do.
    arguments: &["-Pandroid", "-Dmaven.test.skip=true"],
};

/// Runs all tests of a project against a built library; `fixture` is the program that gives them models and verifiers.
///
/// Maven fetches what it lacks from its repository once; later runs need no network.
pub(super) fn run(project: &Project, library: &Path, fixture: &Path) -> Outcome {
    let mut outcome = Outcome::new();
    outcome.result = run_reading(project, library, fixture, &mut outcome);
    outcome
}

fn run_reading(project: &Project, library: &Path, fixture: &Path, outcome: &mut Outcome) -> Result<()> {
    let folder = cargo::root().join(project.folder);
    let reports: Vec<PathBuf> =
        project.modules.iter().map(|module| folder.join(module).join("target/surefire-reports")).collect();
    // Those of an earlier run must not be taken for this one's.
    for reports in reports.iter().filter(|reports| reports.exists()) {
        fs::remove_dir_all(reports).with_context(|| format!("removing {}", reports.display()))?;
    }
    ensure_maven()?;
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "--no-transfer-progress", "test"]).args(project.arguments);
    command.arg(format!("-Duhlm.library={}", library.display()));
    command.arg(format!("-Duhlm.fixture={}", fixture.display()));
    let run = cargo::run(command.current_dir(&folder));
    let read = reports.iter().try_for_each(|reports| read(reports, outcome));
    run?;
    read?;
    if outcome.counts.passed + outcome.counts.failed == 0 {
        bail!("no test of {} ran", project.folder);
    }
    Ok(())
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
        let name = case.attribute("name").context("a test without a name")?.to_owned();
        if has("failure") || has("error") {
            outcome.counts.failed += 1;
            outcome.failed.insert(name);
        } else if has("skipped") {
            outcome.counts.ignored += 1;
        } else {
            outcome.counts.passed += 1;
            outcome.passed.insert(name);
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
        assert!(outcome.failed.iter().eq(["failed", "threw"]));
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

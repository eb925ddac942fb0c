//! The results of tests, from what their runners print: libtest and XCTest a line at a time while they run, Maven in
//! JUnit's XML afterwards.
//!
//! There are two forms, because not every runner writes the better one: libtest has XML only in nightly compilers, and
//! `swift test --xunit-output` writes it only with `--parallel`, which starts a process for each test (each would start
//! the fixture again) and reports a skipped test as passed.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::secrets::Search;
use crate::cargo;

/// The names of tests by their result, without what the language puts before them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) passed: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) ignored: Vec<String>,
    /// What else is in the output.
    pub(super) search: Search,
}

impl Results {
    pub(super) fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.failed.is_empty()
    }

    /// Runs a command, passes its output through unchanged and reads its lines.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<()> {
        self.run_to(command, io::stdout().lock())
    }

    fn run_to(&mut self, command: &mut Command, to: impl Write) -> Result<()> {
        let line = cargo::line(command);
        eprintln!("$ {line}");
        // XCTest writes its lines to standard output on Linux and to standard error on a Mac.
        let (output, input) = io::pipe().context("a pipe for the tests' output")?;
        command.stdout(input.try_clone().context("a pipe for the tests' output")?).stderr(input);
        let mut child = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        // This process must not keep the writing end open, or the output never ends.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let copied = self.copy(BufReader::new(output), to);
        let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
        copied.context("passing the tests' output on")?;
        if status.success() { Ok(()) } else { bail!("`{line}` failed ({status})") }
    }

    /// Copies the lines and reads them. They are bytes, not text: a test may print anything.
    fn copy(&mut self, mut from: impl BufRead, mut to: impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            to.write_all(&line)?;
            to.flush()?;
            let text = String::from_utf8_lossy(&line);
            self.search.line(&text);
            self.read_line(&text);
            line.clear();
        }
        Ok(())
    }

    /// Takes the result in a line, if there is one.
    fn read_line(&mut self, line: &str) {
        let Some((name, ended)) = libtest(line.trim()).or_else(|| xctest(line.trim())) else { return };
        match ended.split([' ', ',']).next() {
            Some("ok" | "passed") => self.passed.push(name),
            Some("FAILED" | "failed") => self.failed.push(name),
            Some("ignored" | "skipped") => self.ignored.push(name),
            _ => {}
        }
    }

    /// Adds up the reports of a folder, one per class. Where Maven failed before the tests there is none.
    pub(super) fn read_reports(&mut self, folder: &Path) -> Result<()> {
        let Ok(files) = folder.read_dir() else { return Ok(()) };
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
                self.search.file(&path.file_name().unwrap_or_default().to_string_lossy(), &text);
                self.read_report(&text).with_context(|| format!("reading {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn read_report(&mut self, text: &str) -> Result<()> {
        let report = roxmltree::Document::parse(text)?;
        for case in report.descendants().filter(|node| node.has_tag_name("testcase")) {
            let has = |name: &str| case.children().any(|child| child.has_tag_name(name));
            let ended = match (has("failure") || has("error"), has("skipped")) {
                (true, _) => &mut self.failed,
                (false, true) => &mut self.ignored,
                (false, false) => &mut self.passed,
            };
            ended.push(case.attribute("name").context("a test without a name")?.to_owned());
        }
        Ok(())
    }
}

/// Reads a line of libtest, `test module::a_name ... ok`; the name comes without its module.
fn libtest(line: &str) -> Option<(String, &str)> {
    let (path, ended) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    Some((path.rsplit("::").next().unwrap_or(path).to_owned(), ended))
}

/// Reads a line of XCTest, `Test Case 'ConformanceTests.test_a_name' passed (0.5 seconds)`; on a Mac the name is
/// `-[UhlmTests.ConformanceTests test_a_name]`. The name comes without its prefix. A test that printed without ending
/// its line may stand before it.
fn xctest(line: &str) -> Option<(String, &str)> {
    let (_, rest) = line.rsplit_once("Test Case '")?;
    let (name, ended) = rest.rsplit_once("' ")?;
    let method = name.trim_end_matches(']').rsplit(['.', ' ']).next()?;
    Some((method.strip_prefix("test_").unwrap_or(method).to_owned(), ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(passed: &[&str], failed: &[&str], ignored: &[&str]) -> Results {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Results { passed: names(passed), failed: names(failed), ignored: names(ignored), ..Results::default() }
    }

    #[test]
    fn lines_of_both_runners_are_read_and_the_output_is_unchanged() {
        let output = b"running 4 tests\ntest a ... ok\ntest m::b ... FAILED\n\xff no text\n\
            test m::n::c ... ignored, takes an hour\ntest src/lib.rs - f (line 3) ... ok\n\
            test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.50s\n\
            Test Suite 'All tests' started at 2025-01-01 00:00:00.000\n\
            Test Case 'LayerTests.test_d' started at 2025-01-01 00:00:00.000\n\
            Test Case 'LayerTests.test_d' passed (0.002 seconds)\n\
            printed by a testTest Case 'LayerTests.test_e' failed (1.0 seconds)\n\
            Test Case 'LayerTests.test_f' skipped (0.0 seconds)\n\
            Test Case '-[UhlmTests.LayerTests test_on_a_mac]' passed (0.1 seconds).\n\
            Test Case 'broken\nno newline at the end";
        let (mut copy, mut read) = (Vec::new(), Results::default());
        read.copy(&output[..], &mut copy).expect("memory does not fail");
        assert_eq!(copy, output);
        assert_ne!(std::mem::take(&mut read.search), Search::default(), "every line is searched");
        let expected = results(&["a", "src/lib.rs - f (line 3)", "d", "on_a_mac"], &["b", "e"], &["c", "f"]);
        assert_eq!(read, expected);
    }

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
    fn reports_are_added_up_and_one_that_is_cut_short_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut read = Results::default();
        read.read_reports(&folder.path().join("nowhere")).expect("no report is none");
        assert!(read.is_empty());
        fs::write(folder.path().join("TEST-a.xml"), REPORT).expect("a file");
        fs::write(folder.path().join("a.txt"), "not a report").expect("a file");
        read.read_reports(folder.path()).expect("reports");
        let passed = ["use_after_close_is_an_error", "a sentence with \"quotes\""];
        assert_eq!(read, results(&passed, &["failed", "threw"], &["skipped"]));
        assert!(read.read_report(&REPORT[..REPORT.len() / 2]).is_err());
    }

    #[test]
    fn both_streams_of_a_command_are_read_and_its_failure_is_an_error() {
        let script = "echo 'test a ... ok'; echo 'test b ... ok' >&2; kill -ABRT $$";
        let (mut copy, mut read) = (Vec::new(), Results::default());
        // The copy does not go to standard output: whoever counts this program's own tests would count these.
        assert!(read.run_to(Command::new("sh").args(["-c", script]), &mut copy).is_err());
        read.search = Search::default();
        assert_eq!(read, results(&["a", "b"], &[], &[]));
    }
}

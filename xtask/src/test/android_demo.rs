//! Runs the tests of the Android app's shared code and of its desktop form with Maven: view models, storage, a process that
//! is killed, and a test that clicks through the real app. They need no display.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Counts, kotlin};
use crate::cargo;

/// Modules with tests, below `android-demo`.
const MODULES: [&str; 2] = ["shared", "desktop"];

/// Runs all tests against a built library; `fixture` is the program that gives them models and verifiers.
///
/// The SDK is compiled in the same run, from its sources, without its tests. Maven fetches what it lacks from its repository
/// once; later runs need no network.
pub(super) fn run(library: &Path, fixture: &Path, counts: &mut Counts) -> Result<()> {
    let project = cargo::root().join("android-demo");
    let reports = MODULES.map(|module| project.join(module).join("target/surefire-reports"));
    for folder in &reports {
        // Those of an earlier run must not be taken for this one's.
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
        }
    }
    if cargo::answer("mvn", &["--version"]).is_none() {
        bail!("`mvn` does not run: install Maven 3.8 or newer and a JDK of version 17 or newer");
    }
    let mut command = Command::new("mvn");
    // The app's modules do not heed the property; the SDK's do.
    command.args(["--batch-mode", "--no-transfer-progress", "-Dmaven.test.skip=true", "test"]);
    command.arg(format!("-Duhlm.library={}", library.display()));
    command.arg(format!("-Duhlm.fixture={}", fixture.display()));
    let run = cargo::run(command.current_dir(&project));
    let mut read = Ok(());
    for folder in &reports {
        read = read.and(kotlin::read(folder, counts, &mut Vec::new()));
    }
    run?;
    read?;
    if counts.passed + counts.failed == 0 { bail!("no test of the Android app ran") } else { Ok(()) }
}

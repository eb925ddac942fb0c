//! `cargo xtask ios`: the XCFramework for the Swift package, as a zip with its checksum.
//!
//! Decides in which order the tools run and when to give up. Which slices there are and what is run for them is in
//! `plan`, what a finished library must look like in `library`.

mod library;
mod plan;

use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, answer};
use plan::{Place, Step, Target};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Print what would be run, in order; run nothing. Works on every system.
    pub(crate) dry_run: bool,
}

/// Builds, checks and packs the library, or says what that would be.
pub(crate) fn run(options: Options) -> Result<()> {
    if options.dry_run {
        for step in plan::steps() {
            println!("{step}");
        }
        return check_host_library();
    }
    let problems = problems();
    if !problems.is_empty() {
        bail!(
            "this needs a Mac with Xcode:\n  {}\n`cargo xtask ios --dry-run` prints what would be run",
            problems.join("\n  ")
        );
    }
    fs::create_dir_all(plan::folder()).context("creating target/ios")?;
    for step in plan::steps() {
        eprintln!("\n== {}", step.title());
        step.take()?;
    }
    let checksum = answer("swift", &["package", "compute-checksum", &plan::zip().to_string_lossy()])
        .context("`swift package compute-checksum` failed")?;
    println!("{}\nchecksum {checksum}", plan::zip().display());
    println!("For a release: set `release` in Package.swift to the zip's address and this checksum, and add");
    println!("bindings/swift/Sources/Uhlm/Generated to the release's commit (git add --force).");
    Ok(())
}

/// What is missing on this machine, each with how to get it.
fn problems() -> Vec<String> {
    let mut problems = Vec::new();
    if !cfg!(target_os = "macos") {
        problems.push("this is no Mac".to_owned());
    }
    if answer("xcodebuild", &["-version"]).is_none() {
        problems.push(
            "`xcodebuild` does not run: install Xcode, then `sudo xcode-select -s /Applications/Xcode.app`".to_owned(),
        );
    }
    for tool in ["lipo", "ditto", "swift"] {
        if answer("which", &[tool]).is_none() {
            problems.push(format!("`{tool}` is missing: it comes with Xcode (swift, lipo) or macOS (ditto)"));
        }
    }
    let missing: Vec<&str> =
        Target::ALL.iter().map(|target| target.triple()).filter(|triple| !cargo::has_std(triple)).collect();
    if !missing.is_empty() {
        problems.push(format!("Rust's targets are missing: `rustup target add {}`", missing.join(" ")));
    }
    problems
}

impl Step {
    fn take(&self) -> Result<()> {
        match self {
            Step::Run(command) => cargo::run(&mut command.to_process()),
            Step::Check { library, targets } => {
                let header = fs::read_to_string(plan::header()).context("reading the generated header")?;
                let bytes = fs::read(library).with_context(|| format!("reading {}", library.display()))?;
                let report = library::check(&bytes, targets, &library::functions_of(&header))
                    .with_context(|| format!("{} is not what it must be", library.display()))?;
                eprintln!("{}: {report}", library.display());
                Ok(())
            }
            Step::Place(Place { from, to }) => {
                if let Some(folder) = to.parent() {
                    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
                }
                fs::copy(from, to).map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))
            }
            Step::Write { to, text } => {
                if let Some(folder) = to.parent() {
                    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
                }
                fs::write(to, text).with_context(|| format!("writing {}", to.display()))
            }
            Step::Remove(path) => match fs::remove_dir_all(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                outcome => outcome.with_context(|| format!("removing {}", path.display())),
            },
        }
    }
}

/// Runs the checks that need no Mac on the static library of this machine, where it was built: do its functions stand
/// in it?
fn check_host_library() -> Result<()> {
    let library = cargo::root().join("target/debug/libuhlm_ffi.a");
    let header = cargo::root().join("bindings/swift/Sources/uhlmFFI/uhlmFFI.h");
    let (Ok(bytes), Ok(header)) = (fs::read(&library), fs::read_to_string(&header)) else {
        println!("\n# no library of this machine to try the checks on (`cargo xtask bindings swift` builds it)");
        return Ok(());
    };
    let functions = library::functions_of(&header);
    let contents = library::Contents::read(&bytes).context("reading this machine's static library")?;
    let missing = contents.missing(&functions);
    if let Some(function) = missing.first() {
        bail!("{} lacks {} of {} functions, {function} among them", library.display(), missing.len(), functions.len());
    }
    println!(
        "\n# checked {}: {contents}; all {} functions of the header are in it",
        library.display(),
        functions.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_than_on_a_mac_the_message_says_what_is_missing() {
        if cfg!(target_os = "macos") {
            return;
        }
        let error = run(Options { dry_run: false }).expect_err("no Mac");
        let text = format!("{error:#}");
        assert!(text.contains("no Mac") && text.contains("rustup target add") && text.contains("--dry-run"), "{text}");
    }
}

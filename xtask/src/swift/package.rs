//! What the toolchain is asked to build: the package with its tests, and the bench driver.
//!
//! All take the library from `target/bindings/lib` and the generated sources, which `cargo xtask bindings swift` puts
//! in place beforehand. Everything they build goes below `target/swift`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Toolchain;
use crate::cargo;

/// The program that the tests start, and the variable by which they find it.
const FIXTURE: (&str, &str) = ("UHLM_FIXTURE", "target/debug/uhlm-fixture");

/// `swift test` on the package, on the check of its part for Apple's Foundation Models, and on the iOS app's logic;
/// ready to run.
///
/// # Errors
/// Where there is no toolchain, or where the library, the generated sources or the fixture are missing.
pub(crate) fn tests() -> Result<[Command; 3]> {
    let fixture = cargo::root().join(FIXTURE.1);
    let expected = [bindings(), library().join(library_name()), fixture.clone()];
    if let Some(missing) = expected.iter().find(|path| !path.exists()) {
        bail!(
            "{} is missing; `cargo xtask bindings swift` makes the bindings, `cargo build --package uhlm-tests` the \
            fixture",
            missing.display()
        );
    }
    let toolchain = Toolchain::find_or_make()?;
    let command = |package: &str, scratch: &str| {
        let mut words = words("test", &cargo::root().join(package), &cargo::root().join(scratch));
        // Ours are XCTest's; without this, a second runner reports that it ran none.
        words.push("--disable-swift-testing".into());
        toolchain.command(&[(FIXTURE.0, fixture.as_os_str())], words.iter().map(OsString::as_os_str))
    };
    Ok([
        command("", "target/swift/test"),
        command("bindings/swift/foundation-models", "target/swift/foundation-models"),
        command("ios-demo/ChatKit", "target/swift/chatkit"),
    ])
}

/// Builds the bench driver in the release profile; the command then runs it with `fixture`, a file that holds the first
/// line of the fixture.
///
/// # Errors
/// Where there is no toolchain, or the build fails.
pub(crate) fn bench_driver(fixture: &Path) -> Result<Command> {
    let toolchain = Toolchain::find_or_make()?;
    let package = cargo::root().join("bindings/swift/bench");
    let scratch = cargo::root().join("target/swift/bench");
    let mut build = words("build", &package, &scratch);
    build.extend(["--configuration", "release"].map(OsString::from));
    let status = toolchain.command(&[], build.iter().map(OsString::as_os_str)).status();
    if !status.context("could not start swift build")?.success() {
        bail!("the Swift bench driver does not build");
    }
    let program = scratch.join("release/uhlm-bench");
    Ok(toolchain.command(&[], [program.as_os_str(), fixture.as_os_str()]))
}

/// `swift format lint` on every Swift file that is written by hand.
///
/// # Errors
/// Where a file is not formatted, where there is no toolchain, or git does not run.
pub(crate) fn lint() -> Result<()> {
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "*.swift"];
    let output = Command::new("git").args(listed).current_dir(cargo::root()).output().context("could not start git")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    let words =
        ["swift", "format", "lint", "--strict", "--parallel", "--configuration", "bindings/swift/.swift-format"];
    let words = words.into_iter().chain(files.lines()).map(OsStr::new);
    eprintln!("$ swift format lint --strict");
    let status = Toolchain::find_or_make()?.command(&[], words).status().context("could not start `swift format`")?;
    if !status.success() {
        bail!("`swift format lint` found something");
    }
    Ok(())
}

/// The arguments of `swift test` or `swift build`. The linker finds the library by them alone, because a manifest
/// with such flags could not be used as a dependency.
fn words(verb: &str, package: &Path, scratch: &Path) -> Vec<OsString> {
    // A build plan that was kept does not notice that a package it depends on by path gained or lost a file.
    let flags = ["swift", verb, "--disable-sandbox", "--disable-build-manifest-caching", "--package-path"];
    let mut words: Vec<OsString> = flags.map(Into::into).into();
    words.extend([package.into(), "--scratch-path".into(), scratch.into()]);
    if cfg!(target_os = "linux") {
        let library = library();
        for word in [with("-L", &library), "-rpath".into(), library.into()] {
            words.extend(["-Xlinker".into(), word]);
        }
    }
    words
}

fn with(flag: &str, path: &Path) -> OsString {
    let mut word = OsString::from(flag);
    word.push::<&OsStr>(path.as_os_str());
    word
}

fn bindings() -> PathBuf {
    cargo::root().join("bindings/swift/Sources/Uhlm/Generated/Uhlm.swift")
}

/// Where `cargo xtask bindings` puts the shared library; on a Mac, `cargo xtask ios` the XCFramework.
fn library() -> PathBuf {
    cargo::root().join(if cfg!(target_os = "macos") { "target/ios" } else { "target/bindings/lib" })
}

fn library_name() -> &'static str {
    if cfg!(target_os = "macos") { "uhlmFFI.xcframework" } else { "libuhlm_ffi.so" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_is_told_where_the_library_is_and_the_build_stays_in_target() {
        let words = words("test", Path::new("/checkout"), Path::new("/checkout/target/swift/test"));
        let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(text[..2], ["swift", "test"]);
        assert!(text.windows(2).any(|pair| pair == ["--scratch-path", "/checkout/target/swift/test"]), "{text:?}");
        if cfg!(target_os = "linux") {
            assert!(
                text.iter().any(|word| word.starts_with("-L") && word.ends_with("target/bindings/lib")),
                "{text:?}"
            );
        }
    }
}

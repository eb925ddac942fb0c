//! The commands for a Swift toolchain: to test the packages, to build the bench driver, and to check the format.
//!
//! All take the library from `target/bindings/lib` and the generated sources, which `cargo xtask bindings swift` puts
//! in place beforehand. Their results go below `target/swift`. `tools/sandbox/swift.sh` runs the commands, and makes a
//! toolchain first where the machine has none.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::cargo;

/// Returns the commands that run `swift test` on the package, on the check of its part for Apple's Foundation Models,
/// and on the iOS app's logic.
///
/// # Errors
/// An error where the library or the generated sources are missing.
pub(crate) fn tests(fixture: &Path) -> Result<[Command; 3]> {
    let library = if cfg!(target_os = "macos") { "uhlmFFI.xcframework" } else { "libuhlm_ffi.so" };
    let sources = cargo::root().join("bindings/swift/Sources/Uhlm/Generated/Uhlm.swift");
    if let Some(missing) = [sources, libraries().join(library)].iter().find(|path| !path.exists()) {
        bail!(
            "{} is missing; `cargo xtask bindings swift` or, on a Mac, `cargo xtask ios` makes it",
            missing.display()
        );
    }
    let test = |package, scratch| {
        let mut command = cargo::script("sandbox/swift.sh");
        command.arg(format!("UHLM_FIXTURE={}", fixture.display()));
        swift(&mut command, "test", package, scratch);
        // Our tests are XCTest's; without this, a second runner reports that it ran none.
        command.arg("--disable-swift-testing");
        command
    };
    Ok([
        test(".", "target/swift/test"),
        test("bindings/swift/foundation-models", "target/swift/foundation-models"),
        test("ios-demo/ChatKit", "target/swift/chatkit"),
    ])
}

/// Builds the bench driver in the release profile. Returns the command that runs it with `fixture`, a file that holds
/// the first line of the fixture.
pub(crate) fn bench_driver(fixture: &Path) -> Result<Command> {
    let mut build = cargo::script("sandbox/swift.sh");
    swift(&mut build, "build", "bindings/swift/bench", "target/swift/bench");
    cargo::run(build.args(["--configuration", "release"]))?;
    let mut driver = cargo::script("sandbox/swift.sh");
    driver.arg(cargo::root().join("target/swift/bench/release/uhlm-bench")).arg(fixture);
    Ok(driver)
}

/// Runs `swift format lint` on every Swift file that is written by hand.
pub(crate) fn lint() -> Result<()> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.swift"]).current_dir(cargo::root());
    let files = cargo::read(&mut git)?;
    let mut lint = cargo::script("sandbox/swift.sh");
    lint.args(["swift", "format", "lint", "--strict", "--parallel", "--configuration", "bindings/swift/.swift-format"]);
    cargo::run(lint.args(files.lines()))
}

/// Adds `swift test` or `swift build` with its arguments. The linker finds the library by them alone, because a
/// manifest with such flags could not be used as a dependency.
fn swift(command: &mut Command, verb: &str, package: &str, scratch: &str) {
    // A build plan that was kept does not notice that a package it depends on by path gained or lost a file.
    command.args(["swift", verb, "--disable-sandbox", "--disable-build-manifest-caching"]);
    command.args(["--package-path", package, "--scratch-path", scratch]);
    if cfg!(target_os = "linux") {
        let library = libraries().display().to_string();
        for word in [&format!("-L{library}"), "-rpath", &library] {
            command.args(["-Xlinker", word]);
        }
    }
}

/// Returns the folder of the shared library, where `cargo xtask bindings` puts it; on a Mac, that of the XCFramework,
/// where `cargo xtask ios` puts it.
fn libraries() -> PathBuf {
    cargo::root().join(if cfg!(target_os = "macos") { "target/ios" } else { "target/bindings/lib" })
}

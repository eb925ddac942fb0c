//! `cargo xtask phone-targets` type-checks everything that goes into an app's library for the real phone targets.
//!
//! Rust's own toolchains for these targets are used where rustup has them. Elsewhere a script fetches the sources of
//! the standard library, and cargo builds it for the target. No C or C++ is compiled for the phone: cargo is told the
//! results of the build scripts of llama.cpp and of the cryptography library instead, with the bindings made for this
//! machine. Their types are those of every 64-bit processor.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{cargo, llama_builds};

/// The targets: an Android phone and an iPhone.
const TARGETS: [&str; 2] = ["aarch64-linux-android", "aarch64-apple-ios"];

/// Checks the API that apps see, and all below it, for every target with whatever toolchain can.
pub(crate) fn run() -> Result<()> {
    // Within CI it is built already, with more features than one package alone would have.
    if llama_builds::newest()?.is_none() {
        cargo::run(&mut cargo::cargo(&["build", "--package", "uhlm-llama", "--locked"]))?;
    }
    let bindings = llama_builds::newest()?.context("llama.cpp's bindings were not generated")?.join("out");
    let ring = cargo::read(&mut cargo::cargo(&["pkgid", "--locked", "ring"]))?;
    let (_, version) = ring.trim().rsplit_once(['@', '#']).context("Cargo.lock names no ring")?;
    let (complete, bare): (Vec<&str>, Vec<&str>) = TARGETS.into_iter().partition(|target| cargo::has_std(target));
    for (targets, has_std) in [(complete, true), (bare, false)] {
        if targets.is_empty() {
            continue;
        }
        let mut command = command(has_std)?;
        for target in &targets {
            // What cargo is told instead of running a build script: `target.TRIPLE.LIBRARY` tables of its
            // configuration. The bindings are included from `OUT_DIR`; the cryptography's library is named after its
            // version.
            let llama = format!("target.{target}.llama.rustc-env.OUT_DIR='{}'", bindings.display());
            let cryptography = format!("target.{target}.ring_core_{}_.rustc-link-lib=[]", version.replace('.', "_"));
            // This is the library that `uhlm-llama` compiles to catch the exceptions of llama.cpp.
            let guard = format!("target.{target}.uhlm_guard.rustc-link-lib=[]");
            command.args(["--target", target, "--config", &llama, "--config", &cryptography, "--config", &guard]);
        }
        cargo::run(&mut command)?;
        println!("{}: type-checked", targets.join(", "));
    }
    Ok(())
}

/// The check without its targets: several at once, because the crates of a standard library wait for each other.
fn command(has_std: bool) -> Result<Command> {
    let mut command = cargo::cargo(&["check", "--package", "uhlm-ffi", "--lib", "--locked"]);
    // The folder is its own: a change of compiler would rebuild the other one's units.
    command.args(["--target-dir", "target/phone"]);
    if !has_std {
        let paths = cargo::read(&mut cargo::script("sandbox/phone-rust.sh"))?;
        let (rustc, libraries) = paths.trim().split_once('\n').context("phone-rust.sh prints two lines")?;
        command.arg("-Zbuild-std=std,panic_unwind");
        // A released compiler builds a standard library only if it is told that it is its own.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rustc).env("LD_LIBRARY_PATH", libraries);
        // Lints are the business of another step and another compiler.
        command.env("RUSTFLAGS", "--cap-lints warn").env_remove("RUSTUP_TOOLCHAIN");
    }
    Ok(command)
}

//! `cargo xtask phone-targets`: the pure-Rust part type-checked for the real phone targets.
//!
//! Rust's own toolchains for these targets are used where rustup has them. Elsewhere, on Debian, the sources of the standard
//! library come from Debian's packages of Rust, unpacked in the target folder (not installed: two Rusts in one system
//! shadow each other), and cargo builds it for the target. C and C++ are left out: the features `llama` and `http` are off.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, answer};
use crate::setup::packages::{Manager, Privilege};

/// An Android phone and an iPhone.
const TARGETS: [&str; 2] = ["aarch64-linux-android", "aarch64-apple-ios"];

/// What is checked: the core and the FFI surface over it.
const CHECK: [&str; 6] = ["check", "--package", "uhlm-ffi", "--no-default-features", "--lib", "--locked"];

/// Debian's packages of Rust as Firefox is built with: newer than those named `rustc`. `%` stands for the version.
const PACKAGES: [&str; 4] = ["rustc-web", "rust-web-src", "libstd-rust-web-dev", "libstd-rust-web-%"];

/// Checks every target with whatever toolchain can.
pub(crate) fn run() -> Result<()> {
    for target in TARGETS {
        cargo::run(&mut command(target)?)?;
        println!("{target}: type-checked");
    }
    Ok(())
}

fn command(target: &str) -> Result<Command> {
    let mut command = cargo::cargo(&CHECK);
    // A folder of its own: a change of compiler would rebuild the other one's units.
    command.args(["--target", target, "--target-dir", "target/phone"]);
    if cargo::has_std(target) {
        return Ok(command);
    }
    let root = Unpacked::find_or_make()?;
    command.args(["-Zbuild-std=std,panic_unwind"]);
    // A released compiler builds a standard library only if it is told that it is its own.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", root.rustc()).env("LD_LIBRARY_PATH", root.libraries());
    // Lints are another step's business, and another compiler's.
    command.env("RUSTFLAGS", "--cap-lints warn").env_remove("RUSTUP_TOOLCHAIN");
    Ok(command)
}

/// A compiler with the sources of its standard library, unpacked from Debian's packages.
struct Unpacked(PathBuf);

impl Unpacked {
    fn find_or_make() -> Result<Self> {
        let target = cargo::root().join("target");
        let root = Self(target.join("phone-rust"));
        if root.0.join(".complete").exists() {
            return Ok(root);
        }
        if !cfg!(target_os = "linux") || answer("dpkg-deb", &["--version"]).is_none() {
            bail!(
                "no standard library for phones: `rustup target add {}`, or run this on Debian with apt-get",
                TARGETS.join(" ")
            );
        }
        fs::create_dir_all(&target).context("creating the target folder")?;
        let new = Self(target.join("phone-rust.new"));
        if new.0.exists() {
            fs::remove_dir_all(&new.0).context("removing what an interrupted run left")?;
        }
        new.make()?;
        fs::write(new.0.join(".complete"), "").context("marking the compiler as complete")?;
        fs::rename(&new.0, &root.0).context("putting the compiler in its place")?;
        Ok(root)
    }

    fn make(&self) -> Result<()> {
        let downloads = self.0.join("packages");
        fs::create_dir_all(&downloads).context("creating a folder for packages")?;
        refresh_lists()?;
        let version = version().context("apt-get knows no package `rustc-web`")?;
        let mut names: Vec<String> = PACKAGES.iter().map(|name| name.replace('%', &version)).collect();
        names.extend(llvm_of(&names[3]));
        let mut download = Command::new("apt-get");
        cargo::run(download.arg("download").args(&names).current_dir(&downloads))?;
        let mut unpacked = 0;
        for entry in fs::read_dir(&downloads).context("reading the downloads")? {
            let package = entry?.path();
            cargo::run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&self.0))?;
            fs::remove_file(&package).context("removing a package that was unpacked")?;
            unpacked += 1;
        }
        if unpacked != names.len() { bail!("{unpacked} packages came instead of {}", names.len()) } else { Ok(()) }
    }

    fn rustc(&self) -> PathBuf {
        self.0.join("usr/bin/rustc")
    }

    /// Debian puts them into a folder named after the machine.
    fn libraries(&self) -> String {
        let machine = format!("usr/lib/{}-linux-gnu", env::consts::ARCH);
        self.0.join(machine).display().to_string()
    }
}

/// A fresh machine has no list of packages.
fn refresh_lists() -> Result<()> {
    if version().is_some() {
        return Ok(());
    }
    let command = Manager::Apt.refresh_command(Privilege::of_this_user(false));
    command.map_or(Ok(()), |command| cargo::run(&mut command.to_process()))
}

/// `1.96` of `1.96.0+dfsg1-1~deb12u2`, the part that names of packages hold.
fn version() -> Option<String> {
    let text = answer("apt-cache", &["show", "--no-all-versions", "rustc-web"])?;
    let version = text.lines().find_map(|line| line.strip_prefix("Version: "))?;
    let mut parts = version.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

/// The LLVM that the compiler is linked to.
fn llvm_of(package: &str) -> Option<String> {
    let text = answer("apt-cache", &["depends", package])?;
    let mut names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.find(|name| name.starts_with("libllvm")).map(str::to_owned)
}

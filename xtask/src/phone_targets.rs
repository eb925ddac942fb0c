//! `cargo xtask phone-targets`: everything that goes into an app's library, type-checked for the real phone targets.
//!
//! Rust's own toolchains for these targets are used where rustup has them. Elsewhere, on Debian, the sources of the
//! standard library come from Debian's packages of Rust, unpacked in the target folder (not installed: two Rusts in
//! one system shadow each other), and cargo builds it for the target. No C or C++ is compiled for the phone: what the
//! build scripts of llama.cpp and of the cryptography would say is told to cargo instead, with the bindings made for
//! this machine. Their types are those of every 64-bit processor.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, answer};
use crate::setup::packages::{Manager, Privilege};

/// An Android phone and an iPhone.
const TARGETS: [&str; 2] = ["aarch64-linux-android", "aarch64-apple-ios"];

/// What is checked: the surface that apps see, and all below it.
const CHECK: [&str; 5] = ["check", "--package", "uhlm-ffi", "--lib", "--locked"];

/// The crate whose build script compiles llama.cpp, and the name of the library that it links to.
const LLAMA: (&str, &str) = ("llama-cpp-sys-2", "llama");
/// The crate whose build script compiles the cryptography; its library is named after its version.
const CRYPTOGRAPHY: &str = "ring";
/// The library that the build script of `uhlm-llama` compiles.
const GUARD: &str = "uhlm_guard";

/// Debian's packages of Rust as Firefox is built with: newer than those named `rustc`. `%` stands for the version.
const PACKAGES: [&str; 4] = ["rustc-web", "rust-web-src", "libstd-rust-web-dev", "libstd-rust-web-%"];

/// What a check of the standard library does not read, 380 of 700 MB and nine files in ten: the compiler's sources,
/// tools and tests, documentation, rustdoc.
const UNNEEDED: [&str; 8] = [
    "./usr/bin/rustdoc",
    "./usr/libexec",
    "./usr/share",
    "./usr/src/*/compiler",
    "./usr/src/*/debian",
    "./usr/src/*/src",
    "./usr/src/*/tests",
    "./usr/src/*/library/stdarch/intrinsics_data",
];

/// Checks every target with whatever toolchain can.
pub(crate) fn run() -> Result<()> {
    let overrides = Overrides::find()?;
    for target in TARGETS {
        cargo::run(command(target)?.args(overrides.arguments(target)))?;
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

/// What cargo is told instead of running the build scripts: `target.TRIPLE.LIBRARY` tables of its configuration.
struct Overrides {
    /// The folder of llama.cpp's bindings for this machine, which the crate includes from `OUT_DIR`.
    bindings: PathBuf,
    /// The library that the cryptography links to.
    cryptography: String,
}

impl Overrides {
    fn find() -> Result<Self> {
        // Within CI it is built already; alone, this compiles llama.cpp.
        cargo::run(&mut cargo::cargo(&["build", "--package", "uhlm-llama", "--locked"]))?;
        let bindings = newest_bindings(&cargo::root().join("target/debug/build"))?;
        let lock = fs::read_to_string(cargo::root().join("Cargo.lock")).context("reading Cargo.lock")?;
        let version = locked_version(&lock, CRYPTOGRAPHY).context("Cargo.lock names no ring")?;
        Ok(Self { bindings, cryptography: format!("ring_core_{}_", version.replace('.', "_")) })
    }

    fn arguments(&self, target: &str) -> Vec<String> {
        let llama = format!("target.{target}.{}.rustc-env.OUT_DIR='{}'", LLAMA.1, self.bindings.display());
        let cryptography = format!("target.{target}.{}.rustc-link-lib=[]", self.cryptography);
        let guard = format!("target.{target}.{GUARD}.rustc-link-lib=[]");
        [llama, cryptography, guard].into_iter().flat_map(|table| ["--config".into(), table]).collect()
    }
}

/// The output folder of the last build of llama.cpp for this machine.
fn newest_bindings(builds: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(builds).with_context(|| format!("reading {}", builds.display()))? {
        let entry = entry?;
        let out = entry.path().join("out");
        if entry.file_name().to_string_lossy().starts_with(LLAMA.0)
            && let Ok(bindings) = fs::metadata(out.join("bindings.rs"))
        {
            found.push((bindings.modified()?, out));
        }
    }
    found.into_iter().max().map(|(_, out)| out).context("llama.cpp's bindings were not generated")
}

/// The version of a package in the text of a `Cargo.lock`.
fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = lock.lines().skip_while(|line| line.strip_prefix("name = ") != Some(&format!("\"{name}\"")));
    lines.nth(1)?.strip_prefix("version = ").map(|version| version.trim_matches('"'))
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
            self.unpack(&package)?;
            fs::remove_file(&package).context("removing a package that was unpacked")?;
            unpacked += 1;
        }
        if unpacked != names.len() { bail!("{unpacked} packages came instead of {}", names.len()) } else { Ok(()) }
    }

    /// Unpacks what is needed of a package.
    fn unpack(&self, package: &Path) -> Result<()> {
        let mut tar = Command::new("dpkg-deb");
        tar.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped());
        eprintln!("$ {} | tar -x", cargo::line(&tar));
        let mut contents = tar.spawn().context("could not start dpkg-deb")?;
        let stream = contents.stdout.take().context("the contents of a package")?;
        // A star does not reach into folders, or it would find `src` everywhere.
        let mut unpack = Command::new("tar");
        unpack.args(["-x", "--anchored", "--no-wildcards-match-slash", "-C"]).arg(&self.0);
        unpack.args(UNNEEDED.map(|path| format!("--exclude={path}"))).stdin(stream);
        let unpacked = unpack.status().context("could not start tar")?;
        let read = contents.wait().context("waiting for dpkg-deb")?;
        if read.success() && unpacked.success() { Ok(()) } else { bail!("{} is not unpacked", package.display()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_of_a_package_is_the_one_below_its_own_name() {
        let lock = "[[package]]\nname = \"ring-buffer\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.14\"\n";
        assert_eq!(locked_version(lock, "ring"), Some("0.17.14"));
        assert_eq!(locked_version(lock, "none"), None);
    }
}

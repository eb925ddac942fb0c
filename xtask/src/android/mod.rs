//! `cargo xtask android`: the native library for phones, checked, where the Gradle build packs it.
//!
//! Decides which commands run in which order. What a library must be is in `check`, what one says of itself in
//! `library`.

mod abi;
mod check;
mod library;
mod ndk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, table};
use abi::Abi;
use check::{CXX, FILE};
use library::Library;
use ndk::Ndk;

/// The oldest Android that is supported: 7.0.
const API_LEVEL: &str = "24";

/// Where the Gradle build looks for libraries, from the repository's root.
const PACKED: &str = "bindings/kotlin/uhlm-android/target/jniLibs";

/// Where cargo-ndk puts them with their symbols, from the repository's root. Keep those to read crash reports.
const BUILT: &str = "target/android";

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only this ABI; may be repeated
    #[arg(long = "abi", value_enum)]
    abis: Vec<Abi>,
    /// Print the commands and run none; needs no NDK
    #[arg(long)]
    dry_run: bool,
    /// The oldest 64-bit ARM processors to build for, as a compiler names them. armv8.2-a+dotprod is several times
    /// faster with quantized models, and does not start on phones from before about 2018
    #[arg(long, value_name = "ARCH", default_value = "armv8-a")]
    arm_arch: String,
    /// Build nothing: check these libraries, each by the rules of the ABI it is for
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["abis", "dry_run"])]
    check: Vec<PathBuf>,
}

/// Builds, checks and packs, or what the arguments ask for instead.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.check.is_empty() {
        return check_files(&arguments.check);
    }
    let abis = if arguments.abis.is_empty() { &Abi::ALL[..] } else { &arguments.abis[..] };
    if arguments.dry_run {
        for abi in abis {
            let environment: String = environment(Path::new("$NDK"), &arguments.arm_arch)
                .map(|(name, value)| format!("{name}={value} "))
                .concat();
            println!("{environment}{}", cargo::line(&build(*abi)));
            println!("{}", cargo::line(&strip(Path::new("llvm-strip"), *abi)));
        }
        return Ok(());
    }
    let ndk = Ndk::find()?;
    ndk::require_tools(abis)?;
    let mut report = Report::default();
    for abi in abis {
        let environment = environment(&ndk.root, &arguments.arm_arch);
        cargo::run(build(*abi).envs(environment))?;
        pack(*abi, &ndk, &mut report)?;
    }
    report.finish()
}

/// llama.cpp's build script reads the NDK's place, the API level and, for 64-bit ARM, the processor from the
/// environment.
fn environment(ndk: &Path, arm_arch: &str) -> [(&'static str, String); 3] {
    [
        ("ANDROID_NDK", ndk.display().to_string()),
        ("ANDROID_PLATFORM", format!("android-{API_LEVEL}")),
        ("GGML_CPU_ARM_ARCH", arm_arch.to_owned()),
    ]
}

fn build(abi: Abi) -> Command {
    let target = ["ndk", "--target", abi.name(), "--platform", API_LEVEL, "--output-dir", BUILT];
    let build = ["build", "--locked", "--release", "--package", "uhlm-ffi"];
    cargo::cargo(&[&target[..], &build[..]].concat())
}

fn strip(program: &Path, abi: Abi) -> Command {
    let mut command = Command::new(program);
    let (from, to) = (Path::new(BUILT).join(abi.name()).join(FILE), Path::new(PACKED).join(abi.name()).join(FILE));
    command.arg("--strip-unneeded").arg("-o").arg(to).arg(from).current_dir(cargo::root());
    command
}

/// Strips what was built into the place it is packed from, ships what it needs, and checks both.
fn pack(abi: Abi, ndk: &Ndk, report: &mut Report) -> Result<()> {
    let folder = cargo::root().join(PACKED).join(abi.name());
    // A library of an earlier build that is needed no more must not be packed.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    cargo::run(&mut strip(&ndk.strip(), abi))?;

    let built = cargo::root().join(BUILT).join(abi.name()).join(FILE);
    let before = fs::metadata(&built).with_context(|| format!("reading {}", built.display()))?.len();
    let (bytes, library) = read(&folder.join(FILE))?;
    let mut shipped = Vec::new();
    if library.needed.iter().any(|name| name == CXX) {
        let from = ndk.cxx(abi);
        fs::copy(&from, folder.join(CXX)).with_context(|| format!("copying {}", from.display()))?;
        let (bytes, cxx) = read(&folder.join(CXX))?;
        report.add(abi, CXX, None, bytes, &cxx, check::problems(&cxx, abi, &[]));
        shipped.push(CXX);
    }
    let mut problems = check::problems(&library, abi, &shipped);
    problems.extend(check::problems_of_ours(&library));
    report.add(abi, FILE, Some(before), bytes, &library, problems);
    Ok(())
}

fn check_files(files: &[PathBuf]) -> Result<()> {
    let mut report = Report::default();
    for file in files {
        let (bytes, library) = read(file)?;
        let abi = Abi::of_machine(library.machine).with_context(|| {
            format!("{}: built for machine {}, which no phone has", file.display(), library.machine)
        })?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let mut problems = check::problems(&library, abi, &[CXX]);
        if name == FILE {
            problems.extend(check::problems_of_ours(&library));
        }
        report.add(abi, &name, None, bytes, &library, problems);
    }
    report.finish()
}

fn read(file: &Path) -> Result<(u64, Library)> {
    let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let library = Library::read(&data).with_context(|| format!("{}", file.display()))?;
    Ok((data.len() as u64, library))
}

/// One row a library, and what is wrong.
#[derive(Default)]
struct Report {
    rows: Vec<[String; 6]>,
    needed: Vec<String>,
    problems: Vec<String>,
}

impl Report {
    fn add(&mut self, abi: Abi, name: &str, before: Option<u64>, bytes: u64, library: &Library, problems: Vec<String>) {
        let megabytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
        self.rows.push([
            format!("{} {name}", abi.name()),
            before.map(megabytes).unwrap_or_default(),
            megabytes(bytes),
            library.alignment.to_string(),
            library.exports.len().to_string(),
            if problems.is_empty() { "ok" } else { "FAILED" }.to_owned(),
        ]);
        self.needed.push(format!("{} {name} needs {}", abi.name(), library.needed.join(", ")));
        self.problems.extend(problems.into_iter().map(|problem| format!("{} {name} {problem}", abi.name())));
    }

    fn finish(self) -> Result<()> {
        let header = ["library", "built MB", "stripped MB", "alignment", "exports", "result"];
        println!("\n{}", table::format(header, &self.rows));
        for line in &self.needed {
            println!("{line}");
        }
        match self.problems.len() {
            0 => Ok(()),
            count => bail!("{count} problems\n{}", self.problems.join("\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_name_abi_level_profile_and_package() {
        assert_eq!(
            cargo::line(&build(Abi::Arm64)),
            "cargo ndk --target arm64-v8a --platform 24 --output-dir target/android build --locked --release --package uhlm-ffi"
        );
        assert_eq!(
            cargo::line(&strip(Path::new("/ndk/bin/llvm-strip"), Abi::X86_64)),
            "llvm-strip --strip-unneeded -o bindings/kotlin/uhlm-android/target/jniLibs/x86_64/libuhlm_ffi.so \
             target/android/x86_64/libuhlm_ffi.so"
        );
    }

    /// A library made by the linker of this machine: the reader sees what the linker was told.
    #[test]
    #[cfg(target_os = "linux")]
    fn facts_are_read_from_a_real_library() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = "int hidden(void); int uniffi_visible(void) { return hidden(); }\n\
                      __attribute__((visibility(\"hidden\"))) int hidden(void) { return 7; }\n";
        fs::write(folder.path().join("library.c"), source).expect("a source file");
        let file = folder.path().join(FILE);
        let library = |page: &str, strip: &str| {
            let mut command = Command::new("cc");
            command.current_dir(folder.path()).args([
                "-shared",
                "-fPIC",
                "-o",
                FILE,
                "library.c",
                strip,
                "-Wl,--no-as-needed",
                "-lm",
            ]);
            command.args([format!("-Wl,-soname,{FILE}"), format!("-Wl,-z,max-page-size={page}")]);
            assert!(command.status().expect("a C compiler").success());
            read(&file).expect("a library").1
        };
        let good = library("16384", "-s");
        assert_eq!(good.alignment, 16384);
        assert!(good.exports.contains(&"uniffi_visible".to_owned()), "{:?}", good.exports);
        assert!(!good.exports.contains(&"hidden".to_owned()), "{:?}", good.exports);
        assert!(good.needed.iter().any(|name| name.starts_with("libm.so")), "{:?}", good.needed);
        assert_eq!(good.soname.as_deref(), Some(FILE));
        assert!(!good.text_relocations && !good.has_symbols);
        assert!(
            Abi::of_machine(good.machine).is_some() || cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64")))
        );

        let bad = library("4096", "-g");
        assert_eq!(bad.alignment, 4096);
        assert!(bad.has_symbols);
    }

    #[test]
    fn what_is_no_library_is_an_error() {
        assert!(Library::read(b"").is_err());
        assert!(Library::read(b"MZ and so on, at some length, so that a header would fit into it ......").is_err());
        let program = std::env::current_exe().and_then(fs::read).expect("this program");
        assert!(Library::read(&program[..program.len().min(4096)]).is_err());
    }
}

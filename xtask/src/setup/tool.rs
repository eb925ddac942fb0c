//! The tools the build needs, and for each the check that it is here and really works.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::libclang;
use super::version::Version;
use crate::cargo::answer;

/// llama.cpp's own `cmake_minimum_required`.
const OLDEST_CMAKE: Version = Version::new(3, 14, 0);

/// One thing that must be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    CCompiler,
    CxxCompiler,
    Cmake,
    Make,
    Libclang,
    Git,
    Rustc,
    RustComponents,
}

impl Tool {
    pub(crate) const ALL: [Tool; 8] = [
        Tool::CCompiler,
        Tool::CxxCompiler,
        Tool::Cmake,
        Tool::Make,
        Tool::Libclang,
        Tool::Git,
        Tool::Rustc,
        Tool::RustComponents,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::CCompiler => "C compiler",
            Tool::CxxCompiler => "C++ compiler",
            Tool::Cmake => "cmake",
            Tool::Make => "make or ninja",
            Tool::Libclang => "libclang",
            Tool::Git => "git",
            Tool::Rustc => "Rust",
            Tool::RustComponents => "rustfmt, clippy",
        }
    }

    /// What was found, or what is wrong. Starts programs; takes about a second for all tools together.
    pub(crate) fn check(self) -> Result<String, String> {
        match self {
            Tool::CCompiler => {
                compiles("CC", "cc", "probe.c", "#include <stdio.h>\nint main(void) { return 0; }\n", &[])
            }
            Tool::CxxCompiler => compiles("CXX", "c++", "probe.cpp", CXX_PROBE, &["-std=c++17"]),
            Tool::Cmake => cmake(),
            Tool::Make => make(),
            Tool::Libclang => libclang::check(),
            Tool::Git => first_line(answer("git", &["--version"])).ok_or_else(|| "`git` does not run".to_owned()),
            Tool::Rustc => rustc(),
            Tool::RustComponents => rust_components(),
        }
    }

    /// Whether Apple's command line tools bring it.
    pub(crate) fn is_in_xcode_tools(self) -> bool {
        matches!(self, Tool::CCompiler | Tool::CxxCompiler | Tool::Make | Tool::Libclang | Tool::Git)
    }

    /// Whether a Python wheel brings it (ninja in the place of make).
    pub(crate) fn is_in_python_wheels(self) -> bool {
        matches!(self, Tool::Cmake | Tool::Make | Tool::Libclang)
    }
}

/// Uses the standard library, so that a compiler without it is noticed; C++17 is llama.cpp's dialect.
const CXX_PROBE: &str = "#include <filesystem>\n#include <thread>\n#include <vector>\n\
    int main() { std::vector<int> v{1, 2}; return std::filesystem::path(\"a\").empty() ? int(v.size()) : 0; }\n";

/// Compiles and links a small program with the compiler that the build scripts would take.
fn compiles(variable: &str, default: &str, file: &str, source: &str, flags: &[&str]) -> Result<String, String> {
    if cfg!(windows) {
        // The build scripts find Microsoft's compiler through the registry; rustc has used the same tools to link this.
        return Ok("of the Visual Studio Build Tools".to_owned());
    }
    let chosen = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let mut words = chosen.split_whitespace();
    let program = words.next().ok_or_else(|| format!("{variable} is set, but empty"))?;
    let directory = Scratch::new(default).map_err(|error| format!("no directory for a test program: {error}"))?;
    let input = directory.path().join(file);
    fs::write(&input, source).map_err(|error| format!("could not write a test program: {error}"))?;
    let output = Command::new(program)
        .args(words)
        .args(flags)
        .arg("-o")
        .arg(directory.path().join("probe"))
        .arg(&input)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` does not start ({error})"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.lines().find(|line| line.contains("error")).or(stderr.lines().next()).unwrap_or_default();
        return Err(format!("`{program}` cannot build a small program ({}) {}", output.status, reason.trim()));
    }
    Ok(first_line(answer(program, &["--version"])).unwrap_or_else(|| program.to_owned()))
}

fn cmake() -> Result<String, String> {
    let program = env::var("CMAKE").unwrap_or_else(|_| "cmake".to_owned());
    let text = answer(&program, &["--version"]).ok_or_else(|| format!("`{program}` does not run"))?;
    match Version::find(&text) {
        Some(version) if version < OLDEST_CMAKE => Err(format!("{version} is too old, {OLDEST_CMAKE} is needed")),
        Some(version) => Ok(format!("{version}")),
        None => Err(format!("`{program} --version` gives no version")),
    }
}

/// Cmake drives make unless CMAKE_GENERATOR says otherwise; on Windows, Visual Studio's own builder.
fn make() -> Result<String, String> {
    let generator = env::var("CMAKE_GENERATOR").unwrap_or_default();
    if generator.starts_with("Ninja") {
        let version = answer("ninja", &["--version"]).ok_or("CMAKE_GENERATOR asks for ninja, which does not run")?;
        return Ok(format!("ninja {version}"));
    }
    if cfg!(windows) || !(generator.is_empty() || generator == "Unix Makefiles") {
        return Ok(format!("left to cmake {generator}").trim_end().to_owned());
    }
    first_line(answer("make", &["--version"])).ok_or_else(|| match answer("ninja", &["--version"]) {
        Some(_) => "`make` does not run (ninja does: CMAKE_GENERATOR=Ninja selects it)".to_owned(),
        None => "`make` does not run".to_owned(),
    })
}

fn rustc() -> Result<String, String> {
    let program = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let text = answer(&program, &["--version"]).ok_or_else(|| format!("`{program}` does not run"))?;
    let needed = Version::find(env!("CARGO_PKG_RUST_VERSION"));
    match (Version::find(&text), needed) {
        (Some(version), Some(needed)) if version < needed => Err(format!("{version} is too old, {needed} is needed")),
        _ => Ok(text),
    }
}

fn rust_components() -> Result<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for component in ["fmt", "clippy"] {
        if answer(&cargo, &[component, "--version"]).is_none() {
            return Err(format!("`cargo {component}` does not run"));
        }
    }
    Ok("present".to_owned())
}

fn first_line(text: Option<String>) -> Option<String> {
    Some(text?.lines().next()?.trim().to_owned())
}

/// A directory of its own, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(label: &str) -> io::Result<Self> {
        let path = env::temp_dir().join(format!("uhlm-setup-{}-{label}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory left behind in the temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

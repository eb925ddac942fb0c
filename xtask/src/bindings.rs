//! `cargo xtask bindings` builds the library, and the Kotlin and Swift sources that UniFFI generates from it.
//!
//! Everything goes where the packages look for it: the library into `target/bindings/lib`, the sources into folders
//! that git ignores. The library is built with the whole workspace and in its one profile, so that llama.cpp is not
//! compiled again. In the Kotlin one line is changed: which variant of the library is loaded is decided by
//! `bindings/kotlin/uhlm-ffi` for the processor it runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::{cargo, setup};

/// The languages with a package of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Kotlin,
    Swift,
}

/// Sets up, builds the library, and generates the sources of one language or of both.
pub(crate) fn run(only: Option<Language>) -> Result<()> {
    setup::ensure()?;
    let languages = Language::value_variants().iter().filter(|language| only.is_none_or(|only| only == **language));
    let library = build()?;
    for language in languages {
        generate(*language, &library)?;
        println!("{}", folder(*language).display());
    }
    println!("{}", library.display());
    Ok(())
}

/// Builds the library and the programs beside it; returns the library's copy in `target/bindings/lib`.
pub(crate) fn build() -> Result<PathBuf> {
    // A test among what is asked for lets cargo resolve the features that the tests have, so that nothing is compiled
    // twice; this one is the smallest.
    cargo::run(&mut cargo::cargo(&["build", "--workspace", "--lib", "--bins", "--test", "tools"]))?;
    let name = format!("{}uhlm_ffi{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let (from, to) = (program(&name)?, cargo::root().join("target/bindings/lib").join(&name));
    copy(&from, &to)?;
    Ok(to)
}

/// Returns the path of a file that cargo has built in the profile of this program.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("where this program is")?.with_file_name(name))
}

/// Returns the folder in which a language's package expects its generated sources.
fn folder(language: Language) -> PathBuf {
    cargo::root().join(match language {
        Language::Kotlin => "bindings/kotlin/uhlm/target/generated",
        Language::Swift => "bindings/swift/Sources/Uhlm/Generated",
    })
}

/// The line of the generated Kotlin that names the library, where no system property does.
const NAMED: &str = "    return \"uhlm_ffi\"\n";

/// The line in its place.
const CHOSEN: &str = "    return UhlmLibrary.name\n";

/// Returns the generated Kotlin with the name of the library chosen while it runs; fails unless exactly one line says
/// the name, as it does in the version of UniFFI that is pinned.
fn with_choice(generated: &str) -> Result<String> {
    let lines = generated.matches(NAMED).count();
    ensure!(lines == 1, "{lines} lines of the generated Kotlin are `{}`, not one: has UniFFI changed?", NAMED.trim());
    Ok(generated.replace(NAMED, CHOSEN))
}

/// Generates one language's sources from the library.
pub(crate) fn generate(language: Language, library: &Path) -> Result<()> {
    let folder = folder(language);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let name = if language == Language::Kotlin { "kotlin" } else { "swift" };
    let bindgen = program(&format!("uniffi-bindgen{}", std::env::consts::EXE_SUFFIX))?;
    let mut command = Command::new(bindgen);
    command.args(["generate", "--no-format", "--language", name, "--out-dir"]).arg(&folder).arg(library);
    // The generator reads the library's crate and uniffi.toml through cargo.
    cargo::run(command.current_dir(cargo::root()))?;
    if language == Language::Kotlin {
        let file = folder.join("dev/uhlm/uhlm_ffi.kt");
        let generated = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        fs::write(&file, with_choice(&generated)?).with_context(|| format!("writing {}", file.display()))?;
    }
    if language == Language::Swift {
        // The header belongs to the C module, whose module map is ours: the generated one names Apple's libraries.
        let header = "uhlmFFI.h";
        copy(&folder.join(header), &cargo::root().join("bindings/swift/Sources/uhlmFFI").join(header))?;
        for generated in [header, "uhlmFFI.modulemap"] {
            fs::remove_file(folder.join(generated)).with_context(|| format!("removing {generated}"))?;
        }
    }
    Ok(())
}

/// Copies a file unless the copy is the same already: build systems look at the time of a change.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    // Another process may have the old file mapped: it keeps that, and the new one is a file of its own.
    let new = to.with_extension("new");
    fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, to).with_context(|| format!("putting {} in its place", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kotlin_asks_for_the_name_where_it_would_return_it() {
        let generated = format!("{{\n    if (libOverride != null) {{\n        return libOverride\n    }}\n{NAMED}}}\n");
        let changed = with_choice(&generated).expect("one line");
        assert_eq!(changed, generated.replace("\"uhlm_ffi\"", "UhlmLibrary.name"));
    }

    #[test]
    fn another_generator_is_noticed() {
        for (generated, lines) in [("    return \"uhlm_ffi\";\n".to_owned(), "0 lines"), (NAMED.repeat(2), "2 lines")] {
            let error = with_choice(&generated).expect_err("not one line");
            assert!(error.to_string().starts_with(lines), "{error}");
        }
    }
}

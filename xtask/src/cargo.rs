//! Starts cargo, scripts and other programs for the other modules: in the repository's root, with a clean environment,
//! and with each command echoed.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Returns a cargo command in the repository's root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = clean(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Returns a command that runs a script of `tools/` in the repository's root.
pub(crate) fn script(name: &str) -> Command {
    clean(root().join("tools").join(name))
}

/// Returns a command without the variables that `cargo run` sets for this program: some build scripts watch them, and
/// would run again each time a developer changes between `cargo xtask test` and plain `cargo test`.
fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

fn is_set_by_cargo_run(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: [&str; 4] = ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// Echoes and runs a command, and fails if it fails. Its output goes where this program's goes, unless it is set to go
/// elsewhere.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if status.success() { Ok(()) } else { bail!("`{line}` failed ({status})") }
}

/// Returns a command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_printed_as_one_would_type_it() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["bench", "--bench", "*", "--", "-D", "warnings"]);
        assert_eq!(line(&command), "cargo bench --bench '*' -- -D warnings");
    }

    #[test]
    fn nested_cargo_sees_no_variable_of_this_package() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_LINKS", "OUT_DIR"] {
            assert!(is_set_by_cargo_run(name), "{name}");
        }
        for name in ["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "CARGO_HOME", "CARGO_TERM_COLOR", "RUSTFLAGS"] {
            assert!(!is_set_by_cargo_run(name), "{name}");
        }
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(run(Command::new("sh").args(["-c", "exit 0"])).is_ok());
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("it fails");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}

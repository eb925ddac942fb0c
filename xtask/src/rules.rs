//! The architecture rules that a text search can check, for what neither the borders of crates nor clippy say.
//!
//! A crate can name only what its manifest has, and `deny.toml` says which crates may have llama.cpp and the HTTP
//! client; `uhlm-law/clippy.toml` keeps clock, files and threads out of the law.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, unsafe_code};

/// A rule about lines that may not be in the files that `paths` select.
struct Rule {
    /// Extended regular expressions: a line breaks the rule if it matches the first and not the second.
    pattern: &'static str,
    unless: &'static str,
    /// Pathspecs of git, from the repository's root.
    paths: &'static [&'static str],
    reason: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        pattern: r"(^|[^a-z_])llama_cpp_(sys_)?2( as |::|;)",
        unless: "//.*llama_cpp_",
        // The reference that the draft engine is compared with must not go through it.
        paths: &["uhlm-cli/*.rs", ":!uhlm-cli/src/commands/bench/reference*"],
        reason: "llama.cpp is reached only through uhlm-llama",
    },
    Rule {
        pattern: "(^|[^a-z_])reqwest",
        unless: "//.*reqwest",
        paths: &["uhlm-core/src/*.rs", ":!uhlm-core/src/verifier/http*"],
        reason: "of the core, only the verifier's client speaks HTTP",
    },
    Rule {
        pattern: "^.{121}",
        // Tables cannot be broken. rustfmt leaves alone what it cannot break, strings above all.
        unless: r"^ *//[/!]? *(\||\[.*\]:)",
        paths: &["*.rs"],
        reason: "lines are at most 120 columns wide",
    },
    Rule {
        pattern: "^.{121}",
        // An address cannot be broken.
        unless: "https?://[^ ]{40}",
        paths: &["*.kt", "*.kts", "*.py", "*.sh", "*.swift"],
        reason: "lines are at most 120 columns wide",
    },
];

/// Largest file that git may hold, in bytes: git keeps every version of a large file for ever.
const LARGEST_FILE: u64 = 20_000_000;

/// Checks every file that git tracks or would add.
pub(crate) fn run() -> Result<()> {
    let violations = violations_in(&cargo::root())?;
    for violation in &violations {
        eprintln!("{violation}");
    }
    if violations.is_empty() { Ok(()) } else { bail!("{} violations of the architecture rules", violations.len()) }
}

/// Returns the violations in a repository, one per line of a file.
fn violations_in(root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let files = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let files: Vec<&str> = files.split('\0').collect();
    for path in &files {
        // A tracked file may have been deleted.
        let bytes = fs::metadata(root.join(path)).map_or(0, |file| file.len());
        if bytes > LARGEST_FILE {
            violations.push(format!("{path}: {bytes} bytes, git may hold at most {LARGEST_FILE} a file"));
        }
    }
    violations.extend(unsafe_code::violations(root, &files)?);
    for rule in RULES {
        let search = ["grep", "--untracked", "-nIE", "-e", rule.pattern, "--and", "--not", "-e", rule.unless, "--"];
        let found = git(root, &[&search[..], rule.paths].concat())?;
        violations.extend(found.lines().map(|line| format!("{line}: {}", rule.reason)));
    }
    Ok(violations)
}

/// Runs git and returns what it prints. Its search fails with 1 where it finds nothing.
fn git(root: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    let output =
        command.args(args).current_dir(root).env("LC_ALL", "C.UTF-8").output().context("could not start git")?;
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => bail!("`git {}` failed: {}", args[0], String::from_utf8_lossy(&output.stderr).trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the violations in a repository of these files.
    fn violations(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        git(root.path(), &["init", "--quiet"]).expect("git");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        violations_in(root.path()).expect("git")
    }

    #[test]
    fn each_rule_finds_the_line_that_breaks_it() {
        let long = format!("fn f() {{}}\n    // {}\n", "x".repeat(114));
        let text = format!("say \"{}\"\n", "x".repeat(120));
        let found = violations(&[
            ("uhlm-cli/src/main.rs", "fn f() {}\nuse llama_cpp_sys_2 as c;\n"),
            ("uhlm-core/src/engine.rs", "let client = reqwest::Client::new();\n"),
            ("uhlm-ffi/src/say.rs", &text),
            ("uhlm-law/src/lib.rs", &long),
            ("bindings/Long.kt", &"x".repeat(121)),
            ("tools/long.sh", &"x".repeat(121)),
        ]);
        let starts = [
            "uhlm-cli/src/main.rs:2:",
            "uhlm-core/src/engine.rs:1:",
            "uhlm-ffi/src/say.rs:1:",
            "uhlm-law/src/lib.rs:2:",
            "bindings/Long.kt:1:",
            "tools/long.sh:1:",
        ];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        assert!(found.iter().zip(starts).all(|(found, start)| found.starts_with(start)), "{found:?}");
    }

    #[test]
    fn exceptions_comments_tables_and_parts_of_other_words_break_none() {
        let table = format!("//! | {} |\n// {}\n", "x".repeat(120), "\u{e9}".repeat(117));
        let found = violations(&[
            ("uhlm-cli/src/commands/bench/reference.rs", "use llama_cpp_sys_2 as c;\n"),
            ("uhlm-cli/src/logging.rs", "let f = \"llama_cpp_2=error\"; // llama_cpp_2::x\n"),
            ("uhlm-core/src/verifier/http/pool.rs", "reqwest::Client::new();\n"),
            ("uhlm-core/src/link.rs", "//! No `reqwest` here.\nlet my_reqwest = 1;\n"),
            ("uhlm-law/src/lib.rs", &table),
            ("bindings/Fits.swift", &"\u{e9}".repeat(120)),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}

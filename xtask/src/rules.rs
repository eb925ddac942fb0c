//! Architecture rules that a search can check: which word may stand in which file.
//!
//! Only code counts, not line comments: a module may name the crate it is free of.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cargo;

/// A word that may not stand in the code of the files `within`, unless `except` covers them.
struct Rule {
    /// Matches every identifier that starts with it.
    word: &'static str,
    /// Prefixes of paths: a folder ends in `/`, a module is given without its ending (`gate` covers `gate.rs`,
    /// `gate/`).
    within: &'static [&'static str],
    except: &'static [&'static str],
    reason: &'static str,
}

/// What borders of crates cannot say: which dependency a crate has is in its manifest, for what is here.
const RULES: &[Rule] = &[
    Rule {
        word: "llama_cpp_",
        within: &[""],
        except: &[
            "uhlm-llama/src/",
            // What the draft engine is compared with must not go through it.
            "uhlm-cli/src/commands/bench/reference",
            // Names the target of llama.cpp's log lines.
            "uhlm-cli/src/logging",
            "xtask/",
        ],
        reason: "llama.cpp is reached only through uhlm-llama",
    },
    Rule {
        word: "reqwest",
        within: &[""],
        except: &[
            "uhlm-core/src/verifier/http",
            "uhlm-models/src/",
            "uhlm-net/src/",
            // A client that is not ours, to test the server with.
            "uhlm-server/tests/",
            "xtask/",
        ],
        reason: "the HTTP client belongs to the verifier's client and to model downloads",
    },
    Rule { word: "SystemTime", within: &["uhlm-law/src/"], except: &[], reason: PURE },
    Rule { word: "Instant", within: &["uhlm-law/src/"], except: &[], reason: PURE },
    Rule { word: "std::fs", within: &["uhlm-law/src/"], except: &[], reason: PURE },
    Rule { word: "std::thread", within: &["uhlm-law/src/"], except: &[], reason: PURE },
];

const PURE: &str = "the law is pure: no clock, no files, no threads";

/// Git keeps every version of a large file for ever.
const LARGEST_FILE: u64 = 20_000_000;

/// Checks every file that git tracks or would add.
pub(crate) fn run() -> Result<()> {
    let mut violations = Vec::new();
    for path in files()? {
        let full = cargo::root().join(&path);
        // A tracked file may have been deleted, or be a link into a submodule.
        let Ok(metadata) = fs::metadata(&full) else { continue };
        if metadata.len() > LARGEST_FILE {
            violations.push(format!("{path}: {} bytes, git may hold at most {LARGEST_FILE} a file", metadata.len()));
        }
        if is_checked(&path) {
            let text = fs::read_to_string(&full).with_context(|| format!("reading {path}"))?;
            violations.extend(violations_in(&path, &text));
        }
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    if violations.is_empty() { Ok(()) } else { bail!("{} violations of the architecture rules", violations.len()) }
}

fn files() -> Result<Vec<String>> {
    let mut command = std::process::Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(cargo::root());
    let output = command.output().context("could not start git")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn is_checked(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn violations_in(path: &str, text: &str) -> Vec<String> {
    let rules = RULES.iter().filter(|rule| rule.covers(path)).collect::<Vec<_>>();
    let mut violations = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for rule in rules.iter().filter(|rule| has_word(code, rule.word)) {
            violations.push(format!("{path}:{}: `{}`: {}", number + 1, rule.word, rule.reason));
        }
    }
    violations
}

impl Rule {
    fn covers(&self, path: &str) -> bool {
        let under = |prefixes: &[&str]| prefixes.iter().any(|prefix| is_under(path, prefix));
        under(self.within) && !under(self.except)
    }
}

/// Whether `path` is the module or lies in the folder that `prefix` names.
fn is_under(path: &str, prefix: &str) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    prefix.is_empty() || prefix.ends_with('/') || rest.starts_with('/') || rest == ".rs"
}

/// Whether an identifier of `code` starts with `word`.
fn has_word(code: &str, word: &str) -> bool {
    let starts = code.match_indices(word).map(|(index, _)| index);
    let boundary = |index: usize| !code[..index].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    starts.into_iter().any(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_is_named_only_in_its_crate() {
        let text = "use llama_cpp_2::model::LlamaModel;\n";
        assert_eq!(violations_in("uhlm-llama/src/model.rs", text).len(), 0);
        assert_eq!(violations_in("uhlm-core/src/engine.rs", text).len(), 1);
        assert_eq!(violations_in("uhlm-server/src/target/llama.rs", text).len(), 1);
    }

    #[test]
    fn the_http_client_may_be_a_file_or_a_folder() {
        let text = "let client = reqwest::Client::new();\n";
        assert_eq!(violations_in("uhlm-core/src/verifier/http.rs", text).len(), 0);
        assert_eq!(violations_in("uhlm-core/src/verifier/http/pool.rs", text).len(), 0);
        assert_eq!(violations_in("uhlm-core/src/verifier/mod.rs", text).len(), 1);
    }

    #[test]
    fn the_law_knows_no_clock() {
        let text = "fn f() {}\nlet now = std::time::Instant::now();\n";
        let found = violations_in("uhlm-law/src/gate.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("uhlm-law/src/gate.rs:2: "), "{}", found[0]);
        assert_eq!(violations_in("uhlm-core/src/link.rs", text).len(), 0);
    }

    #[test]
    fn comments_and_parts_of_other_words_do_not_count() {
        let text = "//! No `Instant` here.\nlet x = 1; // Instant\nlet not_instant = 2;\nlet offset = 3;\n";
        assert_eq!(violations_in("uhlm-law/src/lib.rs", text), Vec::<String>::new());
        assert_eq!(violations_in("uhlm-law/src/lib.rs", "let x: Instants;\n").len(), 1);
        assert_eq!(violations_in("uhlm-llama/src/lib.rs", "let x: Instant;\n").len(), 0);
    }
}

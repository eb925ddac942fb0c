//! The inventory of `unsafe`: `docs/unsafe.md` names each file that has any, how much, and why. A file that has more,
//! less, or is not named breaks the rule, so that no `unsafe` comes or goes without a look at the reasons.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The document.
const INVENTORY: &str = "docs/unsafe.md";
/// The word, apart from what follows it: this file has none of it.
const WORD: &str = "unsafe";

/// Returns where code and inventory differ.
pub(crate) fn violations(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    let path = root.join(INVENTORY);
    let text = if path.exists() { fs::read_to_string(&path).context(INVENTORY)? } else { String::new() };
    let listed = listed(&text);
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        // A tracked file may have been deleted.
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        let count = count(&text);
        if count > 0 {
            found.insert((*file).to_owned(), count);
        }
    }
    let all = found.keys().chain(listed.keys()).collect::<std::collections::BTreeSet<_>>();
    let of = |counts: &BTreeMap<String, usize>, file: &String| counts.get(file).copied().unwrap_or(0);
    let differs = all.into_iter().filter(|&file| of(&found, file) != of(&listed, file));
    Ok(differs
        .map(|file| format!("{file}: {} times {WORD}, {INVENTORY} says {}", of(&found, file), of(&listed, file)))
        .collect())
}

/// Reads the rows of the inventory's table: a file, how often, why.
fn listed(text: &str) -> BTreeMap<String, usize> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let (file, count) = (cells.next()?, cells.next()?);
        Some((file.strip_prefix('`')?.strip_suffix('`')?.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

/// Counts blocks, functions, implementations and foreign blocks that are unsafe; a type that only names an unsafe
/// function is none.
fn count(text: &str) -> usize {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let opens = |line: &str| {
        let here = |text: String| line.matches(&text).count();
        let all: usize = ["{", "impl", "fn", "extern"].iter().map(|word| here(format!("{WORD} {word}"))).sum();
        all - [":", "("]
            .iter()
            .map(|sign| here(format!("{sign} {WORD} extern")) + here(format!("{sign}{WORD} extern")))
            .sum::<usize>()
    };
    code.map(opens).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_functions_and_implementations_count_and_what_only_names_them_does_not() {
        let text = "// ! { in a comment }\n! impl Send for X {}\nlet x = ! { f(! { g() }) };\n! extern \"C\" {\n    \
            body: ! extern \"C-unwind\" fn(),\n}\npub ! fn f() {}\nfn log_to(callback: ! extern \"C\" fn()) {}\n\
            fn to(! extern \"C\" fn());\nlet text = \"safe\";\n";
        assert_eq!(count(&text.replace('!', WORD)), 5);
    }

    #[test]
    fn a_file_that_is_not_listed_or_has_another_number_is_a_violation() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text.replace('!', WORD)).expect("a file");
        };
        write("a.rs", "! { f() }\n");
        write("b.rs", "! { f() }\n! { f() }\n");
        write("c.rs", "fn f() {}\n");
        write(INVENTORY, "| file | times | why |\n|---|---|---|\n| `b.rs` | 1 | C |\n| `gone.rs` | 3 | C |\n");
        let found = violations(root.path(), &["a.rs", "b.rs", "c.rs"]).expect("readable");
        let starts = ["a.rs: 1 times", "b.rs: 2 times", "gone.rs: 0 times"];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        assert!(found.iter().zip(starts).all(|(found, start)| found.starts_with(start)), "{found:?}");
        write(INVENTORY, "| `a.rs` | 1 | C |\n| `b.rs` | 2 | C |\n");
        assert_eq!(violations(root.path(), &["a.rs", "b.rs", "c.rs"]).expect("readable"), Vec::<String>::new());
    }
}

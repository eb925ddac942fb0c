//! Names and directories with `*`, as far as the search for libclang needs them.

use std::fs;
use std::path::PathBuf;

/// Whether `name` matches `pattern`, in which each `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            let Some(rest) = name.strip_prefix(before) else { return false };
            let tails = rest.char_indices().map(|(index, _)| &rest[index..]).chain([""]);
            tails.into_iter().any(|tail| matches(after, tail))
        }
    }
}

/// The directories that an absolute pattern stands for. What cannot be read is not there.
pub(crate) fn directories(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.into_iter().flat_map(|directory| children(directory, part)).collect();
    }
    found
}

fn children(directory: PathBuf, part: &str) -> Vec<PathBuf> {
    if !part.contains('*') {
        let child = directory.join(part);
        return if child.is_dir() { vec![child] } else { vec![] };
    }
    let Ok(entries) = fs::read_dir(&directory) else { return vec![] };
    let named = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|name| matches(part, name)));
    named.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_run_of_characters() {
        for (pattern, name) in [("lib*", "lib"), ("lib*", "lib64"), ("libclang-*.so*", "libclang-14.so.1"), ("*", "")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("lib", "lib64"), ("libclang.so.*", "libclang.so"), ("*.dylib", "libclang.so")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_stands_for_directories_that_exist() {
        assert!(directories("/no-such-directory-*/lib").is_empty());
        if cfg!(unix) {
            assert_eq!(directories("/"), [PathBuf::from("/")]);
        }
    }
}

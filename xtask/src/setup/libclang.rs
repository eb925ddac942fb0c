//! libclang, searched in the order in which bindgen searches it.
//!
//! A library alone does not do: without clang's own headers (`stddef.h` and others) bindgen fails on the first include.
//! Debian's `libclang1` and the Python wheel are such libraries.

use std::env;
use std::path::{Path, PathBuf};

use super::wildcard;
use crate::cargo::answer;

#[cfg(target_os = "macos")]
const DIRECTORIES: &[&str] = &[
    "/usr/local/opt/llvm*/lib/llvm*/lib",
    "/Library/Developer/CommandLineTools/usr/lib",
    "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
    "/usr/local/opt/llvm*/lib",
];
#[cfg(not(target_os = "macos"))]
const DIRECTORIES: &[&str] = &[
    "/usr/local/llvm*/lib*",
    "/usr/local/lib*/*/*",
    "/usr/local/lib*/*",
    "/usr/local/lib*",
    "/usr/lib*/*/*",
    "/usr/lib*/*",
    "/usr/lib*",
];

/// Where clang's headers lie, seen from the directory of the library. The last is Debian's.
const HEADERS_FROM_LIBRARY: [&str; 5] = [
    "clang/*/include",
    "../lib/clang/*/include",
    "../lib64/clang/*/include",
    "../clang/*/include",
    "../llvm-*/lib/clang/*/include",
];

/// The library's path, or what is wrong.
pub(crate) fn check() -> Result<String, String> {
    if cfg!(windows) {
        return on_windows();
    }
    let libraries = libraries();
    let Some(library) = libraries.first() else {
        return Err(match env::var("LIBCLANG_PATH") {
            Ok(path) => format!("LIBCLANG_PATH is `{path}`, and no libclang is there (correct it, or unset it)"),
            Err(_) => "no libclang found".to_owned(),
        });
    };
    let with_headers = libraries.iter().find(|library| has_headers(library));
    if let Some(library) = with_headers {
        return Ok(library.display().to_string());
    }
    if clang_has_headers() || extra_arguments_have_headers() {
        return Ok(library.display().to_string());
    }
    Err(format!("{} is there, but not clang's own headers (stddef.h)", library.display()))
}

/// Every libclang that bindgen would consider.
fn libraries() -> Vec<PathBuf> {
    if let Some(path) = env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        let is_library = path.file_name().and_then(|name| name.to_str()).is_some_and(is_libclang);
        return if is_library && path.is_file() { vec![path] } else { in_directory(&path) };
    }
    let mut directories = Vec::new();
    let llvm_config = env::var("LLVM_CONFIG_PATH").unwrap_or_else(|_| "llvm-config".to_owned());
    if let Some(prefix) = answer(llvm_config, &["--prefix"]) {
        directories.extend(["bin", "lib", "lib64"].map(|part| Path::new(&prefix).join(part)));
    }
    if cfg!(target_os = "macos")
        && let Some(developer) = answer("xcode-select", &["--print-path"])
    {
        directories.push(Path::new(&developer).join("Toolchains/XcodeDefault.xctoolchain/usr/lib"));
    }
    for variable in ["LD_LIBRARY_PATH", "LIBRARY_PATH"] {
        directories.extend(env::var_os(variable).iter().flat_map(env::split_paths));
    }
    directories.extend(DIRECTORIES.iter().flat_map(|pattern| wildcard::directories(pattern)));
    directories.iter().flat_map(|directory| in_directory(directory)).collect()
}

fn in_directory(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else { return vec![] };
    let named = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_libclang));
    // `is_file` follows links: a dangling one is no library.
    named.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// The C interface of clang, and not `libclang-cpp`, its C++ interface.
fn is_libclang(name: &str) -> bool {
    let patterns: &[&str] = if cfg!(target_os = "macos") {
        &["libclang.dylib"]
    } else {
        &["libclang.so", "libclang-*.so", "libclang.so.*", "libclang-*.so.*"]
    };
    !name.contains("-cpp.") && patterns.iter().any(|pattern| wildcard::matches(pattern, name))
}

fn has_headers(library: &Path) -> bool {
    let Some(directory) = library.parent().and_then(|directory| directory.canonicalize().ok()) else { return false };
    let Some(directory) = directory.to_str() else { return false };
    HEADERS_FROM_LIBRARY.iter().any(|from| {
        let (parents, below) = match from.strip_prefix("../") {
            Some(below) => (Path::new(directory).parent().and_then(Path::to_str).unwrap_or("/"), below),
            None => (directory, *from),
        };
        wildcard::directories(&format!("{parents}/{below}")).iter().any(|include| include.join("stddef.h").is_file())
    })
}

/// Bindgen asks a `clang` program for its include directories, where there is one.
fn clang_has_headers() -> bool {
    let program = env::var("CLANG_PATH").unwrap_or_else(|_| "clang".to_owned());
    answer(program, &["-print-resource-dir"])
        .is_some_and(|directory| Path::new(&directory).join("include/stddef.h").is_file())
}

/// The way out for a library without headers: those of another compiler, given by hand.
fn extra_arguments_have_headers() -> bool {
    let arguments = env::var("BINDGEN_EXTRA_CLANG_ARGS").unwrap_or_default();
    arguments.split_whitespace().any(|word| {
        let directory = word.trim_start_matches("-isystem").trim_start_matches("-I").trim_matches(['"', '\'']);
        !directory.is_empty() && Path::new(directory).join("stddef.h").is_file()
    })
}

fn on_windows() -> Result<String, String> {
    let given = env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let usual = [r"C:\Program Files\LLVM\bin", r"C:\LLVM\bin"].map(PathBuf::from);
    let directories = given.clone().map_or_else(|| usual.to_vec(), |path| vec![path]);
    let library = directories.iter().map(|directory| directory.join("libclang.dll")).find(|path| path.is_file());
    library
        .map(|path| path.display().to_string())
        .ok_or_else(|| "no libclang.dll found (LIBCLANG_PATH names its folder)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn the_c_interface_is_told_from_the_c_plus_plus_interface() {
        for name in ["libclang.so", "libclang-14.so", "libclang.so.1", "libclang-14.so.14.0.6"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclangAST.a", "libclang.a", "libclang-cpp.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}

//! `cargo xtask notices` writes what the packages say of the code of others inside the native library: a bill of
//! materials in CycloneDX's format, and a text with the licences.
//!
//! cargo says which crates are linked, and each crate's package has its licences. What is inside crates and comes from
//! elsewhere (llama.cpp, ggml and what they bring) stands here. Both files are the same for every build of a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// The systems that the packages have a library for.
const TARGETS: [&str; 9] = [
    "aarch64-linux-android",
    "armv7-linux-androideabi",
    "x86_64-linux-android",
    "aarch64-apple-ios",
    "aarch64-apple-ios-sim",
    "x86_64-apple-ios",
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-gnu",
];

/// The two files, in a folder that Maven, Gradle and the release of the Swift package take as it is.
const FOLDER: &str = "target/notices";
const BILL: &str = "uhlm-native.cdx.json";
const TEXTS: &str = "THIRD-PARTY-NOTICES.txt";

/// The crates of the generator of bindings: a library that is built with the whole workspace, as tests have it, holds
/// them and what they depend on. No package does.
const GENERATOR: [&str; 2] = ["uniffi_bindgen", "clap"];

/// Writes both files, and fails where a library that was built holds a crate that they do not name.
pub(crate) fn run(libraries: &[PathBuf]) -> Result<()> {
    let lock = fs::read_to_string(cargo::root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let linked = linked("uhlm-ffi")?;
    let mut known: BTreeSet<String> = linked.iter().map(Crate::folder).collect();
    known.extend(below(&GENERATOR, &lock));
    let folder = write(linked, &checksums(&lock))?;
    for library in libraries {
        check(library, &known)?;
    }
    println!("{}", folder.display());
    Ok(())
}

/// Writes both files, and returns their folder.
fn write(linked: BTreeSet<Crate>, checksums: &BTreeMap<String, String>) -> Result<PathBuf> {
    let folder = cargo::root().join(FOLDER);
    let mut components = Vec::new();
    for linked in linked {
        if linked.name == "llama-cpp-sys-2" {
            components.extend(inside_llama(&package(&linked)?)?);
        }
        components.push(linked.component(checksums)?);
    }
    components.push(standard_library()?);
    components.sort_by_key(|component| (component.name.to_lowercase(), component.version.clone()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for (name, text) in [(BILL, bill(&components)), (TEXTS, texts(&components))] {
        let path = folder.join(name);
        // Maven packs again what has another time.
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(folder)
}

/// A crate that is linked, as cargo tells of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    repository: String,
    /// True for a crate of this repository.
    is_ours: bool,
}

/// What a bill of materials lists.
struct Component {
    name: String,
    version: String,
    /// An SPDX expression.
    licence: String,
    repository: String,
    /// The package URL; empty for what is in no registry.
    purl: String,
    /// SHA-256 of the package in its registry, in hex; empty for what is in none.
    sha256: String,
    /// The licences' texts as the package has them.
    texts: Vec<String>,
}

/// Returns the crates that are linked into a package's library or program on any of the targets, without those that
/// only run while it is compiled.
fn linked(package: &str) -> Result<BTreeSet<Crate>> {
    let mut command = cargo::cargo(&["tree", "--locked", "--package", package, "--edges", "normal,no-proc-macro"]);
    command.args(["--prefix", "none", "--format", "{p}|{l}|{r}"]);
    for target in TARGETS {
        command.args(["--target", target]);
    }
    let output = command.output().context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    // An empty line stands between two targets.
    String::from_utf8(output.stdout)?.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

/// Parses a line of cargo's tree: `name v1.2.3 (/path/if/ours)|MIT/Apache-2.0|https://repository`.
fn parse(line: &str) -> Result<Crate> {
    // A crate that was told before has a star behind it.
    let line = line.strip_suffix(" (*)").unwrap_or(line);
    let mut fields = line.splitn(3, '|');
    let (Some(package), Some(licence), Some(repository)) = (fields.next(), fields.next(), fields.next()) else {
        bail!("cargo tree says `{line}`");
    };
    let mut words = package.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = version.strip_prefix('v').with_context(|| format!("cargo tree says `{line}`"))?;
    ensure!(!licence.is_empty(), "{name} {version} names no licence");
    Ok(Crate {
        name: name.to_owned(),
        version: version.to_owned(),
        // Older packages have a stroke where SPDX has a word.
        licence: licence.replace(" / ", " OR ").replace('/', " OR "),
        repository: repository.to_owned(),
        is_ours: words.next().is_some_and(|source| source.starts_with("(/")),
    })
}

impl Crate {
    /// Returns the name of the crate's folder in cargo's registry.
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    fn component(self, checksums: &BTreeMap<String, String>) -> Result<Component> {
        let source = if self.is_ours { cargo::root() } else { package(&self)? };
        Ok(Component {
            sha256: checksums.get(&self.folder()).cloned().unwrap_or_default(),
            // What Cargo.toml says of a repository is ours to say for the crates that lie in this one.
            purl: if self.is_ours { String::new() } else { format!("pkg:cargo/{}@{}", self.name, self.version) },
            texts: licences(&source)?,
            name: self.name,
            version: self.version,
            licence: self.licence,
            repository: self.repository,
        })
    }
}

/// Returns the folder into which cargo has unpacked a crate.
fn package(linked: &Crate) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder")?;
    let registries = home.join("registry/src");
    let entries = fs::read_dir(&registries).with_context(|| format!("reading {}", registries.display()))?;
    let mut folders = entries.flatten().map(|registry| registry.path().join(linked.folder()));
    folders.find(|folder| folder.is_dir()).with_context(|| {
        format!("{} is not unpacked in {}: `cargo fetch` does that", linked.folder(), registries.display())
    })
}

/// Returns the texts of the licences and notices that lie at the top of a package.
fn licences(package: &Path) -> Result<Vec<String>> {
    const NAMES: [&str; 6] = ["licence", "license", "copying", "copyright", "notice", "unlicense"];
    let entries = fs::read_dir(package).with_context(|| format!("reading {}", package.display()))?;
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        path.is_file() && NAMES.iter().any(|start| name.starts_with(start))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    files.iter().map(|file| text(file)).collect()
}

fn text(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim().to_owned())
}

/// Returns what is inside llama.cpp's crate and has a name of its own. Of the libraries that its package brings, none
/// that it has in `vendor` is linked.
fn inside_llama(package: &Path) -> Result<Vec<Component>> {
    let llama = package.join("llama.cpp");
    let of = format!("as in {}", package.file_name().unwrap_or_default().to_string_lossy());
    let component = |name: &str, repository: &str, texts| Component {
        name: name.to_owned(),
        version: of.clone(),
        licence: "MIT".to_owned(),
        repository: repository.to_owned(),
        purl: String::new(),
        sha256: String::new(),
        texts,
    };
    // The licence of this file is in its first comment.
    let tiny_blas = text(&llama.join("ggml/src/ggml-cpu/llamafile/sgemm.cpp"))?;
    let comment = tiny_blas.lines().take_while(|line| line.starts_with("//"));
    let comment: Vec<&str> = comment.map(|line| line.trim_start_matches('/').trim()).collect();
    ensure!(comment.iter().any(|line| line.contains("Copyright")), "sgemm.cpp does not begin with its licence");
    Ok(vec![
        component("llama.cpp", "https://github.com/ggml-org/llama.cpp", licences(&llama)?),
        component("ggml", "https://github.com/ggml-org/ggml", licences(&llama)?),
        component("tinyBLAS", "https://github.com/mozilla-ai/llamafile", vec![comment.join("\n")]),
    ])
}

/// Returns the library of the Rust language, which every crate is linked with. Its licences are among the crates' own.
fn standard_library() -> Result<Component> {
    let output = std::process::Command::new("rustc").arg("--version").output().context("starting rustc")?;
    let said = String::from_utf8(output.stdout)?;
    let version = said.split(' ').nth(1).context("rustc tells no version")?;
    Ok(Component {
        name: "Rust standard library".to_owned(),
        version: version.to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        repository: "https://github.com/rust-lang/rust".to_owned(),
        purl: String::new(),
        sha256: String::new(),
        texts: vec!["Copyright (c) The Rust Project Contributors".to_owned()],
    })
}

/// Returns the packages of Cargo.lock, each as its text.
fn packages(lock: &str) -> impl Iterator<Item = &str> {
    lock.split("[[package]]").skip(1)
}

/// Returns a field of a package in Cargo.lock.
fn field<'a>(package: &'a str, name: &str) -> Option<&'a str> {
    let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
    line.strip_suffix('"')
}

/// Returns the checksums in Cargo.lock, by the names of the packages' folders.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let of = |package| {
        let folder = format!("{}-{}", field(package, "name")?, field(package, "version")?);
        Some((folder, field(package, "checksum")?.to_owned()))
    };
    packages(lock).filter_map(of).collect()
}

/// Returns the folders' names of some packages of Cargo.lock and of all that they may depend on.
fn below(names: &[&str], lock: &str) -> BTreeSet<String> {
    let mut wanted: Vec<&str> = names.to_vec();
    let mut found = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        for package in packages(lock).filter(|package| field(package, "name") == Some(name)) {
            if found.insert(format!("{name}-{}", field(package, "version").unwrap_or_default())) {
                let dependencies = package.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","));
                // A version stands behind a name that there are several of: all of them are taken.
                wanted.extend(dependencies.filter_map(|dependency| dependency.split(' ').next()));
            }
        }
    }
    found
}

/// Writes the bill of materials as CycloneDX has it.
fn bill(components: &[Component]) -> String {
    let mut text = String::from(concat!(
        "{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.6\",\n  \"version\": 1,\n",
        "  \"metadata\": {\"component\": {\"type\": \"library\", \"name\": \"uhlm-ffi\", \"version\": ",
    ));
    let _ = write!(text, "{}}}}},\n  \"components\": [", quoted(env!("CARGO_PKG_VERSION")));
    for (place, component) in components.iter().filter(|component| component.name != "uhlm-ffi").enumerate() {
        let Component { name, version, licence, repository, purl, sha256, .. } = component;
        let comma = if place == 0 { "" } else { "," };
        let (name, version) = (quoted(name), quoted(version));
        let _ = write!(text, "{comma}\n    {{\"type\": \"library\", \"name\": {name}, \"version\": {version}");
        let _ = write!(text, ", \"licenses\": [{{\"expression\": {}}}]", quoted(licence));
        if !purl.is_empty() {
            let _ = write!(text, ", \"bom-ref\": {0}, \"purl\": {0}", quoted(purl));
        }
        if !sha256.is_empty() {
            let _ = write!(text, ", \"hashes\": [{{\"alg\": \"SHA-256\", \"content\": {}}}]", quoted(sha256));
        }
        if !repository.is_empty() {
            let url = quoted(repository);
            let _ = write!(text, ", \"externalReferences\": [{{\"type\": \"vcs\", \"url\": {url}}}]");
        }
        text.push('}');
    }
    text.push_str("\n  ]\n}\n");
    text
}

/// Returns a text as JSON has it.
fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// Writes the list of what is inside, and then each licence's text once, with the names of those that have it.
fn texts(components: &[Component]) -> String {
    let mut written = String::from(concat!(
        "The native library of U-HLM holds code of others. This file lists it, with the licences under which it may\n",
        "be used as SPDX names them, and then has the texts that came with it. Where a licence asks that its source\n",
        "can be had (MPL-2.0), it can be had unchanged at the address beside its name.\n\n",
    ));
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for component in components {
        let Component { name, version, licence, repository, texts, .. } = component;
        let _ = writeln!(written, "{name} {version}: {licence} {repository}");
        for text in texts {
            owners.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    for (text, names) in owners {
        let _ = write!(written, "\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "));
    }
    written
}

/// Fails where a library holds code of a crate that is not known. Its messages of panics name the files that they came
/// from, which lie in cargo's registry.
fn check(library: &Path, known: &BTreeSet<String>) -> Result<()> {
    let bytes = fs::read(library).with_context(|| format!("reading {}", library.display()))?;
    let inside = crates_inside(&bytes);
    ensure!(!inside.is_empty(), "{} names no crate at all", library.display());
    let strangers: Vec<&str> = inside.difference(known).map(String::as_str).collect();
    ensure!(strangers.is_empty(), "{} holds {}, which no notice names", library.display(), strangers.join(", "));
    println!("{}: {} crates seen, all of them named", library.display(), inside.len());
    Ok(())
}

/// Returns the crates, by their folders' names, of whose files a library tells.
fn crates_inside(library: &[u8]) -> BTreeSet<String> {
    const BEFORE: &[u8] = b"registry/src/";
    let mut inside = BTreeSet::new();
    for start in memchr_all(library, BEFORE) {
        let rest = &library[start + BEFORE.len()..];
        let mut parts = rest.splitn(3, |byte| *byte == b'/');
        let (Some(index), Some(folder), Some(_)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let is_name = |part: &[u8]| {
            !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte))
        };
        // What stands behind a path in the library's data is no part of it.
        if is_name(index) && is_name(folder) {
            inside.insert(String::from_utf8_lossy(folder).into_owned());
        }
    }
    inside
}

/// Returns the places at which `wanted` begins.
fn memchr_all<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = wanted[0];
    (0..bytes.len()).filter(move |&at| bytes[at] == first && bytes[at..].starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_cargos_tree_is_a_crate() {
        let parsed = parse("base64 v0.22.1|MIT/Apache-2.0|https://example.org/base64 (*)").expect("it is one");
        assert_eq!((&*parsed.name, &*parsed.version, &*parsed.licence), ("base64", "0.22.1", "MIT OR Apache-2.0"));
        assert_eq!((&*parsed.repository, parsed.is_ours), ("https://example.org/base64", false));
        assert!(parse("uhlm-law v0.1.0 (/home/me/uhlm/uhlm-law)|MIT OR Apache-2.0|").expect("it is one").is_ours);
        assert!(parse("nameless v1.0.0||").is_err());
        assert!(parse("warning: something").is_err());
    }

    #[test]
    fn every_crate_that_is_named_is_in_the_lock_with_its_version() {
        let lock = fs::read_to_string(cargo::root().join("Cargo.lock")).expect("it is there");
        let linked = linked("uhlm-ffi").expect("cargo tells");
        let names: BTreeSet<&str> = linked.iter().map(|linked| &*linked.name).collect();
        for name in ["uhlm-ffi", "uhlm-core", "llama-cpp-sys-2", "llguidance", "rustls", "tokio", "uniffi_core"] {
            assert!(names.contains(name), "{name} is linked");
        }
        // Neither what runs while it is compiled, nor what only tests need.
        for name in ["bindgen", "cmake", "serde_derive", "uhlm-testing", "proptest"] {
            assert!(!names.contains(name), "{name} is not linked");
        }
        for Crate { name, version, .. } in &linked {
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        }
    }

    #[test]
    fn the_lock_has_checksums_and_dependencies() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        assert_eq!(checksums(lock), BTreeMap::from([("a-1.0.0".to_owned(), "ab".to_owned())]));
        assert_eq!(below(&["ours"], lock), BTreeSet::from(["a-1.0.0".to_owned(), "ours-0.1.0".to_owned()]));
    }

    #[test]
    fn a_library_that_holds_a_crate_without_a_notice_is_refused() {
        let library = b"\x00/root/.cargo/registry/src/index.crates.io-1f/a-1.0.0/src/lib.rs\x00\xffregistry/src/x\x00\
                        registry/src/index/b-2.0.0+c/src/m.rs\x00"
            .as_slice();
        assert_eq!(crates_inside(library), BTreeSet::from(["a-1.0.0".to_owned(), "b-2.0.0+c".to_owned()]));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("library");
        fs::write(&path, library).expect("it is written");
        let mut known = BTreeSet::from(["a-1.0.0".to_owned()]);
        let error = check(&path, &known).expect_err("b is not known");
        assert!(error.to_string().contains("b-2.0.0+c"), "{error}");
        known.insert("b-2.0.0+c".to_owned());
        assert!(check(&path, &known).is_ok());
        fs::write(&path, b"nothing").expect("it is written");
        assert!(check(&path, &known).is_err());
    }

    #[test]
    fn texts_are_written_once_with_everything_that_has_them() {
        let component = |name: &str, texts: &[&str]| Component {
            name: name.to_owned(),
            version: "1".to_owned(),
            licence: "MIT".to_owned(),
            repository: "https://example.org".to_owned(),
            purl: format!("pkg:cargo/{name}@1"),
            sha256: String::new(),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        };
        let components = [component("a", &["Be kind."]), component("b", &["Be kind.", "Be quiet."])];
        let written = texts(&components);
        assert_eq!(written.matches("Be kind.").count(), 1);
        assert!(written.contains("a 1, b 1\n\nBe kind.\n") && written.contains("b 1: MIT https://example.org\n"));
        assert!(bill(&components).contains(r#""bom-ref": "pkg:cargo/b@1", "purl": "pkg:cargo/b@1""#));
        assert_eq!(quoted("a\"\\\n"), r#""a\"\\\u000a""#);
    }
}

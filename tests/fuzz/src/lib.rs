//! Everything that reads bytes of strangers, each as a function of bytes that panics where a promise is broken.
//!
//! | who runs it | on what |
//! |---|---|
//! | the tests of this crate | the committed corpus, `tests/fuzz/corpus/TARGET/` |
//! | `cargo run -p uhlm-fuzz --bin fuzz` | the corpus, changed at random from a seed, on stable Rust |
//! | `cargo +nightly fuzz run TARGET --fuzz-dir tests/fuzz/libfuzzer` | the corpus, and what libFuzzer makes of it |
//!
//! A new target is a function in `targets/` and a row of [`TARGETS`]; its corpus is written by `fuzz --write-seeds`.

mod choices;
pub mod corpus;
pub mod mutation;
mod targets;

/// One way in which bytes of strangers are read.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of the target in commands, and of its folder in the corpus.
    pub name: &'static str,
    /// Reads the bytes, and panics where a promise is broken.
    pub run: fn(&[u8]),
    /// Makes the inputs that the corpus begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that random changes insert.
    pub words: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    targets::wire::BODIES,
    targets::wire::FRAMES,
    targets::device::TARGET,
    targets::verifier::TARGET,
    targets::text::TARGET,
    targets::tools::TARGET,
    targets::schema::TARGET,
    targets::calibration::TARGET,
    #[cfg(feature = "files")]
    targets::gguf::TARGET,
    #[cfg(feature = "files")]
    targets::load::TARGET,
    #[cfg(feature = "files")]
    targets::template::TARGET,
    #[cfg(feature = "files")]
    targets::store::TARGET,
    #[cfg(feature = "files")]
    targets::session::TARGET,
    #[cfg(feature = "files")]
    targets::config::TARGET,
];

/// Returns the target of a name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs a target by its name, for libFuzzer.
///
/// # Panics
/// Where the target does, and where there is none of that name.
pub fn run(name: &str, data: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("no target {name}"));
    (target.run)(data);
}

//! The public items of the crates that applications see, against a committed listing: growth is seen in review.
//!
//! After a change that is meant, `UHLM_WRITE_API=1 cargo test --workspace --test public_api` writes the listings anew.

mod listing;

use std::path::{Path, PathBuf};

/// Where the packages lie.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares what a crate makes public with its listing.
fn check(name: &str) {
    let found = listing::of(&root().join(name).join("src/lib.rs")).join("\n") + "\n";
    let path = root().join("tests/public-api").join(format!("{name}.txt"));
    if std::env::var_os("UHLM_WRITE_API").is_some() {
        std::fs::write(&path, &found).expect("a listing that can be written");
    }
    let known = std::fs::read_to_string(&path).expect("a listing");
    let (known, found): (Vec<&str>, Vec<&str>) = (known.lines().collect(), found.lines().collect());
    let gone: Vec<&&str> = known.iter().filter(|line| !found.contains(line)).collect();
    let added: Vec<&&str> = found.iter().filter(|line| !known.contains(line)).collect();
    assert!(
        known == found,
        "{name} makes other items public than tests/public-api/{name}.txt lists; more: {added:#?}, less: {gone:#?}. \
         If that is meant, run `UHLM_WRITE_API=1 cargo test --workspace --test public_api` and commit the listing."
    );
}

#[test]
fn uhlm_core_makes_public_what_its_listing_says() {
    check("uhlm-core");
}

#[test]
fn uhlm_ffi_makes_public_what_its_listing_says() {
    check("uhlm-ffi");
}

#[test]
fn a_listing_has_what_can_be_named_from_outside_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write(
        "lib.rs",
        "mod hidden; pub mod open; pub use std::fmt::Debug; pub use self::hidden::{Thing as Shown, Kind};
         pub(crate) fn inner() {} #[cfg(test)] pub mod tests {}",
    );
    write(
        "hidden.rs",
        "pub struct Thing { pub size: u8, secret: u8 } pub struct Unnamed;
         impl Thing { pub fn make() -> Self { todo!() } fn own(&self) {} pub(crate) const C: u8 = 1; }
         pub enum Kind { One, Two }",
    );
    write("open.rs", "pub trait Way { const N: u8; fn go(&self); } pub const LIMIT: u8 = 1; pub type Bytes = Vec<u8>;");
    let expected = [
        "enum Kind",
        "enum Kind::One",
        "enum Kind::Two",
        "mod open",
        "struct Shown",
        "struct Shown.size",
        "struct Shown::make",
        "use Debug",
        "open: const LIMIT",
        "open: trait Way",
        "open: trait Way::N",
        "open: trait Way::go",
        "open: type Bytes",
    ];
    assert_eq!(listing::of(&folder.path().join("lib.rs")), expected);
}

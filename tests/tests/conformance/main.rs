//! `tests/conformance.md` for Rust: the surface that Kotlin and Swift see, called from Rust, on the bundled pair and
//! real verifiers over HTTPS. The names are those of the list.

mod accounts;
mod cancelling;
mod downloads;
mod errors;
mod events;
mod keeping;
mod links;
mod offline;
mod seeds;
mod sessions;
mod structured;
mod support;
mod tokens;
mod tools;
mod wishes;

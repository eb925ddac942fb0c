//! Keeps the names of other libraries out of what the shared library shows: the structured output's library has an
//! interface for C that nobody asks for here, and two libraries in one app that both show it would clash.

#![allow(clippy::print_stdout, reason = "a build script speaks to Cargo so")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if ["linux", "android"].contains(&system.as_str()) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}

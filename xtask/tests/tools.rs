//! The scripts of `tools/` have tests of their own; this runs them with all others.

use std::process::Command;

#[test]
fn the_scripts_do_what_they_say() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/test.sh");
    assert!(Command::new(script).status().expect("bash").success(), "{script}");
}

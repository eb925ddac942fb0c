//! Where memory ends: bytes of strangers make no decoder ask for more than is there, and so end no process.
//!
//! An allocation that fails ends a Rust process, unless it was asked for by a `try_reserve`. Here every one fails that
//! comes to more than a megabyte beyond what was held before; the targets run in a child process each, whose end is
//! then seen. As in `memory`, it is Rust's own memory that is limited, and all of the process's.

use std::alloc::System;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};

use cap::Cap;
use uhlm_fuzz::{TARGETS, corpus, target};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Amount of memory that is left for an input, in bytes.
const LEFT: usize = 1 << 20;
/// Changed inputs of each target.
const CHANGED: usize = 300;
/// Variable that tells a child process which target it runs.
const CHILD: &str = "UHLM_FUZZ_SCARCE";
/// Name of no target, whose run asks for twice of what is left.
const GREEDY: &str = "greedy";

/// Runs what a child process is for; returns whether this is one.
fn is_child() -> bool {
    let Ok(name) = std::env::var(CHILD) else { return false };
    if name == GREEDY {
        scarcely(|| drop(black_box(Vec::<u8>::with_capacity(2 * LEFT))));
    } else {
        let target = target(&name).expect("a target");
        let inputs = corpus::with_changed(target, CHANGED).expect("a committed corpus");
        // What a target makes once, such as a model that it loads, is no input's.
        let _ = catch_unwind(|| (target.run)(&inputs[0]));
        inputs.iter().for_each(|input| scarcely(|| (target.run)(input)));
    }
    true
}

/// Runs something while memory is scarce.
fn scarcely(run: impl FnOnce()) {
    MEMORY.set_limit(MEMORY.allocated() + LEFT).expect("more than is held");
    // What an input breaks is the other tests' business.
    let _ = catch_unwind(AssertUnwindSafe(run));
    MEMORY.set_limit(usize::MAX).expect("as much as there is");
}

/// Runs a test of this file in a child process that is to run a target.
fn child(test: &str, name: &str) -> Output {
    let program = std::env::current_exe().expect("this program");
    Command::new(program).args(["--exact", test, "--nocapture"]).env(CHILD, name).output().expect("a process")
}

#[test]
fn no_decoder_ends_the_process_where_memory_ends_a_megabyte_further_on() {
    if is_child() {
        return;
    }
    for target in TARGETS {
        let ended = child("no_decoder_ends_the_process_where_memory_ends_a_megabyte_further_on", target.name);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {}, {said}", target.name, ended.status);
    }
}

#[test]
fn a_run_that_asks_for_two_megabytes_ends_its_process() {
    if is_child() {
        return;
    }
    let ended = child("a_run_that_asks_for_two_megabytes_ends_its_process", GREEDY);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("memory allocation"), "{}, {said}", ended.status);
}

//! How much memory bytes of strangers take: Rust ends the process where there is none, so nothing may ask for much.
//!
//! What is counted is Rust's own memory, that of the decoders and checks; llama.cpp, which reads a file only after
//! these checks, is not. One test, because the count is the process's.

#![allow(clippy::print_stdout, reason = "the figures are quoted in docs/security.md")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use peak_alloc::PeakAlloc;
use uhlm_fuzz::{TARGETS, corpus};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Changed inputs of each target.
const CHANGED: usize = 200;
/// Largest amount of memory that an input of some kilobytes may take, in bytes. The automata of a grammar take most. A
/// chat template may take more, as `docs/security.md` says, by doubling a text: none of these does.
const MOST: usize = 2 << 20;

/// Returns the greatest amount of memory that a run takes beyond what was taken before.
fn peak(run: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    // What an input breaks is the other tests' business.
    let _ = catch_unwind(AssertUnwindSafe(run));
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn no_bytes_of_strangers_take_more_than_two_megabytes() {
    for target in TARGETS {
        let inputs = corpus::with_changed(target, CHANGED).expect("a committed corpus");
        // What a target makes once, such as a model that it loads, is no input's.
        let _ = catch_unwind(|| (target.run)(&inputs[0]));
        let most = inputs.iter().map(|input| peak(|| (target.run)(input))).max().unwrap_or(0);
        println!("{:<12} {:>8} kB", target.name, most / 1000);
        assert!(most <= MOST, "{}: {most} bytes", target.name);
    }
}

//! Whole sessions under faults, in virtual time, each from a seed; `cargo xtask simulate` runs more of them.

#![allow(clippy::print_stdout, reason = "what was tried is worth reading")]

use uhlm_testing::bed::faults::Fault;
use uhlm_testing::bed::{self, Summary};

const HISTORIES: u64 = 300;

#[test]
fn whatever_happens_on_the_way_a_session_says_what_holds_and_writes_what_the_target_writes() {
    let mut sum = Summary::default();
    for seed in 0..HISTORIES {
        let summary = bed::history(seed).unwrap_or_else(|violation| {
            panic!("history {seed}: {violation}; `cargo xtask simulate --histories 1 --seed {seed}` replays it")
        });
        sum.add(&summary);
    }
    println!("{sum:?}");
    // What is never tried is not shown to hold.
    assert!(sum.faults.of(Fault::Cancel) > 0 && sum.faults.kinds() >= 17, "{}", sum.faults);
    assert!(sum.targets_own * 4 > sum.generations && sum.unverified > 0 && sum.cancelled > 0);
}

#[test]
fn a_history_is_the_same_each_time() {
    for seed in 0..20 {
        let run = || format!("{:?}", bed::history(seed));
        assert_eq!(run(), run(), "history {seed}");
    }
}

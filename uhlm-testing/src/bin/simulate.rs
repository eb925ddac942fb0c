//! Runs histories of whole sessions in the bed: `simulate HISTORIES [FIRST_SEED]`. Prints the faults on the way and the
//! speed; at a violation prints its seed, and fails.

#![allow(clippy::print_stdout, reason = "a command line program: its output is its job")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use uhlm_testing::bed::{self, Summary};

/// Runs `count` histories from the seed `first` on, on all cores, and prints violations. Returns the sum of those that
/// hold, their number, and whether one does not.
fn run(first: u64, count: u64) -> (Summary, u64, bool) {
    let (next, is_broken) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let (mut sum, mut done) = (Summary::default(), 0);
        while !is_broken.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                break;
            }
            let seed = first.wrapping_add(i);
            match bed::history(seed) {
                Ok(summary) => {
                    sum.add(&summary);
                    done += 1;
                }
                Err(violation) => {
                    is_broken.store(true, Ordering::Relaxed);
                    println!(
                        "history {seed}: {violation}\n`cargo xtask simulate --histories 1 --seed {seed}` replays it"
                    );
                }
            }
        }
        (sum, done)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut all = (Summary::default(), 0, is_broken.load(Ordering::Relaxed));
    for part in parts {
        match part {
            Ok((sum, done)) => {
                all.0.add(&sum);
                all.1 += done;
            }
            Err(_) => all.2 = true,
        }
    }
    all
}

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (count, first) = match (numbers.next(), numbers.next()) {
        (Some(Ok(count)), None) => (count, 0),
        (Some(Ok(count)), Some(Ok(first))) => (count, first),
        _ => {
            println!("usage: simulate HISTORIES [FIRST_SEED]");
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let (sum, done, is_broken) = run(first, count);
    let seconds = began.elapsed().as_secs_f64();
    let Summary { generations, targets_own, cancelled, offline, tokens, unverified, .. } = sum;
    println!(
        "whole sessions: {done} histories from seed {first} in {seconds:.1} s, {:.0} a second",
        done as f64 / seconds
    );
    println!(
        "{generations} replies: {targets_own} the target's own to the end, {cancelled} cancelled, {offline} without a \
         verifier"
    );
    println!(
        "{tokens} tokens, {unverified} of them unverified, in {:.0} virtual hours",
        sum.time.as_secs_f64() / 3600.0
    );
    println!("{}", sum.faults);
    if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

//! Downloads a large synthetic file, kills the process at random points, and compares what arrives in the end byte by
//! byte: `cargo run -p uhlm-tests --bin kill_download -- [MEGABYTES [KILLS [SEED]]]`, without arguments 1000, 10 and 1.
#![allow(clippy::print_stdout, reason = "a command")]

use std::process::ExitCode;

use uhlm_testing::killed;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "fetch"
    {
        return match killed::child(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                println!("{reason}");
                ExitCode::FAILURE
            }
        };
    }
    let number = |index: usize, default: u64| arguments.get(index).map_or(Ok(default), |text| text.parse());
    let (Ok(megabytes), Ok(kills), Ok(seed)) = (number(0, 1000), number(1, 10), number(2, 1)) else {
        println!("expected numbers: [MEGABYTES [KILLS [SEED]]]");
        return ExitCode::from(2);
    };
    let bytes = megabytes * 1_000_000;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    // A last stretch stays free, so that the process is still at it when the file has reached the point.
    let mut points: Vec<u64> = (0..kills).map(|_| (random() * 0.95 * bytes as f64) as u64 + 1).collect();
    points.sort_unstable();
    let exe = std::env::current_exe().expect("this program");
    let outcome = killed::run(&exe, bytes, &points, false);
    println!(
        "{} bytes, killed {} times, identical in the end, {:.1} s",
        outcome.bytes,
        kills,
        outcome.elapsed.as_secs_f64()
    );
    let mut again = 0;
    for (killed, next) in outcome.killed_at.iter().zip(outcome.asked_from.iter().skip(1)) {
        println!("killed with {killed:>12} bytes on the disk, resumed from {next:>12}");
        again += killed.saturating_sub(*next);
    }
    println!("loaded twice: {again} bytes ({:.1} %)", again as f64 / outcome.bytes as f64 * 100.0);
    ExitCode::SUCCESS
}

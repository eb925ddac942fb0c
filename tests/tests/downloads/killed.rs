//! A process that is killed in the middle of a download.

use std::path::Path;

use uhlm_testing::killed;

/// Eight MiB lie between two states, so the second and the third kill lose what came after one.
#[test]
fn a_download_killed_five_times_ends_byte_for_byte_the_same() {
    let points = [100_000, 700_000, 9_000_000, 16_900_000, 20_000_000];
    let outcome = killed::run(Path::new(env!("CARGO_BIN_EXE_kill_download")), 21_000_000, &points, true);
    assert_eq!(outcome.killed_at.len(), points.len());
    assert_eq!(outcome.asked_from.len(), points.len() + 1);
    // It really went on: the request after the third kill did not begin at the beginning.
    assert!(outcome.asked_from[3] >= 8 << 20, "{:?}", outcome.asked_from);
    assert!(outcome.asked_from.iter().zip(&outcome.killed_at).all(|(asked, killed)| asked <= killed));
}

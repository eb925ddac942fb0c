//! A header in which one bit is another.

use std::path::Path;

use uhlm_testing::flips::{self, Flips};
use uhlm_testing::pair;

/// Number of flips that are tried, evenly spread; `flip_header` tries every bit.
const TRIED: u64 = 2000;

#[test]
fn no_flipped_bit_of_a_header_ends_or_stops_the_process() {
    let model = pair::file("demo-draft.gguf");
    let bits = flips::bits(&model);
    let mut flips = Flips::default();
    // A step that is no multiple of 8 takes all bits of a byte in turn.
    let step = (bits / TRIED) | 1;
    flips::run(Path::new(env!("CARGO_BIN_EXE_flip_header")), &model, step, bits, &mut flips, &mut |_| ());
    assert!(flips.tried >= TRIED * 9 / 10, "{flips:?}");
    assert_eq!((&flips.aborts, &flips.hangs, &flips.panics), (&vec![], &vec![], &vec![]), "{flips:?}");
    // Some flips are harmless, to a name for example; others are errors.
    let loaded = flips.outcomes.get("loaded").copied().unwrap_or(0);
    assert!(loaded > 0 && loaded < flips.tried, "{flips:?}");
}

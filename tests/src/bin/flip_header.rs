//! Flips every bit of a model's header in child processes and counts how that ends:
//! `cargo run -p uhlm-tests --bin flip_header -- [MODEL [STATE [STEP]]]`, without arguments the bundled draft model and
//! all bits. With a state file the run can be stopped and goes on where it was.
#![allow(clippy::print_stdout, reason = "a command")]

use std::path::PathBuf;
use std::process::ExitCode;

use uhlm_testing::flips::{self, Flips};
use uhlm_testing::pair;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "child"
    {
        flips::child(rest);
        return ExitCode::SUCCESS;
    }
    let model = arguments.first().map_or_else(|| pair::file("demo-draft.gguf"), PathBuf::from);
    let state = arguments.get(1).map(PathBuf::from);
    let step = arguments.get(2).map_or(1, |step| step.parse().expect("a number"));
    let end = flips::bits(&model);
    let read = state.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let mut flips: Flips = read.map_or_else(Flips::default, |text| serde_json::from_str(&text).expect("a state file"));
    let save = |flips: &Flips| {
        if let Some(path) = &state {
            let text = serde_json::to_string(flips).expect("numbers");
            std::fs::write(path, text).expect("a state file");
        }
    };
    let exe = std::env::current_exe().expect("this program");
    flips::run(&exe, &model, step, end, &mut flips, &mut |flips| save(flips));
    println!("{} of {end} bits flipped; at most {} MiB taken", flips.tried, flips.peak_kib >> 10);
    for (outcome, count) in &flips.outcomes {
        println!("{count:>8} {outcome}");
    }
    for (name, flips) in [("aborts", &flips.aborts), ("hangs", &flips.hangs), ("panics", &flips.panics)] {
        println!("{:>8} {name} {flips:?}", flips.len());
    }
    if flips.aborts.is_empty() && flips.hangs.is_empty() && flips.panics.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

//! `cargo xtask paper`: every number and plot of `docs/results.md`.

use std::time::Instant;

use anyhow::Result;

use crate::{cargo, setup, table};

/// A pair of models with the section of the document that it fills.
struct Pair {
    section: &'static str,
    /// Files and prompts where they are not the demo pair's.
    args: &'static [&'static str],
}

const PAIRS: [Pair; 2] = [
    Pair { section: "demo", args: &[] },
    Pair {
        section: "prose",
        args: &[
            "--model",
            "models/prose-draft.gguf",
            "--target",
            "models/prose-target.gguf",
            "--calibration-prompts",
            "models/data/prose_calibration.jsonl",
        ],
    },
];
const DOCUMENT: &str = "docs/results.md";

/// Evaluates both pairs and writes the document's sections and plots; with `quick`, small samples and only the table on
/// the terminal.
pub(crate) fn run(quick: bool) -> Result<()> {
    setup::ensure(setup::Sudo { may_ask: false })?;
    let began = Instant::now();
    for pair in PAIRS {
        if let Some(missing) = pair.args.iter().find(|arg| arg.ends_with(".gguf") && !cargo::root().join(arg).is_file())
        {
            println!("no {missing}: section {} is left as it is", pair.section);
            continue;
        }
        println!("\n{}", pair.section);
        let how: &[&str] =
            if quick { &["--quick"] } else { &["--full", "--document", DOCUMENT, "--section", pair.section] };
        let mut command = cargo::cargo(&["run", "--package", "uhlm-cli", "--", "eval"]);
        cargo::run(command.args(how).args(pair.args))?;
    }
    println!("\n{} seconds", table::seconds(began.elapsed()));
    Ok(())
}

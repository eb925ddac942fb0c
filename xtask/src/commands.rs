//! The commands that only run one thing: a program of the workspace, or a script.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::bindings::{self, Language};
use crate::{cargo, llama_builds, setup, table};

/// Sets up, builds and runs the demo with `args`.
pub(crate) fn demo(args: &[String]) -> Result<()> {
    setup::ensure()?;
    if llama_builds::newest()?.is_none() {
        eprintln!("The first build compiles llama.cpp: about 6 to 10 minutes on two cores. Later ones take seconds.");
    }
    // This uses the dev profile, which is optimised in this workspace and which the tests use: llama.cpp is compiled
    // once for both.
    cargo::run(cargo::cargo(&["run", "--package", "uhlm-cli", "--", "demo"]).args(args))
}

/// Sets up and runs every bench target of the workspace with `args`, in the release profile because that is what ships.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    setup::ensure()?;
    eprintln!("Benchmarks use the release profile; its first build compiles llama.cpp again (about 10 minutes).");
    // This runs only bench targets: libtest's own harness, which libraries and programs have, does not know criterion's
    // options.
    cargo::run(cargo::cargo(&["bench", "--workspace", "--bench", "*", "--"]).args(args))
}

/// Builds the library and the drivers of all languages, and runs the program that measures them in turn.
pub(crate) fn bench_ffi() -> Result<()> {
    setup::ensure()?;
    let library = bindings::build()?;
    bindings::generate(Language::Kotlin, &library)?;
    bindings::generate(Language::Swift, &library)?;
    cargo::run(cargo::script("swift.sh").args(["build", "bindings/swift/bench"]))?;
    let kotlin = cargo::root().join("bindings/kotlin/uhlm/target");
    let mut maven = cargo::script("sandbox/maven.sh");
    cargo::run(maven.args(["--file", "bindings/kotlin", "--quiet", "process-test-classes"]))?;
    // Maven writes the class path of what the tests depend on into this file.
    let file = kotlin.join("test-classpath.txt");
    let dependencies = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let class_path = format!("{0}/classes:{0}/test-classes:{1}", kotlin.display(), dependencies.trim());
    let mut bench = Command::new(bindings::program("uhlm-bench-ffi")?);
    bench.arg(cargo::root().join("target/bindings"));
    bench.args(["--driver", "kotlin", "java", "-cp", &class_path]);
    bench.arg(format!("-Duniffi.component.uhlm_ffi.libraryOverride={}", library.display()));
    bench.arg("dev.uhlm.bench.BenchKt").args(["--driver", "swift"]);
    bench.arg(cargo::root().join("tools/sandbox/swift.sh"));
    cargo::run(bench.arg(cargo::root().join("target/swift/bench/release/uhlm-bench")))
}

/// Builds the XCFramework or, with `dry_run`, prints the commands for that; the script knows them.
pub(crate) fn ios(dry_run: bool) -> Result<()> {
    let mut script = cargo::script("xcframework.sh");
    if dry_run {
        script.arg("--dry-run");
    }
    // The command is not echoed: the dry run prints commands, and nothing but commands.
    if script.status()?.success() { Ok(()) } else { bail!("no XCFramework was made") }
}

/// Type-checks for phones everything that goes into an app's library; the script knows how.
pub(crate) fn phone_targets() -> Result<()> {
    // Within CI it is built already, with more features than one package alone would have.
    if llama_builds::newest()?.is_none() {
        cargo::run(&mut cargo::cargo(&["build", "--package", "uhlm-llama", "--locked"]))?;
    }
    let bindings = llama_builds::newest()?.context("llama.cpp's bindings were not generated")?.join("out");
    cargo::run(cargo::script("phone-targets.sh").arg(bindings))
}

/// Runs so many histories under faults on each of two levels, from the seed `first` on: the two sides of `uhlm_law` on
/// a model of three tokens, where each step is a choice of its own, then whole sessions on a synthetic pair. A history
/// that fails is printed with its seed, and fails the command.
pub(crate) fn simulate(histories: u64, first: u64) -> Result<()> {
    const LAW: &str = "every_history_ends_with_the_targets_own_text";
    cargo::run(&mut cargo::cargo(&["test", "--package", "uhlm-law", "--lib", "--no-run"]))?;
    let mut law = cargo::cargo(&["test", "--package", "uhlm-law", "--lib", "--", "--nocapture", LAW]);
    law.env("UHLM_HISTORIES", histories.to_string()).env("UHLM_FIRST_HISTORY", first.to_string());
    let began = Instant::now();
    cargo::run(&mut law)?;
    println!("the law: {histories} histories, {:.0} a second", histories as f64 / began.elapsed().as_secs_f64());
    let (histories, first) = (histories.to_string(), first.to_string());
    cargo::run(&mut cargo::cargo(&["run", "--package", "uhlm-testing", "--bin", "simulate", "--", &histories, &first]))
}

/// The pairs of models: the section of `docs/results.md` that each fills, and the arguments that name its files where
/// they are not the demo pair's.
const PAIRS: [(&str, &[&str]); 2] = [
    ("demo", &[]),
    (
        "prose",
        &[
            "--model",
            "models/prose-draft.gguf",
            "--target",
            "models/prose-target.gguf",
            "--calibration-prompts",
            "models/data/prose_calibration.jsonl",
        ],
    ),
];

/// Evaluates both pairs and writes the document's sections and plots; with `quick`, evaluates small samples and only
/// prints the table.
pub(crate) fn paper(quick: bool) -> Result<()> {
    setup::ensure()?;
    let began = Instant::now();
    for (section, args) in PAIRS {
        if let Some(missing) = args.iter().find(|arg| arg.ends_with(".gguf") && !cargo::root().join(arg).is_file()) {
            println!("no {missing}: section {section} is left as it is");
            continue;
        }
        println!("\n{section}");
        let full = ["--full", "--document", "docs/results.md", "--section", section];
        let mut command = cargo::cargo(&["run", "--package", "uhlm-cli", "--", "eval"]);
        cargo::run(command.args(if quick { &["--quick"] } else { &full[..] }).args(args))?;
    }
    println!("\n{} seconds", table::seconds(began.elapsed()));
    Ok(())
}

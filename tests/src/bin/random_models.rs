//! Writes models of the llama architecture with random weights, of the sizes that `uhlm bench memory` is tested with:
//! `cargo run -p uhlm-tests --bin random_models -- FOLDER`.
#![allow(clippy::print_stdout, reason = "a command")]

use std::path::Path;
use std::process::ExitCode;

use uhlm_testing::gguf::{Kind, RandomModel};

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        println!("expected a folder");
        return ExitCode::from(2);
    };
    let small = RandomModel {
        layers: 12,
        width: 512,
        heads: 8,
        kv_heads: 4,
        feed_forward: 1536,
        vocabulary: 32_000,
        context: 8192,
        kind: Kind::F16,
        tied: false,
    };
    let models = [
        ("f16-32k", small.clone()),
        // The sizes of SmolLM2 135M, with 8-bit matrices.
        (
            "q8-49k",
            RandomModel {
                layers: 30,
                width: 576,
                heads: 9,
                kv_heads: 3,
                feed_forward: 1536,
                vocabulary: 49_152,
                kind: Kind::Q8,
                tied: true,
                ..small.clone()
            },
        ),
        ("q4-32k", RandomModel { width: 1024, heads: 16, feed_forward: 2816, kind: Kind::Q4, ..small.clone() }),
        // The vocabulary of Qwen3.
        ("q8-152k", RandomModel { width: 768, heads: 12, vocabulary: 151_936, kind: Kind::Q8, tied: true, ..small }),
    ];
    for (name, model) in models {
        let path = Path::new(&folder).join(format!("{name}.gguf"));
        if let Err(error) = model.write(&path) {
            println!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}

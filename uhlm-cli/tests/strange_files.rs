//! Files that no converter writes: the message that the program prints, and its exit status.

use std::path::Path;
use std::process::Command;

use uhlm_testing::gguf::Value;
use uhlm_testing::gguf_edit::GgufEdit;

/// The exit code, what was printed and what was said beside it; no code if a signal ended the program.
fn info(file: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uhlm"));
    let output = command.arg("info").arg(file).env_remove("RUST_LOG").output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_file_that_cannot_be_run_ends_the_program_with_1_and_a_sentence() {
    let demo = GgufEdit::demo;
    let number = |key: &str, value| demo().with(key, &Value::U32(value));
    let text = |key: &str, value: &str| demo().with(key, &Value::Text(value.into()));
    let named = |one: &str, other: &str| {
        demo().tokens(|tokens| (tokens[900], tokens[901]) = (one.to_owned(), other.to_owned()))
    };
    let files = [
        (number("llama.block_count", 0), "it has 0 layers"),
        (number("llama.block_count", 65_535), "it has 65535 layers"),
        (text("llama.rope.scaling.type", "dynamic"), "its rope scaling is \"dynamic\""),
        (number("llama.expert_used_count", 2), "it uses 2 of 0 experts"),
        (text("tokenizer.ggml.model", "no_vocab"), "it has no vocabulary, only weights"),
        (text("tokenizer.ggml.model", "llama"), "its vocabulary has no tokens for the bytes"),
        (named("", "[EMPTY_900]"), "two tokens have the text \"[EMPTY_900]\""),
        (named("same", "same"), "two tokens have the text \"same\""),
        (demo().with("llama.attention.causal", &Value::Bool(false)), "its attention is not causal"),
        (number("llama.pooling_type", 1), "it is an embedding model"),
        (demo().architecture("bert"), "it is an encoder"),
    ];
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("strange.gguf");
    for (edit, reason) in files {
        edit.write(&path);
        let (code, printed, said) = info(&path);
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{reason}: {said}");
        assert!(said.contains(reason) && !said.contains("download"), "{reason}: {said}");
    }
}

#[test]
fn what_loads_is_described() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("model.gguf");
    GgufEdit::demo().with("llama.context_length", &Value::U32(1 << 20)).write(&path);
    let (code, printed, said) = info(&path);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("4096 tokens, trained for 1048576") && !printed.contains("not tried"), "{printed}");
    GgufEdit::demo().architecture("mistral3").write(&path);
    let (code, printed, said) = info(&path);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("mistral3 (not tried"), "{printed}");
}

#[test]
fn a_prompt_that_is_one_long_word_is_too_long_and_no_crash() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("model.gguf");
    GgufEdit::demo().with("tokenizer.ggml.pre", &Value::Text("gpt-4o".into())).write(&path);
    let prompt = folder.path().join("prompt.txt");
    for (length, reason) in [(20_000, "the context holds 1024"), (140_000, "131072 can be split")] {
        // Longer than an argument may be, so it comes by stdin.
        std::fs::write(&prompt, "x".repeat(length)).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_uhlm"));
        command.args(["generate", "--mode", "device-only", "--raw", "--model"]).arg(&path).arg("-");
        let output = command.stdin(std::fs::File::open(&prompt).expect("written")).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

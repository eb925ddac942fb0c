//! A model file whose name would command the terminal.

use std::path::PathBuf;

use crate::support::{draft, program, run, uhlm};

/// A text that no terminal may be sent: it sets the title, clears the screen, hides text, reverses it.
const HOSTILE: &str = "\x1b]0;x\x07\x1b[2J\u{9b}8m\u{202e}\x7f";

/// The demo draft under a hostile name.
fn model(folder: &tempfile::TempDir) -> PathBuf {
    let mut bytes = std::fs::read(draft()).expect("bundled");
    let key = b"general.name";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("it has a name") + key.len() + 4;
    let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")) as usize;
    let name = (HOSTILE.len() as u64).to_le_bytes().into_iter().chain(HOSTILE.bytes());
    drop(bytes.splice(at..at + 8 + length, name));
    // What follows moves; the data begin at the next multiple of 32, so they move by as much as the header grows.
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, realigned(bytes, HOSTILE.len() as i64 - length as i64)).expect("written");
    path
}

/// Puts the data back to a multiple of 32 after the header has become `grown` bytes longer.
fn realigned(mut bytes: Vec<u8>, grown: i64) -> Vec<u8> {
    let whole = std::fs::metadata(draft()).expect("bundled").len() as i64;
    let header = uhlm_testing::split::header_bytes(&bytes).expect("a header");
    let old = (header as i64 - grown) as usize;
    let padding = old.next_multiple_of(32) - old;
    drop(bytes.splice(header..header + padding, vec![0; header.next_multiple_of(32) - header]));
    assert!(bytes.len() as i64 >= whole - 32);
    bytes
}

fn harmless(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}'))
}

#[test]
fn no_control_character_of_a_model_file_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = model(&folder);
    let path = path.to_str().expect("a path");
    let target = uhlm_testing::pair::file("demo-target.gguf");
    let target = target.to_str().expect("a path");
    for arguments in [
        vec!["doctor", "--model", path, "--target", target],
        vec!["doctor", "--model", path, "--target", target, "--json"],
        vec!["generate", "--model", path, "--mode", "device-only", "-n", "4", "--json", "Hi"],
        vec!["calibrate", "--model", path, "--target", "/nowhere\x1b[2J.gguf"],
    ] {
        let run = uhlm(&arguments);
        assert!(harmless(&run.all()), "{arguments:?}: {:?}", run.all());
        assert!(!run.all().contains("panicked"), "{run:?}");
    }
    let run = uhlm(&["generate", "--model", path, "--mode", "device-only", "-n", "4", "--json", "Hi"]);
    assert!(run.out.contains("\\u001b]0;x"), "the document has the name all the same: {}", run.out);
}

#[test]
fn a_log_does_not_carry_them_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = model(&folder);
    let mut command = program();
    command.args(["-vv", "generate", "--mode", "device-only", "-n", "2", "Hi", "--model"]).arg(&path);
    let run = run(command, "");
    assert_eq!(run.code, Some(0), "{run:?}");
    let bad = run.err.lines().find(|line| !harmless(line));
    assert!(bad.is_none(), "{bad:?}");
    assert!(run.err.contains("general.name"), "llama.cpp logs the name");
}

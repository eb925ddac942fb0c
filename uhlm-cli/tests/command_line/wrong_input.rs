//! Whatever a person types wrongly ends with one line that says so, and a hint where there is one; never with a panic.

use std::io::{BufRead as _, BufReader};

use crate::support::{draft, program, run, uhlm};

/// Every line: arguments, exit code, and what the error says.
#[test]
fn every_command_says_what_is_wrong_with_its_input() {
    let draft = draft();
    let draft = draft.to_str().expect("a path");
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.gguf");
    std::fs::write(&text, "no model at all").expect("written");
    let (folder, text) = (folder.path().to_str().expect("a path"), text.to_str().expect("a path"));
    let nobody = "https://127.0.0.1:9";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["chat", "--model", "/nowhere.gguf", "--mode", "device-only"], 1, "no file /nowhere.gguf"),
        (&["chat", "--model", folder, "--mode", "device-only"], 1, "in that folder"),
        (&["chat", "--model", text, "--mode", "device-only"], 1, "not a GGUF file"),
        (&["chat", "--model", draft], 2, "needs a target"),
        (&["chat", "--mode", "both"], 2, "expected exact"),
        (&["chat", "--offline", "later"], 2, "expected go-on"),
        (&["chat", "--goal", "nonsense"], 2, "--goal"),
        (&["chat", "--model", draft, "--calibration", "/nowhere.json", "--mode", "device-only"], 1, "/nowhere.json"),
        (&["chat", "--model", "smollm2-360m-q8", "--mode", "device-only"], 1, "uhlm models pull smollm2-360m-q8"),
        (&["serve", "--model", "smollm2-1.7b-q4"], 1, "uhlm models pull smollm2-1.7b-q4"),
        (&["generate", ""], 2, "the prompt is empty"),
        (&["generate", "  \n"], 2, "the prompt is empty"),
        (&["generate", "-"], 2, "the prompt is empty"),
        (&["generate", "--temperature", "-1", "x"], 2, "temperature"),
        (&["generate", "--top-p", "2", "x"], 2, "top_p"),
        (&["generate", "--max-tokens", "0", "x"], 2, "above 0"),
        (&["generate", "--model", draft, "--server", nobody, "--offline", "fail", "x"], 1, "out of reach"),
        (&["generate", "--server", "nowhere", "--model", draft, "x"], 2, "looks like https"),
        (&["serve", "--model", "/nowhere.gguf"], 1, "no file /nowhere.gguf"),
        (&["serve", "--model", folder], 1, "in that folder"),
        (&["serve", "--model", draft, "--token", "short"], 2, "16"),
        (&["calibrate", "--model", draft, "--target", draft, "--prompts", "/nowhere.txt"], 1, "/nowhere.txt"),
        (&["calibrate", "--model", draft, "--target", draft, "--prompts", folder], 1, folder),
        (&["doctor", "--model", "/nowhere.gguf"], 1, ""),
        (&["doctor", "--model", draft, "--server", nobody], 1, ""),
        (&["models", "rm", "nothing.gguf", "--folder", folder], 1, "no model nothing.gguf"),
        (&["models", "verify", "nothing.gguf", "--folder", folder], 1, "no model nothing.gguf"),
        (&["models", "pull", "nonsense", "--folder", folder], 2, "not a source"),
        (&["models", "pull", "demo", "--folder", folder], 2, "repository"),
        (&["models", "pull", "http://host/x.gguf", "--folder", folder], 2, "https"),
        (&["models", "pull", "https://127.0.0.1:9/download", "--folder", folder], 1, "--name"),
        (&["eval", "--model", draft], 2, "--target"),
        (&["loadtest", "--hostile", "kindness"], 2, "open-flood"),
        (&["loadtest", "--window", "0"], 2, "1 to 256"),
        (&["loadtest", "--sessions", "0"], 2, "needs a phone"),
        (&["loadtest", "--trace", "/nowhere.csv"], 1, "/nowhere.csv"),
        (&["loadtest", "--server", nobody, "--seconds", "1"], 1, "cannot be reached"),
        (&["capacity", "/nowhere.json"], 1, "/nowhere.json"),
        (&["capacity", text], 1, "no load test"),
        (&["bench", "device", "--model", "/nowhere.gguf"], 1, "/nowhere.gguf"),
    ];
    for (arguments, code, said) in cases {
        let run = uhlm(arguments);
        assert_eq!(run.code, Some(*code), "{arguments:?}: {run:?}");
        assert!(run.all().contains(said), "{arguments:?} does not say {said}: {run:?}");
        assert!(!run.all().contains("panicked"), "{arguments:?}: {run:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let cases: [&[&str]; 3] = [
        &["models", "ls", "--catalogue"],
        &["models", "ls", "--catalogue", "--json"],
        &["generate", "-n", "200", "Hi"],
    ];
    for arguments in cases {
        let mut child = program().args(arguments).spawn().expect("the program starts");
        let mut first = String::new();
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("piped"));
        stdout.read_line(&mut first).expect("a line");
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_closed_stderr_does_no_harm() {
    let mut command = program();
    command.args(["generate", "-n", "4", "Hi"]);
    let mut child = command.spawn().expect("the program starts");
    drop(child.stderr.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_piped_chat_takes_several_lines_and_slashes_as_messages() {
    let mut command = program();
    command.args(["chat", "-n", "6"]);
    let input = "/no/such/command\none\\\ntwo\n\"\"\"three\nfour\"\"\"\n/mode nonsense\n/quit\nnever read\n";
    let run = run(command, input);
    assert_eq!(run.code, Some(0), "{run:?}");
    // A line of numbers for each message that was answered.
    let answered = run.err.lines().filter(|line| line.contains("tokens, ")).count();
    assert_eq!(answered, 3, "{run:?}");
    assert!(run.err.contains("device-only or remote-only"), "{run:?}");
}

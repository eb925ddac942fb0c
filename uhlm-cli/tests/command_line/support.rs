//! Runs the program with nothing of the environment that could change what it does.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Everything that it wrote.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uhlm"));
    for name in ["UHLM_MODEL", "UHLM_SERVER", "UHLM_TOKEN", "UHLM_CA", "UHLM_STORE", "HF_TOKEN", "HF_ENDPOINT"] {
        command.env_remove(name);
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    // Nothing was pulled here.
    command.env("XDG_DATA_HOME", "/nowhere");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, with this on its stdin.
pub(crate) fn run(mut command: Command, stdin: &str) -> Run {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs it with these arguments.
pub(crate) fn uhlm(arguments: &[&str]) -> Run {
    let mut command = program();
    command.args(arguments);
    run(command, "")
}

pub(crate) fn draft() -> PathBuf {
    uhlm_testing::pair::file("demo-draft.gguf")
}

//! Nothing that the program prints has a token in it, nor, but for the reply itself, a word that was typed, however
//! much is logged: whole flows run with marked ones, and everything that came out is searched.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};

use uhlm_testing::file_server::{FileServer, Reply};
use uhlm_testing::secrets::{TOKEN, TYPED, WRONG_TOKEN as WRONG};

use crate::support::{Run, draft, program, run};

/// A server of the bundled target whose log goes into a file.
struct Served {
    child: Child,
    url: String,
    fingerprint: String,
    out: String,
    /// What it has still to say; a server whose output nobody takes any more ends.
    rest: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let log = folder.join("server.log");
        let mut command = program();
        command.args(["-vv", "serve", "--listen", "127.0.0.1:0", "--threads", "1", "--model"]);
        command.arg(uhlm_testing::pair::file("demo-target.gguf")).env("RUST_LOG", "trace").env("UHLM_TOKENS", TOKEN);
        let mut child = command.stderr(File::create(&log).expect("a log")).spawn().expect("the program starts");
        let mut out = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut field = |name: &str| loop {
            let line = lines.next().expect("the server says where it listens").expect("text");
            out.push_str(&line);
            if let Some(value) = line.strip_prefix(name) {
                return value.trim().to_owned();
            }
        };
        let (url, fingerprint) = (field("listening"), field("fingerprint"));
        Self { child, url, fingerprint, out, rest: lines, log }
    }

    /// Ends the server, and returns everything that it wrote.
    fn end(mut self) -> String {
        let process = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &process]).status().expect("kill");
        assert!(asked.success() && self.child.wait().expect("it ends").success());
        let rest: Vec<String> = self.rest.map(|line| line.expect("text")).collect();
        self.out + &rest.join("\n") + &std::fs::read_to_string(&self.log).expect("text")
    }
}

fn generate(served: &Served, token: &str) -> Run {
    let mut command = program();
    command.args(["-vv", "generate", "-n", "6", "--server", &served.url, "--fingerprint", &served.fingerprint]);
    command.arg("--model").arg(draft()).arg(format!("{TYPED} {TYPED}"));
    command.env("RUST_LOG", "trace").env("UHLM_TOKEN", token);
    run(command, "")
}

#[cfg(unix)]
#[test]
fn no_log_and_no_error_has_a_token_or_a_word_that_was_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let served = Served::start(folder.path());
    let (right, wrong) = (generate(&served, TOKEN), generate(&served, WRONG));
    assert_eq!((right.code, wrong.code), (Some(0), Some(1)), "{} {}", right.err, wrong.err);
    assert!(right.err.lines().count() > 100, "everything is logged: {}", right.err);
    let server = served.end();
    assert!(server.lines().count() > 100, "everything is logged: {server}");
    for (whose, text) in [("the client", &right.err), ("the refused client", &wrong.err), ("the server", &server)] {
        let found = text.lines().find(|line| [TOKEN, WRONG, TYPED].iter().any(|secret| line.contains(secret)));
        assert_eq!(found, None, "in what {whose} logs");
    }
    assert!(!right.out.contains(TOKEN) && !wrong.all().contains(WRONG));
}

#[test]
fn a_token_that_is_none_is_not_repeated() {
    for token in ["two w0rds-quillfeather", "a\u{e9}-quillfeather"] {
        let mut command = program();
        command.args(["generate", "--server", "https://127.0.0.1:1", "--token", token, "--model"]);
        command.arg(draft()).arg("Hi");
        let run = run(command, "");
        assert!(run.code == Some(2) && !run.all().contains("quillfeather"), "{run:?}");
    }
}

#[test]
fn the_token_for_a_repository_is_in_no_log_and_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FileServer::start(|_| Reply::status(401));
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, server.authority()).expect("written");
    let mut command = program();
    command.args(["-vv", "models", "--folder"]).arg(folder.path().join("models"));
    command.args(["pull", "hf:owner/repo/model.gguf", "--no-checksum"]).env("RUST_LOG", "trace");
    command.env("HF_TOKEN", TOKEN).env("HF_ENDPOINT", server.url("hub")).env("SSL_CERT_FILE", &authority);
    let run = run(command, "");
    assert_eq!(run.code, Some(1), "{run:?}");
    let sent = server.seen().iter().any(|asked| asked.header("authorization").is_some_and(|it| it.contains(TOKEN)));
    assert!(sent, "the token was sent: {:?}", server.seen());
    assert!(!run.all().contains(TOKEN), "{}", run.all());
}

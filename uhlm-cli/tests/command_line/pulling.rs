//! `uhlm models pull` against a server on loopback: whom it trusts, and what it believes.

use std::path::Path;
use std::sync::Arc;

use uhlm_testing::file_server::{Content, FileServer, NoiseFile, Reply};

use crate::support::{Run, draft, program, run};

/// A server of one file, and its authority in a file.
fn server(folder: &Path) -> (FileServer, std::path::PathBuf) {
    let file: Arc<dyn Content> = Arc::new(NoiseFile::new(100_000, 1));
    let server = FileServer::start(move |asked| match asked.path.as_str() {
        "/my%20model.gguf" => Reply::proper(&file, "v1", asked),
        _ => Reply::status(404),
    });
    let authority = folder.join("authority.pem");
    std::fs::write(&authority, server.authority()).expect("written");
    (server, authority)
}

fn pull(folder: &Path, authority: Option<(&str, &Path)>, arguments: &[&str]) -> Run {
    let mut command = program();
    command.args(["models", "--folder"]).arg(folder.join("models")).arg("pull").args(arguments);
    if let Some((variable, path)) = authority {
        command.env(variable, path);
    }
    run(command, "")
}

#[test]
fn the_authorities_of_the_environment_are_trusted_by_downloads() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, authority) = server(folder.path());
    let url = server.url("my model.gguf");
    let run = pull(folder.path(), None, &[&url, "--no-checksum"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("not trusted") && run.err.contains("--ca"), "{run:?}");
    // A folder with the certificate in it, and the file itself.
    for (variable, path) in [("SSL_CERT_DIR", folder.path()), ("SSL_CERT_FILE", authority.as_path())] {
        let run = pull(folder.path(), Some((variable, path)), &[&url, "--no-checksum"]);
        assert_eq!(run.code, Some(0), "{variable}: {run:?}");
        assert!(run.out.trim_end().ends_with("my model.gguf"), "{run:?}");
    }
    let run = pull(folder.path(), Some(("SSL_CERT_FILE", Path::new("/nowhere.pem"))), &[&url, "--no-checksum"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("SSL_CERT_FILE=/nowhere.pem"), "{run:?}");
}

#[test]
fn the_authorities_of_the_environment_are_trusted_by_the_verifiers_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, authority) = server(folder.path());
    let url = server.url("");
    let doctor = |variable: Option<&Path>| {
        let mut command = program();
        command.args(["doctor", "--server", url.trim_end_matches('/'), "--model"]).arg(draft());
        if let Some(path) = variable {
            command.env("SSL_CERT_FILE", path);
        }
        run(command, "").all()
    };
    let failed = |text: &str| text.lines().any(|line| line.starts_with("failed") && line.contains("certificate"));
    let (without, with) = (doctor(None), doctor(Some(&authority)));
    assert!(failed(&without), "{without}");
    assert!(!failed(&with), "{with}");
}

#[test]
fn without_a_hash_and_without_anybody_to_ask_nothing_is_downloaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, authority) = server(folder.path());
    let (url, trusted) = (server.url("my%20model.gguf"), Some(("SSL_CERT_FILE", authority.as_path())));
    let run = pull(folder.path(), trusted, &[&url]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("--no-checksum") && run.err.contains("--sha256"), "{run:?}");
    assert_eq!(std::fs::read_dir(folder.path().join("models")).map_or(0, Iterator::count), 0);

    let run = pull(folder.path(), trusted, &[&url, "--no-checksum"]);
    let hash = run.err.split("SHA-256 ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let hash = hash.expect("what came is said").to_owned();
    let manifest = std::fs::read_to_string(folder.path().join("models/my model.gguf.json")).expect("and noted");
    assert!(manifest.contains(&hash), "{manifest}");
    // With the hash, the file that is there is the one that is asked for.
    let run = pull(folder.path(), trusted, &[&url, "--sha256", &hash]);
    assert_eq!((run.code, server.seen().len()), (Some(0), 2), "{run:?}");
}

//! A download whose process is killed again and again, with checks of what is left of it each time.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_llama::{LoadError, LoadOptions, Model};
use uhlm_models::{DownloadRequest, ModelStore, StoreConfig};

use crate::file_server::{Content, FileServer, NoiseFile, Reply};

/// Name that the file gets.
pub const NAME: &str = "noise.gguf";
/// Time in which a child that gets no more bytes notes those that it has, on a busy disk too.
const SETTLE: Duration = Duration::from_millis(500);
/// Time that no download takes.
const LONG: Duration = Duration::from_secs(600);

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Number of bytes on the disk at each kill.
    pub killed_at: Vec<u64>,
    /// Position of the first byte of each request.
    pub asked_from: Vec<u64>,
    /// Time in which the child processes ran.
    pub elapsed: Duration,
}

/// Does the work of the child process: one download, from the arguments `URL FOLDER AUTHORITY`.
///
/// # Errors
/// The reason that it failed, for people.
pub fn child(arguments: &[String]) -> Result<(), String> {
    let [url, folder, authority] = arguments else { return Err("expected URL FOLDER AUTHORITY".into()) };
    let pem = std::fs::read(authority).map_err(|error| error.to_string())?;
    let trust = uhlm_net::TrustPolicy::Pem(pem);
    let store = ModelStore::new(StoreConfig { trust, reserve: 0, ..StoreConfig::new(folder) });
    let source = url.parse().map_err(|error| format!("{error}"))?;
    let request = DownloadRequest { name: Some(NAME.into()), ..DownloadRequest::new(source) };
    store.download(request).blocking_finish().map(drop).map_err(|error| error.to_string())
}

/// Downloads a file of `bytes` bytes with the program `exe`, which must run [`child`] for `fetch URL FOLDER AUTHORITY`,
/// and kills it (SIGKILL) when it has reached each of `points`. With `hold`, the server sends nothing beyond a point,
/// so that even a short download is met there.
///
/// # Panics
/// If something half-written could be taken for a model, or the file in the end is not the one on the server.
#[must_use]
pub fn run(exe: &Path, bytes: u64, points: &[u64], hold: bool) -> Outcome {
    let content: Arc<dyn Content> = Arc::new(NoiseFile::new(bytes, 7));
    let limit = Arc::new(AtomicU64::new(u64::MAX));
    let (served, bound) = (Arc::clone(&content), Arc::clone(&limit));
    let server = FileServer::start(move |asked| {
        let reply = Reply::proper(&served, "v1", asked);
        match bound.load(Ordering::Acquire) {
            u64::MAX => reply,
            bound => reply.stall_after(bound.saturating_sub(asked.from())),
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, server.authority()).expect("written");
    let models = folder.path().join("models");
    let store = ModelStore::new(StoreConfig::new(&models));
    let start = || -> Child {
        let mut command = Command::new(exe);
        command.arg("fetch").arg(server.url(NAME)).arg(&models).arg(&authority);
        command.stdin(Stdio::null()).spawn().expect("a child process")
    };
    let part = models.join(format!("{NAME}.part"));
    let began = Instant::now();
    let mut killed_at = Vec::new();
    for &point in points {
        if hold {
            limit.store(point, Ordering::Release);
        }
        let mut child = start();
        // The child writes through its buffers in pieces; the last one may stay behind the point.
        let near = point.saturating_sub(if hold { 64 << 10 } else { 0 });
        let asked = Instant::now();
        while std::fs::metadata(&part).map_or(0, |found| found.len()) < near {
            assert!(asked.elapsed() < LONG, "the download does not get to {point}");
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was killed at {point}");
            std::thread::sleep(Duration::from_millis(1));
        }
        if hold {
            std::thread::sleep(SETTLE);
        }
        child.kill().expect("it runs");
        let status = child.wait().expect("a child");
        assert!(!status.success(), "killed");
        killed_at.push(std::fs::metadata(&part).map_or(0, |found| found.len()));
        assert!(store.list().expect("a folder").is_empty(), "a partial file is listed as a model");
        let loaded = Model::load(&part, &LoadOptions::default());
        assert!(
            matches!(loaded, Err(LoadError::Missing { .. } | LoadError::Truncated { .. } | LoadError::NotGguf { .. })),
            "a partial file could be loaded: {loaded:?}"
        );
    }
    limit.store(u64::MAX, Ordering::Release);
    assert!(start().wait().expect("a child").success(), "the last download ends well");
    let elapsed = began.elapsed();
    let model = store.find(NAME).expect("a folder").expect("it is there");
    assert_eq!(model.bytes, content.len());
    assert_eq!(model.sha256, Some(identical(&model.path, content.as_ref())));
    assert!(!part.exists(), "nothing is left behind");
    let asked_from = server.seen().iter().map(super::file_server::Asked::from).collect();
    Outcome { bytes: content.len(), killed_at, asked_from, elapsed }
}

/// Compares a file byte by byte, and returns its hash.
fn identical(path: &Path, content: &dyn Content) -> Digest {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).expect("there");
    let (mut found, mut expected) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let (mut at, mut hash) = (0, Sha256::new());
    while at < content.len() {
        let count = found.len().min((content.len() - at) as usize);
        file.read_exact(&mut found[..count]).expect("long enough");
        content.read(at, &mut expected[..count]);
        assert!(found[..count] == expected[..count], "other bytes after {at}");
        hash.update(&found[..count]);
        at += count as u64;
    }
    Digest(hash.finalize().into())
}

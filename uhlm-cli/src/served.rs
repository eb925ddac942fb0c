//! Runs a verifier in a process of its own, which can be killed and started again at the same address.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use uhlm_load::chaos::{Victim, certificate};
use uhlm_load::{LoadTestError, Place};
use uhlm_net::TrustPolicy;

use crate::failure::Failure;

/// Longest time that the bundled target takes to load on a busy machine.
const STARTS: Duration = Duration::from_secs(60);
/// Seconds after which the server forgets a session whose end was lost on the way.
const SESSION_IDLE: &str = "5";

/// The process. It ends when this is dropped.
pub(crate) struct Served {
    child: Option<Running>,
    /// Number of panics of all processes so far.
    panics: Arc<AtomicU64>,
    target: PathBuf,
    address: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    pub(crate) trust: TrustPolicy,
    /// Folder of the certificate, which goes with this.
    _folder: TempDir,
}

/// A process, and the thread that reads what it says on standard error.
struct Running {
    process: Child,
    reader: JoinHandle<()>,
}

/// Reads to the end, and counts the lines in which Rust tells of a panic. A panic that is caught shows nowhere else.
fn count_panics(said: impl Read, panics: &AtomicU64) {
    // Bytes, not text: what is no text must not end this, or the process would wait for a reader.
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let told = String::from_utf8_lossy(&line).contains(" panicked at ");
        panics.fetch_add(u64::from(told), Ordering::Relaxed);
    }
}

impl Served {
    /// Starts `uhlm serve` with a target on a free port of loopback, and waits until it listens.
    pub(crate) fn start(target: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("no place for a server: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let (certificate, key, trust) = certificate(folder.path())?;
        // The port is free again once this listener is gone, and nobody else is given it so soon.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(failed)?;
        let target = target.to_path_buf();
        let panics = Arc::default();
        let mut served = Self { child: None, panics, target, address, certificate, key, trust, _folder: folder };
        served.revive()?;
        Ok(served)
    }

    /// Returns the server as phones reach it that go straight there.
    pub(crate) fn place(&self) -> Place {
        let url = format!("https://{}", self.address);
        Place { url, trust: self.trust.clone(), owners: Vec::new(), hostile: Vec::new() }
    }
}

impl Victim for Served {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Option<u32> {
        self.child.as_ref().map(|running| running.process.id())
    }

    fn kill(&mut self) -> bool {
        let Some(Running { mut process, reader }) = self.child.take() else { return false };
        let was_running = matches!(process.try_wait(), Ok(None));
        // It may be gone already; what is waited for is a process that has ended.
        let _ = process.kill();
        let _ = process.wait();
        // It ends with the process, and then all is counted.
        let _ = reader.join();
        was_running
    }

    fn revive(&mut self) -> Result<(), LoadTestError> {
        let failed = |reason: String| LoadTestError::Settings(format!("the server does not start: {reason}"));
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--model").arg(&self.target).args(["--listen", &self.address.to_string()]);
        command.arg("--tls-cert").arg(&self.certificate).arg("--tls-key").arg(&self.key);
        command.args(["--threads", "1", "--session-idle", SESSION_IDLE]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let said = child.stderr.take().ok_or_else(|| failed("it has no standard error".into()))?;
        let panics = Arc::clone(&self.panics);
        let reader = std::thread::spawn(move || count_panics(said, &panics));
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("it ended with {status}")));
            }
            if began.elapsed() > STARTS {
                // Nobody else knows of it.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err(failed("it does not listen".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(Running { process: child, reader });
        Ok(())
    }

    fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_counted_whatever_else_is_said() {
        let said = b"INFO serving\n\nthread 'worker' (7) panicked at src/a.rs:1:2:\nno way\n\xff\n\
            thread '<unnamed>' (8) panicked at src/b.rs:3:4:\nassertion failed: it panicked";
        let panics = AtomicU64::new(0);
        count_panics(&said[..], &panics);
        assert_eq!(panics.into_inner(), 2);
    }
}

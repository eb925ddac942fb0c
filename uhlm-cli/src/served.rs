//! Runs a verifier in a process of its own, which can be killed and started again at the same address.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    child: Option<Child>,
    target: PathBuf,
    address: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    pub(crate) trust: TrustPolicy,
    /// Folder of the certificate, which goes with this.
    _folder: TempDir,
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
        let mut served = Self { child: None, target, address, certificate, key, trust, _folder: folder };
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
        self.child.as_ref().map(Child::id)
    }

    fn kill(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let was_running = matches!(child.try_wait(), Ok(None));
        // It may be gone already; what is waited for is a process that has ended.
        let _ = child.kill();
        let _ = child.wait();
        was_running
    }

    fn revive(&mut self) -> Result<(), LoadTestError> {
        let failed = |reason: String| LoadTestError::Settings(format!("the server does not start: {reason}"));
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--model").arg(&self.target).args(["--listen", &self.address.to_string()]);
        command.arg("--tls-cert").arg(&self.certificate).arg("--tls-key").arg(&self.key);
        command.args(["--threads", "1", "--session-idle", SESSION_IDLE]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
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
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

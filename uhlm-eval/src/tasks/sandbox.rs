//! Runs Python that a model wrote: without network, without the user's files in its path, with bounds on time, memory
//! and output.
//!
//! The sandbox keeps a model's accidents in; it is no prison for an adversary, who would find the file system readable.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The reason why no program can be run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// `unshare` (util-linux) or `python3` is missing, or the system gives no network name space.
    #[error("programs cannot be run apart from the network: {reason}")]
    Unavailable {
        /// Output of the attempt.
        reason: String,
    },
    /// A program could not be started or waited for.
    #[error("a program could not be run")]
    Io(#[from] std::io::Error),
}

/// Longest time for which a program runs.
const LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// Source of the program that bounds processor time (in seconds), memory (1 GiB), files (none are written) and open
/// files, then runs the source from standard input and prints a token at its end: a program that exits early has passed
/// nothing.
const DRIVER: &str = "\
import resource, sys
for what, most in ((resource.RLIMIT_CPU, 8), (resource.RLIMIT_AS, 1 << 30), (resource.RLIMIT_FSIZE, 0),
                   (resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(what, (most, most))
source, token = sys.stdin.read(), sys.argv.pop()
stdout, sys.stdout = sys.stdout, None
exec(compile(source, 'reply', 'exec'), {'__name__': 'reply'})
print(token, file=stdout, flush=True)
";

/// A proof that programs can be run apart from the network, and the way to run them.
#[derive(Clone, Debug)]
pub struct Sandbox {
    _checked: (),
}

impl Sandbox {
    /// Finds out whether programs can be run apart from the network; blocks for some ten milliseconds.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`].
    pub fn find() -> Result<Self, SandboxError> {
        let unavailable = |reason: String| SandboxError::Unavailable { reason };
        let output = command()
            .args(["-c", "import socket; print(len(socket.if_nameindex()))"])
            .output()
            .map_err(|error| unavailable(format!("unshare: {error}")))?;
        if output.status.success() {
            Ok(Self { _checked: () })
        } else {
            Err(unavailable(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        }
    }

    /// Tells whether a program runs to its end without an exception, within its bounds.
    ///
    /// # Errors
    /// [`SandboxError::Io`].
    pub fn passes(&self, program: &str) -> Result<bool, SandboxError> {
        // A program cannot print by chance what it was not told before it was read whole.
        let token = format!("passed-{}", program.len());
        let mut child = command()
            .args(["-c", DRIVER, &token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A driver that ended early is found out below.
            let _ = stdin.write_all(program.as_bytes());
        }
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                let mut said = String::new();
                if let Some(mut stdout) = child.stdout.take() {
                    std::io::Read::read_to_string(&mut stdout, &mut said)?;
                }
                return Ok(status.success() && said.trim() == token);
            }
            if started.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Returns the command for Python, isolated from its environment, in a network name space of its own that has no way
/// out. `--kill-child` ends Python when `unshare` is killed.
fn command() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--", "python3", "-I"]);
    command.current_dir(std::env::temp_dir());
    command
}

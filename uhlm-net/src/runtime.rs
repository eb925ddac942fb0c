//! The one tokio runtime of the process, for network IO and its timers.
//!
//! Decides how many threads wait for the network and what they are called. Nothing else in the crate may create a
//! runtime, and nothing that computes (sampling, drafting, judging) runs on this one.

use std::io;
use std::sync::Mutex;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// Number of threads: with a request every few tens of milliseconds, one is idle nearly always.
const WORKERS: usize = 1;
/// Largest number of threads that resolve names. That blocks a thread for as long as the system's resolver takes, on a
/// dead network for half a minute; each of these exists only while it is needed.
const RESOLVERS: usize = 8;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Returns the runtime's handle; the first call starts its thread, which lives as long as the process.
///
/// # Errors
/// An error where the system gives no thread or no event queue. A later call tries again.
pub fn network() -> io::Result<&'static Handle> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    // Nothing under this lock can leave it half-done, so a poisoned one is as good as new.
    let _starting = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if RUNTIME.get().is_none() {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(RESOLVERS)
            .thread_name("uhlm-network")
            .enable_io()
            .enable_time()
            .build()?;
        return Ok(RUNTIME.get_or_init(|| runtime).handle());
    }
    RUNTIME.get().map(Runtime::handle).ok_or_else(|| io::Error::other("the network runtime is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_gets_the_same_runtime() {
        let ids: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| network().expect("runtime").id()))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

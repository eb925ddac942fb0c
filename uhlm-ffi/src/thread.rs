//! Work that takes long, on a thread of its own, for callers whose threads must not block.

use std::io;

use tokio::sync::oneshot;
use uhlm_law::cancel::Cancel;

use crate::error::{ErrorKind, UhlmError};

/// Raises a signal when the caller goes away.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs `work` and waits for what it gives. Dropping the future raises `cancel`, which `work` is expected to heed.
///
/// # Errors
/// Where the system gives no thread, or the thread ended without a result.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    cancel: Cancel,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let _guard = CancelOnDrop(cancel);
    let (sender, done) = oneshot::channel();
    std::thread::Builder::new().name(name.into()).spawn(move || {
        // The caller may have gone away.
        let _ = sender.send(work());
    })?;
    done.await.map_err(|_| io::Error::other(format!("the thread {name} ended early")))
}

/// Runs work that takes long, and waits for what it gives; dropping the future lets it run to its end.
///
/// # Errors
/// Those of `work`, and `EngineFailed` where the system gives no thread.
pub(crate) async fn off_thread<T: Send + 'static, E: Into<UhlmError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, UhlmError> {
    let done = on_thread("uhlm-files", Cancel::new(), work).await;
    done.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))?.map_err(Into::into)
}

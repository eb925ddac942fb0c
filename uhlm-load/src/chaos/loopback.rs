//! A free port of loopback, with a thread of its own for whoever serves it.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::error::LoadTestError;

/// Listens on a free port. What is spawned on the runtime, connections too, ends when that is dropped.
pub(super) fn listen(thread: &str) -> Result<(Runtime, TcpListener, SocketAddr), LoadTestError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name(thread).enable_all().build().map_err(LoadTestError::Network)?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).map_err(LoadTestError::Network)?;
    let address = listener.local_addr().map_err(LoadTestError::Network)?;
    Ok((runtime, listener, address))
}

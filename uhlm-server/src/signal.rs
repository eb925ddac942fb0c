//! When a process that serves should stop.

/// Completes at Ctrl-C, or at the signal that a service manager sends.
pub async fn shutdown_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Where no handler can be installed, the system's own one ends the process.
    let _ = tokio::signal::ctrl_c().await;
}

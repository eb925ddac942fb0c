//! The signals at which a process that serves stops, or reads its tokens again.

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

/// The signals by which an operator asks for settings to be read again.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Listens for the signals, if `listens`: a process that does not listen keeps what the system does at such a
    /// signal.
    pub(crate) fn new(listens: bool) -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Self { signal: listens.then(|| signal(SignalKind::hangup()).ok()).flatten() }
        }
        #[cfg(not(unix))]
        {
            let _ = listens;
            Self {}
        }
    }

    /// Completes at the next signal.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

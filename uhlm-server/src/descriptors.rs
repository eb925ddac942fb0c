//! The number of descriptors that the process may have, of which each connection takes one.

/// Descriptors that are left for everything but connections: the model's file, logs, timers.
const BESIDE_CONNECTIONS: u64 = 64;

/// Raises the process's limit as far as the system allows without rights, and says what came of it: with fewer than
/// `connections` need, further ones wait in the system's backlog.
pub(crate) fn raise(connections: usize) {
    let needed = BESIDE_CONNECTIONS + connections as u64;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < needed => {
            tracing::warn!(limit, needed, "fewer descriptors than connections may need: raise the hard limit");
        }
        Ok(limit) => tracing::info!(limit, "descriptors"),
        Err(error) => tracing::warn!(%error, needed, "the limit on descriptors cannot be raised"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_as_many_descriptors_as_the_system_allows_it() {
        raise(1000);
        let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).expect("a limit");
        // macOS allows no more than a number of its own, whatever the hard limit says.
        let least = if cfg!(target_os = "macos") { 1024 } else { hard };
        assert!(soft >= least.min(hard), "{soft} of {hard}");
    }
}

//! The things that all files of a download share: the client, the signals that end it, the room on the disk, and its
//! progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use uhlm_law::cancel::Cancel;

use crate::client::{Client, MAX_PATIENCE};
use crate::config::StoreConfig;
use crate::disk;
use crate::error::DownloadError;
use crate::partial::Partial;
use crate::progress::{Phase, Progress, Reporter};
use crate::store::ModelStore;

/// Time between two looks at the cancel signal while nothing comes.
const LOOK: Duration = Duration::from_millis(50);

/// A download under way, whatever file of it is being loaded.
pub(super) struct Shared {
    pub(super) store: ModelStore,
    pub(super) client: Client,
    pub(super) cancel: Cancel,
    pub(super) progress: Progress,
    /// Number of bytes of the parts that are there already.
    pub(super) before: u64,
    /// Number of bytes of all parts, where all of them are known.
    pub(super) whole: Option<u64>,
    allow_metered: bool,
    runtime: &'static Handle,
    metered: Arc<AtomicBool>,
    reporter: Reporter,
}

impl Shared {
    pub(super) fn new(
        store: ModelStore,
        allow_metered: bool,
        cancel: Cancel,
        reporter: Reporter,
    ) -> Result<Self, DownloadError> {
        let runtime = uhlm_net::runtime::network().map_err(|e| DownloadError::Start { reason: e.to_string() })?;
        let (client, metered) = (Client::new(store.config())?, store.metered_flag());
        let progress = Progress::default();
        Ok(Self { store, client, cancel, progress, before: 0, whole: None, allow_metered, runtime, metered, reporter })
    }

    pub(super) fn config(&self) -> &StoreConfig {
        self.store.config()
    }

    /// Checks that the network may be used, and that the download is still wanted.
    pub(super) fn check_network(&self) -> Result<(), DownloadError> {
        if self.cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        let refused = self.metered.load(Ordering::Acquire) && !self.allow_metered;
        if refused { Err(DownloadError::Metered) } else { Ok(()) }
    }

    /// Checks that `missing` bytes still have room beside the reserve.
    pub(super) fn check_space(&self, missing: u64) -> Result<(), DownloadError> {
        let config = self.config();
        // A file system that does not say is found out by writing.
        room(missing.saturating_add(config.reserve), disk::available(&config.folder).ok().flatten())
    }

    /// Waits for the network; `None` after too much silence, or if cancelled.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (cancel, silence) = (&self.cancel, self.config().silence);
        self.runtime.block_on(async {
            tokio::select! {
                done = work => Some(done),
                () = tokio::time::sleep(silence) => None,
                () = raised(cancel) => None,
            }
        })
    }

    /// Pauses for a time that grows with the failures in a row, or as long as the server asks for, unless that is too
    /// long.
    pub(super) fn pause(&self, failures: u32, error: &DownloadError) -> Result<(), DownloadError> {
        let back_off = self.config().back_off.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let pause = match error {
            DownloadError::Busy { retry_after: Some(asked) } if *asked > MAX_PATIENCE => return Err(error.clone()),
            DownloadError::Busy { retry_after: Some(asked) } => back_off.max(*asked),
            _ => back_off,
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause.min(MAX_PATIENCE)) => {}
                () = raised(&self.cancel) => {}
            }
        });
        self.check_network()
    }

    /// Tells the consumer the progress of the download.
    pub(super) fn tell(&mut self, phase: Phase, partial: &Partial) {
        self.progress.phase = phase;
        self.progress.received = self.before + partial.len();
        self.progress.total = if self.progress.parts > 1 { self.whole } else { partial.state.total };
        self.reporter.tell(self.progress);
    }
}

fn room(needed: u64, available: Option<u64>) -> Result<(), DownloadError> {
    match available {
        Some(available) if available < needed => Err(DownloadError::NotEnoughSpace { needed, available }),
        _ => Ok(()),
    }
}

async fn raised(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_too_few_is_not_enough_and_a_disk_that_says_nothing_is_tried() {
        assert_eq!(room(10, Some(10)), Ok(()));
        assert_eq!(room(10, Some(9)), Err(DownloadError::NotEnoughSpace { needed: 10, available: 9 }));
        assert_eq!(room(u64::MAX, None), Ok(()));
    }
}

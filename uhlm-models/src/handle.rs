//! The handle of one download: pull progress, cancel, cancel on drop.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use uhlm_law::cancel::Cancel;

use crate::error::DownloadError;
use crate::parts;
use crate::progress::{Progress, Reporter};
use crate::request::DownloadRequest;
use crate::shared::Shared;
use crate::store::ModelStore;
use crate::stored::StoredModel;

/// The news of a download for its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEvent {
    /// The download goes on. A consumer that is behind is told the latest state only.
    Progress(Progress),
    /// The model is there, whole and checked.
    Finished(StoredModel),
}

type Last = Arc<Mutex<Option<Result<StoredModel, DownloadError>>>>;

/// One running download, on a thread of its own.
///
/// # Cancel safety
/// [`next`](Self::next) may be dropped at any await point. Dropping the handle, or calling [`cancel`](Self::cancel),
/// ends the download within a fraction of a second; what was loaded stays and the next download of the same name goes
/// on from there.
#[derive(Debug)]
pub struct Transfer {
    progress: watch::Receiver<Progress>,
    last: Last,
    cancel: Cancel,
}

impl ModelStore {
    /// Starts a download. It goes on from what an earlier one left; a model that is there already is not loaded again.
    #[must_use = "dropping the handle cancels the download"]
    pub fn download(&self, request: DownloadRequest) -> Transfer {
        Transfer::start(self.clone(), request)
    }
}

impl Transfer {
    fn start(store: ModelStore, request: DownloadRequest) -> Self {
        let (sender, progress) = watch::channel(Progress::default());
        let (cancel, last) = (Cancel::new(), Last::default());
        let reporter = Reporter::new(sender);
        let (raised, slot) = (cancel.clone(), Arc::clone(&last));
        let set = |slot: &Last, result| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        let spawned = std::thread::Builder::new().name("uhlm-download".into()).spawn(move || {
            // Dropping the reporter, which `run` owns, ends the stream; the result must be there before.
            let keep = reporter.sender();
            let shared = Shared::new(store, request.allow_metered, raised, reporter);
            let result = shared.and_then(|mut shared| parts::load(&mut shared, &request));
            set(&slot, result);
            drop(keep);
        });
        if let Err(error) = spawned {
            set(&last, Err(DownloadError::Start { reason: error.to_string() }));
        }
        Self { progress, last, cancel }
    }

    /// Waits for the next news; `None` after [`TransferEvent::Finished`] or an error.
    ///
    /// # Errors
    /// [`DownloadError`], once, as the last item.
    pub async fn next(&mut self) -> Option<Result<TransferEvent, DownloadError>> {
        if self.progress.changed().await.is_ok() {
            return Some(Ok(TransferEvent::Progress(*self.progress.borrow_and_update())));
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        last.map(|result| result.map(TransferEvent::Finished))
    }

    /// Does the same as [`next`](Self::next) for callers without an async runtime; must not be called inside one.
    pub fn blocking_next(&mut self) -> Option<Result<TransferEvent, DownloadError>> {
        match uhlm_net::runtime::network() {
            Ok(runtime) => runtime.block_on(self.next()),
            Err(error) => Some(Err(DownloadError::Start { reason: error.to_string() })),
        }
    }

    /// Waits for the end; must not be called inside an async runtime.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub fn blocking_finish(mut self) -> Result<StoredModel, DownloadError> {
        while let Some(event) = self.blocking_next() {
            if let TransferEvent::Finished(model) = event? {
                return Ok(model);
            }
        }
        Err(DownloadError::Cancelled)
    }

    /// Returns a signal that does the same as [`cancel`](Self::cancel) from elsewhere.
    #[must_use]
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Ends the download; the stream then ends with [`DownloadError::Cancelled`], unless it had ended already.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.cancel();
    }
}

//! The handle of one download: pull progress, cancel, cancel on drop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::download::Download;
use super::error::DownloadError;
use super::source::Source;
use super::store::{ModelStore, StoredModel, check_name};
use crate::cancel::Cancel;
use crate::protocol::Digest;

/// Progress is told this often.
const TELL: Duration = Duration::from_millis(50);

/// Which file is wanted, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadRequest {
    /// Where it can be had: mirrors are tried in this order.
    pub sources: Vec<Source>,
    /// The name to keep it under, ending in `.gguf`; `None` for the first source's.
    pub name: Option<String>,
    /// What it must hash to. With it, any mirror may continue what another began.
    pub sha256: Option<Digest>,
    /// How many bytes it must have.
    pub bytes: Option<u64>,
    /// Whether a metered network will do.
    pub allow_metered: bool,
}

impl DownloadRequest {
    /// A request for one source.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { sources: vec![source], ..Self::default() }
    }

    pub(super) fn file_name(&self) -> Result<String, DownloadError> {
        let name = self.name.clone().or_else(|| self.sources.first()?.file_name()).unwrap_or_default();
        if check_name(&name) { Ok(name) } else { Err(DownloadError::InvalidName { name }) }
    }
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for a server.
    #[default]
    Connecting,
    /// Bytes come in.
    Loading,
    /// All bytes are there and are being checked.
    Checking,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes that are there, those of an earlier download included.
    pub received: u64,
    /// Bytes of the whole file, once known.
    pub total: Option<u64>,
    /// Bytes that an earlier download had left.
    pub resumed_from: u64,
    /// Which of the request's sources is being asked.
    pub source: usize,
}

/// What a download tells its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEvent {
    /// It goes on. A consumer that is behind is told the latest state only.
    Progress(Progress),
    /// The model is there, whole and checked.
    Finished(StoredModel),
}

type Last = Arc<Mutex<Option<Result<StoredModel, DownloadError>>>>;

/// One running download, on a thread of its own.
///
/// # Cancel safety
/// [`next`](Self::next) may be dropped at any await point. Dropping the handle, or calling [`cancel`](Self::cancel), ends
/// the download within a fraction of a second; what was loaded stays and the next download of the same name goes on from
/// there.
#[derive(Debug)]
pub struct Transfer {
    progress: watch::Receiver<Progress>,
    last: Last,
    cancel: Cancel,
}

/// The download's end of the handle.
pub(super) struct Reporter {
    progress: watch::Sender<Progress>,
    told: Option<(Instant, Phase)>,
}

impl Reporter {
    pub(super) fn tell(&mut self, progress: Progress) {
        let due = self.told.is_none_or(|(at, phase)| phase != progress.phase || at.elapsed() >= TELL);
        if due {
            self.told = Some((Instant::now(), progress.phase));
            self.progress.send_replace(progress);
        }
    }
}

impl Transfer {
    pub(super) fn start(store: ModelStore, request: DownloadRequest) -> Self {
        let (sender, progress) = watch::channel(Progress::default());
        let (cancel, last) = (Cancel::new(), Last::default());
        let reporter = Reporter { progress: sender, told: None };
        let (raised, slot) = (cancel.clone(), Arc::clone(&last));
        let set = |slot: &Last, result| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        let spawned = std::thread::Builder::new().name("uhlm-download".into()).spawn(move || {
            // Dropping the reporter, which `run` owns, ends the stream; the result must be there before.
            let keep = reporter.progress.clone();
            let result = Download::new(store, request, raised, reporter).and_then(Download::run);
            set(&slot, result);
            drop(keep);
        });
        if let Err(error) = spawned {
            set(&last, Err(DownloadError::Start { reason: error.to_string() }));
        }
        Self { progress, last, cancel }
    }

    /// How far it is; `None` after [`TransferEvent::Finished`] or an error.
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

    /// As [`next`](Self::next) for callers without an async runtime; must not be called inside one.
    pub fn blocking_next(&mut self) -> Option<Result<TransferEvent, DownloadError>> {
        match crate::runtime::network() {
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

    /// A signal that does the same as [`cancel`](Self::cancel) from elsewhere.
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

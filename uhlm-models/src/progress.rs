//! The progress of a download, told to its consumer every now and then.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Time between two reports of progress in one phase.
const TELL: Duration = Duration::from_millis(50);

/// The phase of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The download waits for a server.
    #[default]
    Connecting,
    /// Bytes come in.
    Loading,
    /// All bytes are there and are being checked.
    Checking,
}

/// The progress of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Phase of the download.
    pub phase: Phase,
    /// Number of bytes that are there, those of an earlier download included; of a split model those of all parts.
    pub received: u64,
    /// Number of bytes of the whole model, once known.
    pub total: Option<u64>,
    /// Number of bytes that an earlier download had left.
    pub resumed_from: u64,
    /// Index of the source that is being asked, among those of the request.
    pub source: usize,
    /// Number of the part of a split model that is being loaded, from 1; 0 for a model of one file.
    pub part: u32,
    /// Number of parts; 0 for a model of one file.
    pub parts: u32,
}

/// The sending end of a download's progress.
pub(crate) struct Reporter {
    progress: watch::Sender<Progress>,
    told: Option<(Instant, Phase)>,
}

impl Reporter {
    pub(crate) fn new(progress: watch::Sender<Progress>) -> Self {
        Self { progress, told: None }
    }

    /// Returns the sending end to the same consumer once more; the stream ends when the last is dropped.
    pub(crate) fn sender(&self) -> watch::Sender<Progress> {
        self.progress.clone()
    }

    pub(crate) fn tell(&mut self, progress: Progress) {
        let due = self.told.is_none_or(|(at, phase)| phase != progress.phase || at.elapsed() >= TELL);
        if due {
            self.told = Some((Instant::now(), progress.phase));
            self.progress.send_replace(progress);
        }
    }
}

//! How far a download is, told to its consumer every now and then.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Progress is told this often.
const TELL: Duration = Duration::from_millis(50);

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
    /// Bytes that are there, those of an earlier download included; of a split model those of all parts.
    pub received: u64,
    /// Bytes of the whole model, once known.
    pub total: Option<u64>,
    /// Bytes that an earlier download had left.
    pub resumed_from: u64,
    /// Which of the request's sources is being asked.
    pub source: usize,
    /// Which part of a split model is being loaded, from 1; 0 for a model of one file.
    pub part: u32,
    /// Number of parts; 0 for a model of one file.
    pub parts: u32,
}

/// The download's end of the handle.
pub(crate) struct Reporter {
    progress: watch::Sender<Progress>,
    told: Option<(Instant, Phase)>,
}

impl Reporter {
    pub(crate) fn new(progress: watch::Sender<Progress>) -> Self {
        Self { progress, told: None }
    }

    /// The same consumer once more; the stream ends when the last is dropped.
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

//! The facts about a file, kept beside it: `NAME.json`.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uhlm_law::digest::Digest;

use crate::partial::{json_of, read_small, replace};

/// The facts about a file of the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// SHA-256 that it had when it came.
    pub(super) sha256: Digest,
    /// Length of the file, in bytes.
    pub(super) bytes: u64,
    /// Source that it came from, without its query; `None` for one that a person had.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// Time at which it was loaded, in seconds since 1970.
    pub(super) loaded_at: u64,
}

impl Manifest {
    /// Reads the facts about the file `model`.
    pub(super) fn read(model: &Path) -> Option<Self> {
        serde_json::from_slice(&read_small(&json_of(model))?).ok()
    }

    /// Writes the facts beside the file `model`.
    pub(super) fn write(&self, model: &Path) -> io::Result<()> {
        replace(&json_of(model), &serde_json::to_vec_pretty(self)?)
    }
}

/// Returns the present time, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

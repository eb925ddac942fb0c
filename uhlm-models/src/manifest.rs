//! What is known of a file, beside it: `NAME.json`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uhlm_law::protocol::Digest;

use crate::partial::{json_of, replace};

/// What is known of a file of the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// What it hashed to when it came.
    pub(super) sha256: Digest,
    /// Its size, in bytes.
    pub(super) bytes: u64,
    /// Where it came from.
    pub(super) source: String,
    /// Seconds since 1970.
    pub(super) loaded_at: u64,
}

impl Manifest {
    /// Reads what is known of the file `model`.
    pub(super) fn read(model: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(json_of(model)).ok()?).ok()
    }

    /// Writes it beside the file `model`.
    pub(super) fn write(&self, model: &Path) -> io::Result<()> {
        replace(&json_of(model), &serde_json::to_vec_pretty(self)?)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

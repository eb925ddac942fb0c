//! Remembers what two models said after each prefix, so that no method of a comparison asks a slow model again, and a
//! run that was interrupted goes on where it stopped.
//!
//! Every method then meets the same two functions of a prefix: a row is computed in a pass of its own, whoever asks for
//! it first, and rounding that depends on how many rows share a pass cannot make methods differ. As in a
//! [`trace`](crate::trace) the greatest logits of a row are kept and all others have no chance.
//!
//! This module decides what is remembered; `file` decides the bytes, `sequence` what has to be computed.

mod file;
mod sequence;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uhlm_law::advance::PrefixHash;
use uhlm_law::digest::Digest;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::trace::{Row, TraceError};
use file::MemoryFile;
pub(crate) use sequence::{RememberedDraft, RememberedRows};

/// Most logits that are remembered of a row.
pub const TOP: usize = 800;

/// One of the two models of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Draft,
    Target,
}

/// The rows of both models after every prefix that was asked for so far.
#[derive(Debug)]
pub struct Memory {
    kept: Mutex<Kept>,
    /// Caches of the models after long prefixes, which take longer to compute than to copy.
    checkpoints: Mutex<Vec<Arc<Checkpoint>>>,
}

#[derive(Debug)]
struct Kept {
    rows: HashMap<(Side, PrefixHash), Arc<Row>>,
    file: MemoryFile,
}

/// A model's cache after some tokens.
#[derive(Debug)]
struct Checkpoint {
    side: Side,
    ids: Vec<TokenId>,
    cache: Vec<u8>,
}

impl Memory {
    /// Opens the memory of a draft model and a target, given by the fingerprints of their files, that the file `path`
    /// holds, or begins one there. Blocks on the file.
    ///
    /// # Errors
    /// [`TraceError`] where the file cannot be used; [`TraceError::Other`] where it belongs to other models.
    pub fn open(path: &Path, draft: Digest, target: Digest) -> Result<Self, TraceError> {
        let (file, rows) = MemoryFile::open(path, [draft, target])?;
        Ok(Self { kept: Mutex::new(Kept { rows, file }), checkpoints: Mutex::default() })
    }

    /// Returns the number of rows of both models.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.kept().rows.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, side: Side, prefix: PrefixHash) -> Option<Arc<Row>> {
        self.kept().rows.get(&(side, prefix)).map(Arc::clone)
    }

    fn keep(&self, side: Side, prefix: PrefixHash, row: Row) -> Result<Arc<Row>, ModelError> {
        let mut kept = self.kept();
        kept.file.append(side, prefix, &row).map_err(|error| ModelError::Decode { reason: error.to_string() })?;
        let row = Arc::new(row);
        kept.rows.insert((side, prefix), Arc::clone(&row));
        Ok(row)
    }

    /// Returns the longest checkpoint that `ids` begin with, where it is longer than `known` tokens.
    fn checkpoint(&self, side: Side, ids: &[TokenId], known: usize) -> Option<Arc<Checkpoint>> {
        let checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = checkpoints.iter().filter(|c| c.side == side && c.ids.len() > known && ids.starts_with(&c.ids));
        fitting.max_by_key(|c| c.ids.len()).map(Arc::clone)
    }

    fn set_checkpoint(&self, checkpoint: Checkpoint) {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if !checkpoints.iter().any(|c| c.side == checkpoint.side && c.ids == checkpoint.ids) {
            checkpoints.push(Arc::new(checkpoint));
        }
    }
}

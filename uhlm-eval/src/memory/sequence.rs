//! Makes sequences that compute a row only where the memory does not have it.

use std::sync::Arc;

use uhlm_law::advance::PrefixHash;
use uhlm_law::digest::Digest;
use uhlm_law::model::{Decoder, LanguageModel as _, ModelError, Sequence};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{ContextOptions, LlamaSequence, Model};

use super::{Checkpoint, Memory, Side, TOP};
use crate::trace::Row;
use crate::trace::rows::{DenseRow, top};

/// Number of tokens read at once from which a cache is worth a copy.
const LONG: usize = 64;

/// The rows of one model after prefixes of a list of tokens that grows and is cut.
pub(crate) struct RememberedRows {
    memory: Arc<Memory>,
    side: Side,
    model: Arc<Model>,
    context: u32,
    /// Sequence that computes, made for the first row that the memory does not have.
    computing: Option<Computing>,
    ids: Vec<TokenId>,
    /// Hashes of all prefixes of `ids`, the empty one first.
    hashes: Vec<PrefixHash>,
    dense: DenseRow,
}

/// A sequence with the tokens that it holds.
struct Computing {
    sequence: LlamaSequence,
    ids: Vec<TokenId>,
}

impl std::fmt::Debug for RememberedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RememberedRows").field("side", &self.side).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl RememberedRows {
    pub(crate) fn new(memory: Arc<Memory>, side: Side, model: Arc<Model>, context: u32) -> Self {
        let dense = DenseRow::new(model.vocabulary().size());
        let (ids, hashes) = (Vec::new(), vec![PrefixHash::EMPTY]);
        Self { memory, side, model, context, computing: None, ids, hashes, dense }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.ids.truncate(len);
        self.hashes.truncate(self.ids.len() + 1);
    }

    /// Appends tokens, of which none is computed yet.
    pub(crate) fn push(&mut self, tokens: &[TokenId]) -> Result<(), ModelError> {
        let (needed, capacity) = (self.len() + tokens.len(), self.context as usize);
        if needed > capacity {
            return Err(ModelError::ContextFull { needed, capacity });
        }
        for &id in tokens {
            if id as usize >= self.dense.logits().len() {
                return Err(ModelError::UnknownToken { id });
            }
            self.hashes.push(self.hashes[self.ids.len()].push(id));
            self.ids.push(id);
        }
        Ok(())
    }

    /// Returns the logits after the first `len` tokens, from 1 to [`Self::len`] of them.
    pub(crate) fn after(&mut self, len: usize) -> Result<&[f32], ModelError> {
        let prefix = self.hashes[len];
        let row = match self.memory.recall(self.side, prefix) {
            Some(row) => row,
            None => {
                let row = self.compute(len)?;
                self.memory.keep(self.side, prefix, row)?
            }
        };
        self.dense.take(Some(&row));
        Ok(self.dense.logits())
    }

    /// Returns the row that [`Self::after`] gave last.
    fn last(&self) -> &[f32] {
        self.dense.logits()
    }

    fn compute(&mut self, len: usize) -> Result<Row, ModelError> {
        let computing = match &mut self.computing {
            Some(computing) => computing,
            None => {
                let options = ContextOptions { context: self.context, threads: 1, ..ContextOptions::default() };
                let sequence = self.model.new_sequence(&options)?;
                self.computing.insert(Computing { sequence, ids: Vec::new() })
            }
        };
        let Computing { sequence, ids } = computing;
        let wanted = &self.ids[..len];
        let (last, before) = wanted.split_last().ok_or(ModelError::Decode { reason: "nothing was read".into() })?;
        // Should anything below fail, nothing is taken for known.
        let held = std::mem::take(ids);
        let mut known = held.iter().zip(before).take_while(|(a, b)| a == b).count();
        if let Some(checkpoint) = self.memory.checkpoint(self.side, before, known) {
            known = checkpoint.ids.len();
            sequence.restore(known, &checkpoint.cache)?;
        }
        sequence.truncate(known)?;
        let unread = &before[known..];
        if !unread.is_empty() {
            sequence.decode(unread, &|| false)?;
        }
        if unread.len() >= LONG
            && let Some(cache) = sequence.save()?
        {
            self.memory.set_checkpoint(Checkpoint { side: self.side, ids: before.to_vec(), cache });
        }
        sequence.decode(&[*last], &|| false)?;
        ids.extend_from_slice(wanted);
        Ok(top(sequence.logits(), TOP, None))
    }
}

/// The draft model of a pair, as far as the memory has to ask it.
pub(crate) struct RememberedDraft {
    pub(crate) memory: Arc<Memory>,
    pub(crate) model: Arc<Model>,
    pub(crate) context: u32,
}

impl Decoder for RememberedDraft {
    fn sequence(self: Arc<Self>, context: u32, _: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let context = if context == 0 { self.context } else { context };
        Ok(Box::new(RememberedSequence::new(Arc::clone(&self.memory), Arc::clone(&self.model), context)))
    }

    fn fingerprint(&self) -> Option<Digest> {
        Some(self.model.fingerprint())
    }
}

/// A sequence of the draft model.
pub(crate) struct RememberedSequence {
    rows: RememberedRows,
    has_logits: bool,
}

impl RememberedSequence {
    pub(crate) fn new(memory: Arc<Memory>, model: Arc<Model>, context: u32) -> Self {
        Self { rows: RememberedRows::new(memory, Side::Draft, model, context), has_logits: false }
    }
}

impl Sequence for RememberedSequence {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn capacity(&self) -> usize {
        self.rows.context as usize
    }

    fn decode(&mut self, tokens: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.has_logits = false;
        let before = self.len();
        self.rows.push(tokens)?;
        if tokens.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.rows.after(self.rows.len()) {
            self.rows.truncate(before);
            return Err(error);
        }
        self.has_logits = true;
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        if self.has_logits { self.rows.last() } else { &[] }
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.len() {
            self.rows.truncate(len);
            self.has_logits = false;
        }
        Ok(())
    }
}

//! Makes sequences that answer from a trace.

use std::sync::Arc;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::{LanguageModel as _, ModelError, Sequence};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{Scratch, TokenId};

use super::Replay;
use crate::models::TargetSequence;
use crate::trace::rows::DenseRow;
use crate::trace::{self, RecordedReply};

/// One model's rows of logits, one at a time over the whole vocabulary.
pub(super) struct Rows {
    replay: Arc<Replay>,
    of: fn(&RecordedReply) -> &[trace::Row],
    dense: DenseRow,
}

impl Rows {
    pub(super) fn of_draft(replay: Arc<Replay>) -> Self {
        Self::new(replay, |reply| &reply.draft)
    }

    pub(super) fn of_target(replay: Arc<Replay>) -> Self {
        Self::new(replay, |reply| &reply.target)
    }

    fn new(replay: Arc<Replay>, of: fn(&RecordedReply) -> &[trace::Row]) -> Self {
        let dense = DenseRow::new(replay.vocabulary().size());
        Self { replay, of, dense }
    }

    /// Returns the row after the first `len` tokens of the reply that is being written, prompt included.
    fn after(&mut self, len: usize) -> &[f32] {
        let row = self.replay.current().and_then(|reply| {
            let (rows, place) = ((self.of)(reply), len.saturating_sub(reply.prompt.len()));
            rows.get(place).or(rows.last())
        });
        self.dense.take(row);
        self.dense.logits()
    }

    fn check_room(&self, needed: usize) -> Result<(), ModelError> {
        let capacity = self.replay.context as usize;
        if needed > capacity { Err(ModelError::ContextFull { needed, capacity }) } else { Ok(()) }
    }
}

/// The draft model's sequence. It matters only how many tokens it holds, not which.
pub(super) struct ReplayDraft {
    rows: Rows,
    len: usize,
    has_logits: bool,
}

impl ReplayDraft {
    pub(super) fn new(replay: Arc<Replay>) -> Self {
        Self { rows: Rows::of_draft(replay), len: 0, has_logits: false }
    }
}

impl Sequence for ReplayDraft {
    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.rows.replay.context as usize
    }

    fn decode(&mut self, tokens: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.rows.check_room(self.len + tokens.len())?;
        self.len += tokens.len();
        self.rows.after(self.len);
        self.has_logits = true;
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        if self.has_logits { self.rows.dense.logits() } else { &[] }
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.len {
            (self.len, self.has_logits) = (len, false);
        }
        Ok(())
    }
}

/// The target's sequence.
pub(super) struct ReplayTarget {
    rows: Rows,
    /// Number of tokens up to the one that the first row of the last pass follows, that token included.
    first: usize,
    scratch: Scratch,
}

impl ReplayTarget {
    pub(super) fn new(rows: Rows) -> Self {
        Self { rows, first: 0, scratch: Scratch::default() }
    }
}

impl TargetSequence for ReplayTarget {
    fn pass(&mut self, start: usize, tokens: &[TokenId], rows: usize) -> Result<(), ModelError> {
        let end = start + tokens.len();
        self.rows.check_room(end)?;
        self.first = (end + 1).saturating_sub(rows);
        Ok(())
    }

    fn draw(&mut self, draw: Draw<'_>, keys: &TokenKeys) -> Result<Row, ModelError> {
        let logits = self.rows.after(self.first + draw.row);
        draw.of_logits(logits, &mut self.scratch, keys)
            .map_err(|error| ModelError::Decode { reason: error.to_string() })
    }
}

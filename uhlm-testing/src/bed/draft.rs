//! A synthetic draft model whose passes take virtual time.

use std::sync::Arc;
use std::time::Duration;

use uhlm_law::chat::DraftModel;
use uhlm_law::model::{Decoder, ModelError, Sequence};
use uhlm_law::sampling::TokenId;

use super::clock::BedClock;
use crate::synthetic::SyntheticModel;

/// The time that a pass takes: `pass + tokens x token`.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Time of every pass, whatever its tokens.
    pub pass: Duration,
    /// Further time for each token.
    pub token: Duration,
}

impl Times {
    /// Returns how long a pass over `tokens` tokens takes.
    #[must_use]
    pub fn of(&self, tokens: usize) -> Duration {
        self.pass + self.token * u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

/// The decoder of the draft model of a bed.
#[derive(Debug)]
pub struct BedDraft {
    /// Model that computes the logits.
    pub model: SyntheticModel,
    /// Virtual time that its passes take.
    pub times: Times,
    /// Clock that this time is charged to.
    pub clock: Arc<BedClock>,
}

impl From<BedDraft> for DraftModel {
    fn from(draft: BedDraft) -> Self {
        let model = Self::from(Arc::new(draft.model));
        Self { decoder: Arc::new(draft), ..model }
    }
}

impl Decoder for BedDraft {
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let inner = Arc::new(self.model).sequence(context, threads)?;
        Ok(Box::new(BedSequence { inner, model: self }))
    }
}

struct BedSequence {
    inner: Box<dyn Sequence>,
    model: Arc<BedDraft>,
}

impl Sequence for BedSequence {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.model.clock.compute(self.model.times.of(tokens.len()));
        self.inner.decode(tokens, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        self.inner.truncate(len)
    }
}

//! Keeps account of the engine's sequences ("slots"): which are free, and which tokens each of them holds.
//!
//! The tokens of a slot are kept one by one: when a long prompt's request is abandoned half-way and sent again, the
//! part that was decoded is found and not decoded a second time.

use std::sync::Arc;

use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::metrics::Metrics;
use crate::target::Target;

/// The engine's sequences.
#[derive(Debug)]
pub(super) struct Cache {
    /// Tokens that each slot holds.
    held: Vec<Vec<TokenId>>,
    free: Vec<u32>,
    capacity: usize,
    used: usize,
    /// The counters, which are told of each change at once, so that whoever has an answer finds it in them.
    metrics: Arc<Metrics>,
}

impl Cache {
    pub(super) fn new(target: &dyn Target, metrics: Arc<Metrics>) -> Self {
        let slots = target.info().slots;
        Self {
            held: (0..slots).map(|_| Vec::new()).collect(),
            free: (0..slots).rev().collect(),
            capacity: target.info().capacity,
            used: 0,
            metrics,
        }
    }

    /// Returns the number of slots.
    pub(super) fn slots(&self) -> usize {
        self.held.len()
    }

    /// Returns the number of tokens that all slots together can hold.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the number of tokens that still fit.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.used)
    }

    fn changed(&self) {
        self.metrics.slots_used.set((self.held.len() - self.free.len()) as i64);
        self.metrics.cached_tokens.set(self.used as i64);
    }

    /// Takes an empty slot; returns `None` if there is none.
    pub(super) fn take(&mut self) -> Option<u32> {
        let slot = self.free.pop();
        self.changed();
        slot
    }

    /// Empties a slot and gives it back.
    pub(super) fn release(&mut self, target: &mut dyn Target, slot: u32) -> Result<(), ModelError> {
        self.forget(target, slot)?;
        self.free.push(slot);
        self.changed();
        Ok(())
    }

    /// Returns the number of tokens that a slot holds.
    pub(super) fn len(&self, slot: u32) -> usize {
        self.held[slot as usize].len()
    }

    /// Returns the number of tokens at the front of a slot that agree with `wanted`.
    pub(super) fn common<'a>(&self, slot: u32, wanted: impl Iterator<Item = &'a TokenId>) -> usize {
        self.held[slot as usize].iter().zip(wanted).take_while(|(held, wanted)| held == wanted).count()
    }

    /// Notes tokens that a pass has added.
    pub(super) fn push(&mut self, slot: u32, tokens: &[TokenId]) {
        self.held[slot as usize].extend(tokens);
        self.used += tokens.len();
        self.changed();
    }

    /// Keeps only the first `len` tokens of a slot.
    pub(super) fn truncate(&mut self, target: &mut dyn Target, slot: u32, len: usize) -> Result<(), ModelError> {
        if len < self.len(slot) {
            target.truncate(slot, len)?;
            self.used -= self.len(slot) - len;
            self.held[slot as usize].truncate(len);
            self.changed();
        }
        Ok(())
    }

    /// Removes the tokens that a failed pass may have left after those that a slot is known to hold.
    pub(super) fn repair(&mut self, target: &mut dyn Target, slot: u32) -> Result<(), ModelError> {
        target.truncate(slot, self.len(slot))
    }

    /// Empties a slot, whatever the engine holds in it.
    pub(super) fn forget(&mut self, target: &mut dyn Target, slot: u32) -> Result<(), ModelError> {
        target.truncate(slot, 0)?;
        self.used -= self.len(slot);
        self.held[slot as usize].clear();
        self.changed();
        Ok(())
    }
}

//! Keeps account of the engine's sequences ("slots"): which are free, and which tokens each of them holds.
//!
//! An engine may have several contexts, each with its slots and its room; a slot stays in its context. The tokens of a
//! slot are kept one by one: when a long prompt's request is abandoned half-way and sent again, the
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
    contexts: Vec<Context>,
    /// Number of slots of each context but the last, which may have fewer.
    slots_each: usize,
    /// Number of tokens that one context holds.
    capacity: usize,
    /// The counters, which are told of each change at once, so that whoever has an answer finds it in them.
    metrics: Arc<Metrics>,
}

/// A context of the engine.
#[derive(Clone, Debug, Default)]
struct Context {
    free: Vec<u32>,
    /// Number of tokens in its cache.
    used: usize,
}

impl Cache {
    pub(super) fn new(target: &dyn Target, metrics: Arc<Metrics>) -> Self {
        let (slots, contexts) = (target.info().slots, target.contexts().max(1) as usize);
        let slots_each = (slots as usize).div_ceil(contexts).max(1);
        let mut cache = Self {
            held: (0..slots).map(|_| Vec::new()).collect(),
            contexts: vec![Context::default(); contexts],
            slots_each,
            capacity: target.info().capacity / contexts,
            metrics,
        };
        for slot in (0..slots).rev() {
            let context = cache.context_of(slot);
            cache.contexts[context].free.push(slot);
        }
        cache
    }

    /// Returns the context of a slot.
    pub(super) fn context_of(&self, slot: u32) -> usize {
        (slot as usize / self.slots_each).min(self.contexts.len() - 1)
    }

    /// Returns the number of contexts.
    pub(super) fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// Returns the context with a free slot that has most room; `None` if no slot is free.
    pub(super) fn roomiest(&self) -> Option<usize> {
        let with_free = (0..self.contexts.len()).filter(|&i| !self.contexts[i].free.is_empty());
        with_free.min_by_key(|&i| self.contexts[i].used)
    }

    /// Returns the number of slots.
    pub(super) fn slots(&self) -> usize {
        self.held.len()
    }

    /// Returns the number of tokens that the slots of one context together can hold.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the number of tokens that still fit into a context.
    pub(super) fn room(&self, context: usize) -> usize {
        self.capacity.saturating_sub(self.contexts[context].used)
    }

    fn changed(&self) {
        let free: usize = self.contexts.iter().map(|context| context.free.len()).sum();
        self.metrics.slots_used.set((self.held.len() - free) as i64);
        self.metrics.cached_tokens.set(self.contexts.iter().map(|context| context.used).sum::<usize>() as i64);
    }

    /// Takes an empty slot of a context; returns `None` if there is none.
    pub(super) fn take(&mut self, context: usize) -> Option<u32> {
        let slot = self.contexts[context].free.pop();
        self.changed();
        slot
    }

    /// Empties a slot and gives it back.
    pub(super) fn release(&mut self, target: &mut dyn Target, slot: u32) -> Result<(), ModelError> {
        self.forget(target, slot)?;
        let context = self.context_of(slot);
        self.contexts[context].free.push(slot);
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
        let context = self.context_of(slot);
        self.contexts[context].used += tokens.len();
        self.changed();
    }

    /// Has an empty slot hold the first `tokens` tokens of another one as well, if the engine can do that. They count
    /// for both: who goes first leaves them to the other.
    pub(super) fn share(
        &mut self,
        target: &mut dyn Target,
        source: u32,
        slot: u32,
        tokens: usize,
    ) -> Result<bool, ModelError> {
        if !target.share(source, slot, tokens)? {
            return Ok(false);
        }
        let shared = self.held[source as usize][..tokens].to_vec();
        self.push(slot, &shared);
        Ok(true)
    }

    /// Keeps only the first `len` tokens of a slot.
    pub(super) fn truncate(&mut self, target: &mut dyn Target, slot: u32, len: usize) -> Result<(), ModelError> {
        if len < self.len(slot) {
            target.truncate(slot, len)?;
            let context = self.context_of(slot);
            self.contexts[context].used -= self.len(slot) - len;
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
        let context = self.context_of(slot);
        self.contexts[context].used -= self.len(slot);
        self.held[slot as usize].clear();
        self.changed();
        Ok(())
    }
}

//! One sequence in a context of its own: the device's draft model.

use std::ops::Range;
use std::sync::Arc;

use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::sampling::TokenId;

use crate::context::{Entry, OwnedContext};
use crate::model::Model;
use crate::options::ContextOptions;

/// Version of the form in which llama.cpp writes the state of a sequence: `LLAMA_STATE_SEQ_VERSION` of `llama.h`, which
/// is not among the bindings. It changes with the pinned version of llama.cpp. Its bytes say so in files only, so it
/// stands before them here.
const STATE_VERSION: u32 = 4;

/// A sequence with its own context. Send, but used from one thread at a time.
pub struct LlamaSequence {
    context: OwnedContext,
    len: usize,
    /// Indices of the tokens of the last batch whose logits are valid.
    rows: Range<usize>,
}

impl LlamaSequence {
    pub(crate) fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        let context = OwnedContext::new(model, &ContextOptions { sequences: 1, ..options.clone() })?;
        Ok(Self { context, len: 0, rows: 0..0 })
    }

    /// Returns the model that it belongs to.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        self.context.model()
    }
}

impl Model {
    /// Makes a sequence in a context of its own.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new_sequence(self: &Arc<Self>, options: &ContextOptions) -> Result<LlamaSequence, ModelError> {
        LlamaSequence::new(Arc::clone(self), options)
    }
}

impl std::fmt::Debug for LlamaSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaSequence").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Sequence for LlamaSequence {
    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.context.capacity()
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.decode_rows(tokens, 1, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.rows.clone().last().map_or(&[], |index| self.context.logits(index))
    }

    fn max_rows(&self) -> usize {
        self.context.batch_size()
    }

    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        let needed = self.len + tokens.len();
        if needed > self.capacity() {
            return Err(ModelError::ContextFull { needed, capacity: self.capacity() });
        }
        let rows = rows.clamp(1, self.max_rows());
        let mut rest = tokens;
        while !rest.is_empty() {
            if cancelled() {
                return Err(ModelError::Cancelled);
            }
            self.rows = 0..0;
            let most = self.context.batch_size();
            // The rows share the last batch.
            let taken = if rest.len() <= most { rest.len() } else { most.min(rest.len() - rows) };
            let (chunk, after) = rest.split_at(taken);
            let (start, first_row) = (self.len, if after.is_empty() { taken.saturating_sub(rows) } else { taken });
            let entries = chunk.iter().enumerate().map(|(i, &id)| Entry {
                id,
                position: start + i,
                sequence: 0,
                logits: i >= first_row,
            });
            if let Err(error) = self.context.decode(entries) {
                // A failed pass may leave part of its tokens in the cache.
                self.context.truncate(0, self.len)?;
                return Err(error);
            }
            self.len += taken;
            self.rows = first_row..taken;
            rest = after;
        }
        Ok(())
    }

    fn logits_at(&self, row: usize) -> &[f32] {
        self.rows.clone().nth(row).map_or(&[], |index| self.context.logits(index))
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.len {
            self.context.truncate(0, len)?;
            self.len = len;
            self.rows = 0..0;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        if self.len == 0 {
            return Ok(None);
        }
        let mut saved = STATE_VERSION.to_le_bytes().to_vec();
        saved.extend(self.context.state(0)?);
        Ok(Some(saved))
    }

    fn restore(&mut self, len: usize, saved: &[u8]) -> Result<(), ModelError> {
        if len > self.capacity() {
            return Err(ModelError::ContextFull { needed: len, capacity: self.capacity() });
        }
        (self.len, self.rows) = (0, 0..0);
        let state = saved.strip_prefix(&STATE_VERSION.to_le_bytes());
        let state = state.filter(|_| len > 0);
        let Some(state) = state else {
            self.context.truncate(0, 0)?;
            return Err(ModelError::Decode { reason: "the cache was saved by another version of llama.cpp".into() });
        };
        self.context.set_state(0, len, state)?;
        self.len = len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uhlm_law::model::Decoder as _;

    use super::*;
    use crate::{CachePrecision, LoadOptions, Model};

    const CAPACITY: u32 = 256;

    fn sequence(batch: u32) -> LlamaSequence {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let model = Model::load(&path, &LoadOptions::default()).expect("the bundled draft model");
        let options = ContextOptions { context: CAPACITY, batch, ..ContextOptions::default() };
        model.new_sequence(&options).expect("a context")
    }

    fn decode(sequence: &mut LlamaSequence, tokens: &[TokenId]) {
        sequence.decode(tokens, &|| false).expect("fits");
    }

    #[test]
    fn logits_stay_valid_while_borrowed() {
        let (mut one, mut other) = (sequence(64), sequence(64));
        decode(&mut one, &[10, 11, 12]);
        let row = one.logits();
        let copy = row.to_vec();
        // What happens elsewhere, in the same model too, does not touch the row; `one.decode` here would not compile.
        decode(&mut other, &[20, 21, 22, 23]);
        drop(other);
        assert_eq!(row, copy);
        assert!(row.iter().all(|z| z.is_finite()));
    }

    #[test]
    fn a_long_input_in_chunks_gives_the_logits_of_one_pass() {
        let tokens: Vec<TokenId> = (0..100).map(|i| 3 + i * 7 % 500).collect();
        let (mut whole, mut chunked) = (sequence(128), sequence(16));
        decode(&mut whole, &tokens);
        decode(&mut chunked, &tokens);
        assert_eq!(chunked.len(), tokens.len());
        let apart = whole.logits().iter().zip(chunked.logits()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 0.05, "{apart}");
    }

    /// llama.cpp rounds such a context up to 256 tokens, but takes no more than 100 in a pass.
    #[test]
    fn a_context_shorter_than_a_batch_takes_all_that_it_holds() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let model = Model::load(&path, &LoadOptions::default()).expect("the bundled draft model");
        let options = ContextOptions { context: 100, batch: 256, ..ContextOptions::default() };
        let mut short = model.new_sequence(&options).expect("a context");
        assert_eq!((short.capacity(), short.max_rows()), (256, 100));
        decode(&mut short, &[7; 200]);
        assert_eq!(short.len(), 200);
    }

    #[test]
    fn after_a_rollback_the_logits_are_those_of_what_is_left() {
        let (mut rolled, mut fresh) = (sequence(64), sequence(64));
        decode(&mut rolled, &[5, 6, 7, 8, 9]);
        rolled.truncate(2).expect("rolls back");
        assert!(rolled.logits().is_empty());
        decode(&mut rolled, &[30]);
        decode(&mut fresh, &[5, 6, 30]);
        let apart = rolled.logits().iter().zip(fresh.logits()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(rolled.len() == 3 && apart < 0.05, "{apart}");
    }

    /// Returns how far apart the logits of two rows are at most.
    fn apart(one: &[f32], other: &[f32]) -> f32 {
        assert_eq!((one.len(), one.is_empty()), (other.len(), false));
        one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn rows_of_one_pass_are_those_of_a_pass_each_whatever_the_input_and_the_batch() {
        let tokens: Vec<TokenId> = (0..40).map(|i| 3 + i * 7 % 500).collect();
        for (batch, count, rows) in [(64, 40, 40), (64, 9, 4), (16, 40, 16), (16, 33, 5), (16, 17, 16)] {
            let (mut together, mut alone) = (sequence(batch), sequence(batch));
            together.decode_rows(&tokens[..count], rows, &|| false).expect("fits");
            decode(&mut alone, &tokens[..count - rows + 1]);
            for row in 0..rows {
                let difference = apart(together.logits_at(row), alone.logits());
                assert!(difference < 0.05, "row {row} of {rows} after {count} in {batch}: {difference}");
                if row + 1 < rows {
                    decode(&mut alone, &tokens[count - rows + row + 1..][..1]);
                }
            }
            assert_eq!(together.logits_at(rows - 1), together.logits());
            assert!(together.logits_at(rows).is_empty());
            assert_eq!(together.len(), count);
        }
    }

    #[test]
    fn rows_are_no_more_than_the_tokens_and_the_batch() {
        let mut sequence = sequence(16);
        assert_eq!(sequence.max_rows(), 16);
        sequence.decode_rows(&[5, 6, 7], 9, &|| false).expect("fits");
        assert!(!sequence.logits_at(2).is_empty() && sequence.logits_at(3).is_empty());
        sequence.decode_rows(&[8; 20], 19, &|| false).expect("fits");
        assert!(!sequence.logits_at(15).is_empty() && sequence.logits_at(16).is_empty());
        decode(&mut sequence, &[9]);
        assert!(!sequence.logits_at(0).is_empty() && sequence.logits_at(1).is_empty());
        sequence.truncate(4).expect("rolls back");
        assert!(sequence.logits_at(0).is_empty());
    }

    #[test]
    fn a_saved_cache_gives_the_logits_of_the_sequence_that_it_was_saved_of() {
        let tokens: Vec<TokenId> = (0..100).map(|i| 3 + i * 7 % 500).collect();
        let mut saved_of = sequence(64);
        assert_eq!(saved_of.save(), Ok(None), "nothing to save");
        decode(&mut saved_of, &tokens);
        let saved = saved_of.save().expect("saves").expect("a cache");
        let mut other = sequence(64);
        decode(&mut other, &[9; 30]);
        other.restore(tokens.len(), &saved).expect("takes it up");
        assert!(other.len() == tokens.len() && other.logits().is_empty());
        for (id, kept) in [(40, 101), (41, 51)] {
            decode(&mut saved_of, &[id]);
            decode(&mut other, &[id]);
            assert_eq!(saved_of.logits(), other.logits());
            // It can be rolled back as any other.
            saved_of.truncate(kept - 1).expect("rolls back");
            other.truncate(kept - 1).expect("rolls back");
        }
    }

    #[test]
    fn the_saved_cache_of_a_full_context_is_within_its_bound_and_the_bound_within_four_times_that() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        for cache in [CachePrecision::F16, CachePrecision::Q8] {
            let model = Model::load(&path, &LoadOptions { cache, ..LoadOptions::default() }).expect("a model");
            let options = ContextOptions { context: 1000, batch: 64, ..ContextOptions::default() };
            let mut full = model.new_sequence(&options).expect("a context");
            let bound = model.largest_cache(1000).expect("the header says its sizes");
            assert_eq!(bound.tokens, full.capacity());
            decode(&mut full, &vec![7; bound.tokens]);
            let saved = full.save().expect("saves").expect("a cache").len() as u64;
            assert!(saved <= bound.bytes && bound.bytes < saved * 4 + (1 << 20), "{saved} of {bound:?}");
        }
    }

    /// A cache of 8 bits takes half the memory, gives other logits, and is no cache of 16 bits.
    #[test]
    fn a_cache_of_8_bits_is_close_to_one_of_16_and_cannot_be_taken_for_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let load = LoadOptions { cache: CachePrecision::Q8, ..LoadOptions::default() };
        let model = Model::load(&path, &load).expect("heads of 32");
        let options = ContextOptions { context: CAPACITY, batch: 64, ..ContextOptions::default() };
        let mut small = model.new_sequence(&options).expect("a context");
        let mut large = sequence(64);
        let tokens: Vec<TokenId> = (0..100).map(|i| 3 + i * 7 % 500).collect();
        decode(&mut small, &tokens);
        decode(&mut large, &tokens);
        let apart = apart(small.logits(), large.logits());
        assert!(apart > 0.0 && apart < 0.5, "{apart}");
        let [small_state, large_state] =
            [&mut small, &mut large].map(|one| one.save().expect("saves").expect("a cache"));
        assert!(small_state.len() * 3 < large_state.len() * 2, "{} and {}", small_state.len(), large_state.len());
        assert!(matches!(large.restore(100, &small_state), Err(ModelError::Decode { .. })));
        assert!(matches!(small.restore(100, &large_state), Err(ModelError::Decode { .. })));
        small.restore(100, &small_state).expect("its own");
    }

    #[test]
    fn a_state_of_another_form_length_or_context_is_an_error_and_leaves_an_empty_sequence() {
        let mut saved_of = sequence(64);
        decode(&mut saved_of, &[5, 6, 7]);
        let saved = saved_of.save().expect("saves").expect("a cache");
        let mut other = sequence(64);
        let cut = &saved[..saved.len() - 1];
        let (empty, longer) = (&saved[..4], [&saved[..], &[0]].concat());
        let (mut later, mut odd) = (saved.clone(), saved.clone());
        later[0] ^= 1;
        // The count of cells.
        odd[16] = 200;
        for (what, len, state) in [
            ("cut", 3, cut),
            ("empty", 3, empty),
            ("longer", 3, &longer),
            ("later", 3, &later),
            ("odd", 3, &odd),
            ("fewer tokens", 2, &saved),
            ("no tokens", 0, &saved),
        ] {
            decode(&mut other, &[8]);
            assert!(matches!(other.restore(len, state), Err(ModelError::Decode { .. })), "{what}");
            assert_eq!(other.len(), 0, "{what}");
        }
        let capacity = other.capacity();
        let full = other.restore(capacity + 1, &saved);
        assert_eq!(full, Err(ModelError::ContextFull { needed: capacity + 1, capacity }));
        other.restore(3, &saved).expect("it is as good as new");
    }

    #[test]
    fn a_full_context_an_unknown_token_and_a_cancel_leave_what_was_decoded() {
        let mut sequence = sequence(64);
        decode(&mut sequence, &[5, 6]);
        let room = sequence.capacity();
        let too_many = vec![7; room];
        assert_eq!(
            sequence.decode(&too_many, &|| false),
            Err(ModelError::ContextFull { needed: room + 2, capacity: room })
        );
        assert_eq!(sequence.decode(&[1 << 20], &|| false), Err(ModelError::UnknownToken { id: 1 << 20 }));
        assert_eq!(sequence.decode(&[7], &|| true), Err(ModelError::Cancelled));
        assert_eq!(sequence.len(), 2);
        decode(&mut sequence, &[7]);
        assert_eq!(sequence.len(), 3);
    }
}

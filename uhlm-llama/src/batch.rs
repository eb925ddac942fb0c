//! Many sequences in one context: the verifier's target model.

use std::sync::Arc;

use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::context::{Entry, OwnedContext};
use crate::model::Model;
use crate::options::ContextOptions;

/// One token of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchToken {
    /// Id of the token.
    pub id: TokenId,
    /// Position of the token in its sequence, from 0.
    pub position: usize,
    /// Number of its sequence, below [`ContextOptions::sequences`].
    pub sequence: u32,
    /// Whether the logits after it are wanted.
    pub logits: bool,
}

/// A context whose sequences are decoded together. All sequences share its capacity.
pub struct BatchContext {
    context: OwnedContext,
    sequences: u32,
    /// Whether each token of the last pass has logits; empty after a failed pass.
    rows: Vec<bool>,
}

impl std::fmt::Debug for BatchContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchContext").field("sequences", &self.sequences).finish_non_exhaustive()
    }
}

impl BatchContext {
    /// Makes a context with `options.sequences` empty sequences.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        Ok(Self { context: OwnedContext::new(model, options)?, sequences: options.sequences.max(1), rows: Vec::new() })
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        self.context.model()
    }

    /// Returns the number of tokens that fit, all sequences together.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.context.capacity()
    }

    /// Returns the largest number of tokens in one pass.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.context.batch_size()
    }

    /// Decodes tokens of any sequences in one pass; positions of a sequence must continue what it holds.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`] when no room is left, [`ModelError::Decode`] for more than [`Self::batch_size`]
    /// tokens or a failing engine. The sequences involved then hold an undefined tail: truncate them to what they held.
    pub fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        if tokens.is_empty() {
            return Ok(());
        }
        if tokens.len() > self.batch_size() || tokens.iter().any(|t| t.sequence >= self.sequences) {
            return Err(ModelError::Decode {
                reason: format!(
                    "a batch of {} tokens for at most {} in {} sequences",
                    tokens.len(),
                    self.batch_size(),
                    self.sequences
                ),
            });
        }
        self.rows.clear();
        self.context.decode(tokens.iter().map(|t| Entry {
            id: t.id,
            position: t.position,
            sequence: t.sequence,
            logits: t.logits,
        }))?;
        self.rows.extend(tokens.iter().map(|t| t.logits));
        Ok(())
    }

    /// Returns the logits after the `index`-th token of the last pass; `None` unless that pass succeeded and the token
    /// asked for them.
    #[must_use]
    pub fn logits(&self, index: usize) -> Option<&[f32]> {
        self.rows.get(index).is_some_and(|&row| row).then(|| self.context.logits(index))
    }

    /// Has an empty sequence hold the first `tokens` tokens of another one as well, which are then in the cache once;
    /// returns `false`, and changes nothing, where each sequence has a cache of its own.
    ///
    /// # Errors
    /// [`ModelError::Decode`] for a sequence that does not exist, or a failing engine.
    pub fn share(&mut self, source: u32, sequence: u32, tokens: usize) -> Result<bool, ModelError> {
        if source.max(sequence) >= self.sequences || source == sequence {
            return Err(ModelError::Decode { reason: format!("sequence {sequence} cannot share tokens of {source}") });
        }
        self.context.share(source, sequence, tokens)
    }

    /// Forgets a sequence's tokens from position `from` on.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine cannot roll back.
    pub fn truncate(&mut self, sequence: u32, from: usize) -> Result<(), ModelError> {
        self.context.truncate(sequence, from)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{LoadError, LoadOptions};

    /// Loads the demo target.
    fn target(batch_invariant: bool) -> Result<Arc<Model>, LoadError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-target.gguf");
        Model::load(&path, &LoadOptions { batch_invariant, ..LoadOptions::default() })
    }

    /// Makes a context of the demo target with room for four sequences.
    fn context(micro_batch: u32) -> BatchContext {
        context_on(target(false).expect("the bundled target model"), micro_batch)
    }

    fn context_on(model: Arc<Model>, micro_batch: u32) -> BatchContext {
        let options =
            ContextOptions { context: 1024, threads: 1, micro_batch, sequences: 4, ..ContextOptions::default() };
        BatchContext::new(model, &options).expect("a context")
    }

    fn text(salt: u32, len: u32) -> Vec<TokenId> {
        (0..len).map(|i| 3 + (i * 7 + salt * 131) % 500).collect()
    }

    fn entries(sequence: u32, from: usize, ids: &[TokenId]) -> Vec<BatchToken> {
        let entry = |(i, &id)| BatchToken { id, position: from + i, sequence, logits: true };
        ids.iter().enumerate().map(entry).collect()
    }

    /// Returns the bits of the rows of `count` tokens of the last pass, from token `first` on.
    fn bits(context: &BatchContext, first: usize, count: usize) -> Vec<Vec<u32>> {
        let row = |index| context.logits(index).expect("a row").iter().map(|z| z.to_bits()).collect();
        (first..first + count).map(row).collect()
    }

    /// Returns the rows of 60 tokens, all in one pass.
    fn alone(mut context: BatchContext) -> Vec<Vec<u32>> {
        context.decode(&entries(0, 0, &text(0, 60))).expect("decoded");
        bits(&context, 0, 60)
    }

    /// Returns the rows of the same tokens in passes of many sizes, in the third sequence, every other time between
    /// tokens of two others, after a rollback. Halfway, cells before its own become free and are used.
    fn among_others(mut context: BatchContext) -> Vec<Vec<u32>> {
        let ids = text(0, 60);
        context.decode(&entries(1, 0, &text(1, 45))).expect("decoded");
        context.decode(&entries(2, 0, &text(4, 30))).expect("decoded");
        context.truncate(2, 0).expect("rolls back");
        context.decode(&entries(3, 0, &text(5, 40))).expect("decoded");
        let (mut rows, mut done, mut others) = (Vec::new(), 0, 0);
        for (i, size) in [1, 13, 1, 2, 3, 24, 7, 9].into_iter().enumerate() {
            let company = if i % 2 == 0 { 0 } else { 5 };
            let before = entries(0, others, &text(2, company));
            let after = entries(1, 45 + others, &text(3, company));
            others += company as usize;
            let own = entries(2, done, &ids[done..done + size]);
            let first = before.len();
            context.decode(&[before, own, after].concat()).expect("decoded");
            rows.extend(bits(&context, first, size));
            done += size;
            if i == 3 {
                context.truncate(3, 0).expect("rolls back");
            }
        }
        rows
    }

    #[test]
    fn with_one_row_at_a_time_logits_are_equal_to_the_bit_whatever_the_pass_and_the_context_hold() {
        assert_eq!(alone(context(1)), among_others(context(1)));
    }

    #[test]
    fn with_whole_passes_at_once_they_are_equal_but_for_rounding() {
        let (alone, among) = (alone(context(0)), among_others(context(0)));
        let differ = alone.iter().zip(&among).filter(|(a, b)| a != b).count();
        assert!(differ > 0, "the test of one row at a time shows nothing where this one finds no difference");
        let apart = alone.iter().flatten().zip(among.iter().flatten());
        let apart = apart.map(|(a, b)| (f32::from_bits(*a) - f32::from_bits(*b)).abs()).fold(0.0, f32::max);
        assert!(apart < 0.05, "{apart}");
    }

    /// Bundled builds have llamafile's kernels, so there the model is refused. Elsewhere, with
    /// `GGML_LLAMAFILE=OFF GGML_CPU_TILED_MM=0 cargo test`, whole passes are compared.
    #[test]
    fn rows_of_a_batch_invariant_model_are_equal_to_the_bit_in_whole_passes_or_it_is_refused() {
        match target(true) {
            Ok(model) => {
                let among = among_others(context_on(Arc::clone(&model), 0));
                assert_eq!(alone(context_on(model, 0)), among);
            }
            Err(error) => assert!(matches!(error, LoadError::NotInvariant(_)), "{error}"),
        }
    }

    #[test]
    fn a_sequence_that_shares_tokens_of_another_goes_on_as_if_it_had_decoded_them() {
        let mut shared = context(0);
        let prefix = text(1, 40);
        shared.decode(&entries(0, 0, &prefix)).expect("room");
        assert!(shared.share(0, 1, 32).expect("one cache"));
        // The first sequence goes, and the other keeps what both had.
        shared.truncate(0, 0).expect("rolls back");
        let rest = text(2, 8);
        shared.decode(&entries(1, 32, &rest)).expect("room");
        let mut alone = context(0);
        alone.decode(&entries(1, 0, &prefix[..32])).expect("room");
        alone.decode(&entries(1, 32, &rest)).expect("room");
        for index in 0..rest.len() {
            let (one, other) = (shared.logits(index).expect("a row"), alone.logits(index).expect("a row"));
            let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 0.05, "row {index} is apart by {apart}");
        }
        assert!(shared.share(1, 1, 4).is_err() && shared.share(0, 9, 4).is_err(), "no such pair");
        assert!(!context(1).share(0, 1, 4).expect("caches of their own"));
    }
}

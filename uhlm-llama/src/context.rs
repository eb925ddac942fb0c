//! A context of llama.cpp together with the model that it needs.

use std::cell::OnceCell;
use std::sync::{Arc, PoisonError};

use uhlm_law::model::{ModelError, Vocabulary as _};

use crate::memory::MemoryError;
use crate::model::Model;
use crate::native::{self, ContextShape, DecodeFailure, Thrown};
use crate::options::{CachePrecision, ContextOptions, MAX_THREADS};

pub(crate) use crate::native::Entry;

fn threads(options: &ContextOptions, model: &Model) -> u32 {
    if options.threads == 0 { model.sensible_threads(MAX_THREADS) } else { options.threads.min(256) }
}

fn not_enough(error: MemoryError) -> ModelError {
    match error {
        MemoryError::NotEnough { context, needed, available, fits } => {
            ModelError::NotEnoughMemory { context, needed, available, fits }
        }
        other => ModelError::Decode { reason: other.to_string() },
    }
}

/// A context and the model that it belongs to.
pub(crate) struct OwnedContext {
    // It stands before the model, so that it is dropped first.
    context: native::Context,
    model: Arc<Model>,
    batch_size: usize,
    capacity: usize,
    /// Rows of the last batch in which whatever stands for no token has the logit `-inf`, made when they are looked at;
    /// none for a vocabulary without holes.
    patched: Vec<OnceCell<Box<[f32]>>>,
    /// Whether all sequences share one cache.
    unified: bool,
}

impl OwnedContext {
    pub(crate) fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        let batch = options.batch.clamp(1, 8192);
        let micro_batch = if options.micro_batch == 0 { batch } else { options.micro_batch.min(batch) };
        let shape = ContextShape {
            tokens: model.checked_context(options.context).map_err(not_enough)?,
            batch,
            micro_batch,
            sequences: options.sequences.max(1),
            // One buffer for all sequences: a session may use what others leave. Its tokens then lie wherever there
            // was room, and attention adds them up in that order (1.5e-2 in a logit of the demo target). Where rows
            // are to be equal to the bit, each sequence has a buffer of its own.
            unified: micro_batch != 1 && !model.is_batch_invariant(),
            quantised_cache: model.cache() == CachePrecision::Q8,
            batch_invariant: model.is_batch_invariant(),
            threads: threads(options, &model),
            waiting: options.waiting,
        };
        let context = {
            let _one_at_a_time = model.context_lock().lock().unwrap_or_else(PoisonError::into_inner);
            native::Context::new(model.inner(), shape)
        };
        let context =
            context.map_err(|Thrown(reason)| ModelError::Decode { reason: format!("no context: {reason}") })?;
        let (capacity, batch_size) = (context.capacity(), context.batch().min(batch as usize).max(1));
        Ok(Self { context, model, batch_size, capacity, patched: Vec::new(), unified: shape.unified })
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Decodes at most [`Self::batch_size`] tokens in one pass.
    pub(crate) fn decode(&mut self, entries: impl Iterator<Item = Entry> + Clone) -> Result<(), ModelError> {
        let size = self.model.language.vocabulary.size();
        if let Some(unknown) = entries.clone().find(|entry| entry.id as usize >= size) {
            return Err(ModelError::UnknownToken { id: unknown.id });
        }
        self.patched.clear();
        if !self.model.language.vocabulary.holes().is_empty() {
            self.patched.extend(entries.clone().map(|_| OnceCell::new()));
        }
        self.context.decode(entries).map_err(|failure| match failure {
            DecodeFailure::Full => ModelError::ContextFull { needed: self.capacity + 1, capacity: self.capacity },
            DecodeFailure::Failed(reason) => ModelError::Decode { reason },
        })
    }

    /// Returns the logits after the `index`-th token of the last batch, up to the last token of the vocabulary, `-inf`
    /// for a row before it that stands for no token; empty unless the batch asked for them.
    pub(crate) fn logits(&self, index: usize) -> &[f32] {
        let vocabulary = &self.model.language.vocabulary;
        let row = self.context.logits(index);
        let row = &row[..vocabulary.size().min(row.len())];
        let Some(patched) = self.patched.get(index) else { return row };
        patched.get_or_init(|| {
            let mut row: Box<[f32]> = row.into();
            for &hole in vocabulary.holes() {
                if let Some(z) = row.get_mut(hole as usize) {
                    *z = f32::NEG_INFINITY;
                }
            }
            row
        })
    }

    /// Has an empty sequence hold the first `tokens` tokens of another one as well; returns `false` where each sequence
    /// has a cache of its own.
    pub(crate) fn share(&mut self, source: u32, sequence: u32, tokens: usize) -> Result<bool, ModelError> {
        if !self.unified {
            return Ok(false);
        }
        let shared = self.context.share(source, sequence, tokens);
        shared.map_err(|error| ModelError::Decode { reason: format!("the cache cannot be shared: {error}") })?;
        Ok(true)
    }

    /// Removes a sequence's tokens from position `from` on.
    pub(crate) fn truncate(&mut self, sequence: u32, from: usize) -> Result<(), ModelError> {
        self.context
            .truncate(sequence, from)
            .map_err(|error| ModelError::Decode { reason: format!("the cache cannot be rolled back: {error}") })
    }

    /// Returns the cache of a sequence in llama.cpp's own form.
    pub(crate) fn state(&mut self, sequence: u32) -> Result<Vec<u8>, ModelError> {
        let state = self.context.state(sequence);
        state.map_err(|error| ModelError::Decode { reason: format!("the cache cannot be saved: {error}") })
    }

    /// Takes up the cache of a sequence of `len` tokens; on an error the sequence holds nothing.
    pub(crate) fn set_state(&mut self, sequence: u32, len: usize, state: &[u8]) -> Result<(), ModelError> {
        self.patched.clear();
        let taken = self.context.set_state(sequence, len, state);
        taken.map_err(|error| ModelError::Decode { reason: format!("the cache cannot be taken up: {error}") })
    }
}

/// Two threads spin at barriers, which takes long where the cores are busy: few tokens, and no time is looked at.
#[cfg(test)]
mod tests {
    use std::path::Path;

    use uhlm_law::model::Sequence as _;
    use uhlm_law::sampling::TokenId;

    use super::*;
    use crate::{LlamaSequence, LoadOptions, Waiting};

    fn demo() -> Arc<Model> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        Model::load(&path, &LoadOptions::default()).expect("the bundled draft model")
    }

    fn sequence(model: &Arc<Model>, threads: u32, waiting: Waiting) -> LlamaSequence {
        let options = ContextOptions { context: 256, threads, waiting, ..ContextOptions::default() };
        model.new_sequence(&options).expect("a context")
    }

    /// Writes the most probable tokens after a prompt; returns them with the bits of the last logits.
    fn written(mut sequence: LlamaSequence, salt: u32) -> (Vec<TokenId>, Vec<u32>) {
        let mut tokens: Vec<TokenId> = (0..12).map(|i| 3 + (i * 7 + salt * 131) % 500).collect();
        sequence.decode(&tokens, &|| false).expect("fits");
        for _ in 0..5 {
            let best = sequence.logits().iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let next = best.map(|(id, _)| id as TokenId).expect("logits");
            sequence.decode(&[next], &|| false).expect("fits");
            tokens.push(next);
        }
        (tokens, sequence.logits().iter().map(|z| z.to_bits()).collect())
    }

    #[test]
    fn threads_that_stay_write_what_threads_of_each_pass_write_whatever_they_do_between_passes() {
        let model = demo();
        let expected = written(sequence(&model, 2, Waiting::Ended), 1);
        for waiting in [Waiting::Sleep, Waiting::Poll(1)] {
            assert_eq!(written(sequence(&model, 2, waiting), 1), expected, "{waiting:?}");
        }
    }

    #[test]
    fn two_sequences_of_a_model_compute_at_once_with_threads_of_their_own() {
        let model = demo();
        let expected = [1, 2].map(|salt| written(sequence(&model, 2, Waiting::Sleep), salt));
        let both = [1, 2].map(|salt| {
            let sequence = sequence(&model, 2, Waiting::Sleep);
            std::thread::spawn(move || written(sequence, salt))
        });
        assert_eq!(both.map(|thread| thread.join().expect("no panic")), expected);
    }

    #[test]
    fn contexts_and_their_model_may_be_dropped_in_any_order_and_on_any_thread() {
        let model = demo();
        let mut first = sequence(&model, 2, Waiting::Sleep);
        let [unused, mut last] = [0, 1].map(|_| sequence(&model, 2, Waiting::Sleep));
        drop(model);
        first.decode(&[5, 6], &|| false).expect("fits");
        drop(first);
        drop(unused);
        last.decode(&[5, 6], &|| false).expect("fits");
        std::thread::spawn(move || drop(last)).join().expect("no panic");
    }

    /// Threads have the name of the one that made them, so those of other tests are told apart. OpenMP's are its own.
    #[cfg(all(target_os = "linux", not(feature = "openmp")))]
    #[test]
    fn a_context_has_the_threads_that_were_asked_for_and_ends_them() {
        const NAME: &str = "test-of-threads";
        let named = || {
            let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
            names.filter(|name| name.trim() == NAME).count()
        };
        let model = demo();
        let body = move || {
            assert_eq!(named(), 1);
            let contexts = [1, 2, 4].map(|threads| sequence(&model, threads, Waiting::Sleep));
            assert_eq!(named(), 1 + 1 + 3);
            drop(contexts);
            for _ in 0..20 {
                drop(sequence(&model, 4, Waiting::Sleep));
            }
            // The kernel lists a thread for a moment after it was joined.
            let looks = (0..1000).take_while(|_| named() > 1);
            looks.for_each(|_| std::thread::sleep(std::time::Duration::from_millis(10)));
            assert_eq!(named(), 1);
        };
        let thread = std::thread::Builder::new().name(NAME.into()).spawn(body).expect("a thread");
        thread.join().expect("no panic");
    }
}

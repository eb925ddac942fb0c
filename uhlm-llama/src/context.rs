//! A llama.cpp context together with the model it borrows.

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError};

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use self_cell::self_cell;
use uhlm_law::model::{ModelError, Vocabulary as _};

use crate::backend::backend;
use crate::model::Model;
use crate::options::{ContextOptions, MAX_THREADS};

self_cell!(
    struct Cell {
        owner: Arc<Model>,
        #[not_covariant]
        dependent: LlamaContext,
    }
);

fn threads(options: &ContextOptions, model: &Model) -> i32 {
    let threads = if options.threads == 0 { model.sensible_threads(MAX_THREADS) } else { options.threads.min(256) };
    threads as i32
}

/// A context, its batch and the model they belong to.
pub(crate) struct OwnedContext {
    cell: Cell,
    batch: LlamaBatch<'static>,
    batch_size: usize,
    capacity: usize,
    /// Rows of the last batch in which what stands for no token has the logit `-inf`, made when they are looked at;
    /// none for a vocabulary without holes.
    patched: Vec<OnceCell<Box<[f32]>>>,
}

/// One token of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) sequence: u32,
    pub(crate) logits: bool,
}

impl OwnedContext {
    pub(crate) fn new(model: Arc<Model>, options: &ContextOptions) -> Result<Self, ModelError> {
        let batch_size = options.batch.clamp(1, 8192);
        let micro_batch = if options.micro_batch == 0 { batch_size } else { options.micro_batch.min(batch_size) };
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(if options.context == 0 { model.trained_context() } else { options.context }))
            .with_n_batch(batch_size)
            .with_n_ubatch(micro_batch)
            .with_n_seq_max(options.sequences.max(1))
            // One buffer for all sequences: a session may use what others leave. Its tokens then lie wherever there
            // was room, and attention adds them up in that order (1.5e-2 in a logit of the demo target). Where rows
            // are to be equal to the bit, each sequence has a buffer of its own.
            .with_kv_unified(micro_batch != 1)
            .with_n_threads(threads(options, &model))
            .with_n_threads_batch(threads(options, &model))
            .with_no_perf(true);
        let cell = Cell::try_new(model, |model| {
            let _one_at_a_time = model.context_lock().lock().unwrap_or_else(PoisonError::into_inner);
            model.inner().new_context(backend(), params)
        })
        .map_err(|error| ModelError::Decode { reason: format!("no context: {error}") })?;
        let capacity = cell.with_dependent(|_, context| context.n_ctx()) as usize;
        Ok(Self {
            cell,
            batch: LlamaBatch::new(batch_size as usize, 1),
            batch_size: batch_size as usize,
            capacity,
            patched: Vec::new(),
        })
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        self.cell.borrow_owner()
    }

    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Decodes at most [`Self::batch_size`] tokens in one pass.
    pub(crate) fn decode(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), ModelError> {
        self.batch.clear();
        self.patched.clear();
        let (vocabulary_size, has_holes) = {
            let vocabulary = &self.model().vocabulary;
            (vocabulary.size(), !vocabulary.holes().is_empty())
        };
        for entry in entries {
            if entry.id as usize >= vocabulary_size {
                return Err(ModelError::UnknownToken { id: entry.id });
            }
            if has_holes {
                self.patched.push(OnceCell::new());
            }
            self.batch
                .add(LlamaToken::new(entry.id as i32), entry.position as i32, &[entry.sequence as i32], entry.logits)
                .map_err(|error| ModelError::Decode { reason: error.to_string() })?;
        }
        let batch = &mut self.batch;
        self.cell.with_dependent_mut(|_, context| context.decode(batch)).map_err(|error| match error {
            DecodeError::NoKvCacheSlot => {
                ModelError::ContextFull { needed: self.capacity + 1, capacity: self.capacity }
            }
            other => ModelError::Decode { reason: other.to_string() },
        })
    }

    /// Logits after the `index`-th token of the last batch, which must have asked for them, up to the last token of the
    /// vocabulary; what stands for no token before it has `-inf`.
    pub(crate) fn logits(&self, index: usize) -> &[f32] {
        let vocabulary = &self.model().vocabulary;
        let row = self.row(index);
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

    /// The logits as llama.cpp has them, one a row of the model.
    fn row(&self, index: usize) -> &[f32] {
        // `with_dependent` cannot lend past its closure because the dependent is invariant, so the pointer is taken
        // inside and the slice rebuilt outside.
        let (pointer, length) = self.cell.with_dependent(|_, context| {
            let logits = context.get_logits_ith(index as i32);
            (logits.as_ptr(), logits.len())
        });
        // SAFETY: llama.cpp owns the logits buffer for as long as the context lives, which is as long as `self`, and
        // rewrites it only in `decode`, which needs `&mut self`. Tested in `logits_stay_valid_while_borrowed`.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(pointer, length)
        }
    }

    /// Removes a sequence's tokens from position `from` on.
    pub(crate) fn truncate(&mut self, sequence: u32, from: usize) -> Result<(), ModelError> {
        self.cell
            .with_dependent_mut(|_, context| context.kv_cache_seq_rm(sequence as i32, Some(from as u32), None))
            .map_err(|error| ModelError::Decode { reason: format!("the cache cannot be rolled back: {error}") })
    }
}

//! A context on a model: its cache, its threads, a batch, and the logits of the last pass.

use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::guard::{Assertions, Thrown, guarded};
use super::model::Model;
use super::thread_pool::ThreadPool;
use super::{
    llama_attach_threadpool, llama_decode, llama_free, llama_get_logits_ith, llama_get_memory, llama_init_from_model,
    llama_memory_seq_cp, llama_memory_seq_pos_max, llama_memory_seq_pos_min, llama_memory_seq_rm,
    llama_state_seq_get_data, llama_state_seq_get_size, llama_state_seq_set_data,
};
use crate::waiting::Waiting;

/// The sizes of a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContextShape {
    pub(crate) tokens: u32,
    pub(crate) batch: u32,
    pub(crate) micro_batch: u32,
    pub(crate) sequences: u32,
    /// Whether all sequences share one cache; otherwise each has an equal part.
    pub(crate) unified: bool,
    /// Whether keys and values are kept in 8 bits.
    pub(crate) quantised_cache: bool,
    /// Whether attention takes the kernel whose rows do not depend on how many there are.
    pub(crate) batch_invariant: bool,
    pub(crate) threads: u32,
    pub(crate) waiting: Waiting,
}

/// One token of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) position: usize,
    pub(crate) sequence: u32,
    pub(crate) logits: bool,
}

/// The reason why a pass failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecodeFailure {
    /// The cache has no room.
    Full,
    /// The pass failed for another reason, in llama.cpp's words.
    Failed(String),
}

/// A context of llama.cpp. It must not outlive its model.
pub(crate) struct Context {
    context: NonNull<sys::llama_context>,
    assertions: Assertions,
    vocabulary: usize,
    /// Whether a call threw half way, so that the contents of the context are unknown.
    broken: bool,
    batch: Batch,
    /// Threads that stay between passes. They are ended after `drop` has freed the context.
    threads: Option<ThreadPool>,
}

// SAFETY: a context is bound to no thread; it is not shared between threads (`&mut self`, and no `Sync`).
unsafe impl Send for Context {}

/// The arrays that llama.cpp wants of a batch.
#[derive(Default)]
struct Batch {
    tokens: Vec<i32>,
    positions: Vec<i32>,
    sequence_counts: Vec<i32>,
    sequences: Vec<i32>,
    sequence_lists: Vec<*mut i32>,
    logits: Vec<i8>,
}

impl Batch {
    fn fill(&mut self, entries: impl Iterator<Item = Entry>) -> sys::llama_batch {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.logits.clear();
        for entry in entries {
            self.tokens.push(entry.id.cast_signed());
            self.positions.push(i32::try_from(entry.position).unwrap_or(i32::MAX));
            self.sequences.push(entry.sequence.cast_signed());
            self.logits.push(entry.logits.into());
        }
        self.sequence_counts.clear();
        self.sequence_counts.resize(self.tokens.len(), 1);
        self.sequence_lists.clear();
        self.sequence_lists.extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: i32::try_from(self.tokens.len()).unwrap_or(i32::MAX),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.sequence_counts.as_mut_ptr(),
            seq_id: self.sequence_lists.as_mut_ptr(),
            logits: self.logits.as_mut_ptr(),
        }
    }
}

impl Context {
    /// Makes a context. Writes to the model inside llama.cpp, so one at a time.
    pub(crate) fn new(model: &Model, shape: ContextShape) -> Result<Self, Thrown> {
        // SAFETY: it only fills in numbers.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = shape.tokens;
        params.n_batch = shape.batch;
        params.n_ubatch = shape.micro_batch;
        params.n_seq_max = shape.sequences;
        params.kv_unified = shape.unified;
        params.n_threads = shape.threads.cast_signed();
        params.n_threads_batch = shape.threads.cast_signed();
        params.no_perf = true;
        // Otherwise llama.cpp has a GPU compute large passes of a model whose weights are not there.
        (params.op_offload, params.offload_kqv) = (model.on_gpu, model.on_gpu);
        if shape.quantised_cache {
            (params.type_k, params.type_v) = (sys::GGML_TYPE_Q8_0, sys::GGML_TYPE_Q8_0);
            // No other kernel reads values of 8 bits.
            params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_ENABLED;
        }
        if shape.batch_invariant {
            params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_DISABLED;
        }
        let pointer = model.model.as_ptr();
        // SAFETY: the model lives, and whoever calls keeps it for as long as the context.
        let made = guarded(Assertions::Throw, || unsafe { llama_init_from_model(pointer, params) })?;
        let context = NonNull::new(made).ok_or_else(|| Thrown("llama.cpp made no context".into()))?;
        // Where a pass has several threads, the others would wait for ever for one that left it.
        let assertions = if shape.threads == 1 { Assertions::Throw } else { Assertions::Abort };
        let vocabulary = model.tokens() as usize;
        let mut made = Self { context, assertions, vocabulary, broken: false, batch: Batch::default(), threads: None };
        made.take_threads(shape)?;
        Ok(made)
    }

    /// Gives the context threads that stay, where it has more than the one that calls.
    fn take_threads(&mut self, shape: ContextShape) -> Result<(), Thrown> {
        if shape.threads < 2 {
            return Ok(());
        }
        let poll = match shape.waiting {
            Waiting::Ended => return Ok(()),
            Waiting::Sleep => 0,
            Waiting::Poll(rounds) => rounds.into(),
        };
        let pool = ThreadPool::new(shape.threads, poll)?;
        let (context, attached) = (self.context.as_ptr(), pool.as_ptr());
        // SAFETY: both live, and the pool is ended after the context. It has as many threads as any pass asks for.
        guarded(Assertions::Throw, || unsafe { llama_attach_threadpool(context, attached, attached) })?;
        self.threads = Some(pool);
        Ok(())
    }

    /// Returns the number of tokens that fit.
    pub(crate) fn capacity(&self) -> usize {
        // SAFETY: a look at a field.
        unsafe { sys::llama_n_ctx(self.context.as_ptr()) as usize }
    }

    /// Returns the largest number of tokens in one pass: fewer than were asked for where the context is short.
    pub(crate) fn batch(&self) -> usize {
        // SAFETY: a look at a field.
        unsafe { sys::llama_n_batch(self.context.as_ptr()) as usize }
    }

    /// Decodes tokens, at most a batch, in one pass.
    pub(crate) fn decode(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), DecodeFailure> {
        if self.broken {
            return Err(DecodeFailure::Failed("an earlier pass of this context broke off".into()));
        }
        let (context, batch) = (self.context.as_ptr(), self.batch.fill(entries));
        // SAFETY: the context lives, the arrays of the batch have its length and outlive the call.
        let result = guarded(self.assertions, || unsafe { llama_decode(context, batch) });
        match result {
            Ok(0) => Ok(()),
            Ok(1) => Err(DecodeFailure::Full),
            Ok(code) => Err(DecodeFailure::Failed(format!("llama.cpp's pass ended with code {code}"))),
            Err(thrown) => {
                self.broken = true;
                // They may wait in the middle of the pass for the thread that left it, and would never end.
                std::mem::forget(self.threads.take());
                Err(DecodeFailure::Failed(thrown.0))
            }
        }
    }

    /// Returns the logits after the `index`-th token of the last pass; empty if it did not ask for them.
    pub(crate) fn logits(&self, index: usize) -> &[f32] {
        let (context, index) = (self.context.as_ptr(), i32::try_from(index).unwrap_or(i32::MAX));
        // SAFETY: the context lives; llama.cpp answers a wrong index with null.
        let row = guarded(Assertions::Throw, || unsafe { llama_get_logits_ith(context, index) });
        match row {
            Ok(row) if !row.is_null() && !self.broken => {
                // SAFETY: llama.cpp owns a row of the vocabulary's size for as long as the context lives, which is as
                // long as `self`, and rewrites it only in `decode`, which needs `&mut self`. Tested in
                // `logits_stay_valid_while_borrowed`.
                unsafe { std::slice::from_raw_parts(row, self.vocabulary) }
            }
            _ => &[],
        }
    }

    /// Has a sequence hold the first `tokens` tokens of another one as well. The cache must be one for all sequences.
    pub(crate) fn share(&mut self, source: u32, sequence: u32, tokens: usize) -> Result<(), Thrown> {
        let (context, source, sequence) = (self.context.as_ptr(), source.cast_signed(), sequence.cast_signed());
        let to = i32::try_from(tokens).unwrap_or(i32::MAX);
        // SAFETY: the context lives, and its memory as long.
        guarded(Assertions::Throw, || unsafe {
            llama_memory_seq_cp(llama_get_memory(context), source, sequence, 0, to);
        })
    }

    /// Removes a sequence's tokens from position `from` on; an error where the cache cannot.
    pub(crate) fn truncate(&mut self, sequence: u32, from: usize) -> Result<(), Thrown> {
        let (context, sequence) = (self.context.as_ptr(), sequence.cast_signed());
        let from = i32::try_from(from).unwrap_or(i32::MAX);
        // SAFETY: the context lives, and its memory as long.
        let removed = guarded(Assertions::Throw, || unsafe {
            llama_memory_seq_rm(llama_get_memory(context), sequence, from, -1)
        })?;
        if removed { Ok(()) } else { Err(Thrown("a part of the sequence cannot be removed".into())) }
    }

    /// Returns the cache of a sequence in llama.cpp's own form.
    pub(crate) fn state(&mut self, sequence: u32) -> Result<Vec<u8>, Thrown> {
        if self.broken {
            return Err(Thrown("an earlier pass of this context broke off".into()));
        }
        let (context, sequence) = (self.context.as_ptr(), sequence.cast_signed());
        // SAFETY: the context lives; it counts what it would write.
        let size = guarded(Assertions::Throw, || unsafe { llama_state_seq_get_size(context, sequence) })?;
        let mut state = vec![0u8; size];
        let into = state.as_mut_ptr();
        // SAFETY: the context lives, and the buffer has the size that is said. Tested in
        // `a_saved_cache_gives_the_logits_of_the_sequence_that_it_was_saved_of`.
        let written =
            guarded(Assertions::Throw, || unsafe { llama_state_seq_get_data(context, into, size, sequence) })?;
        if written == size && size > 0 { Ok(state) } else { Err(Thrown("llama.cpp gives no state of it".into())) }
    }

    /// Takes up the state of a sequence of `len` tokens, in place of what the sequence holds; on an error it holds
    /// nothing.
    pub(crate) fn set_state(&mut self, sequence: u32, len: usize, state: &[u8]) -> Result<(), Thrown> {
        let (context, number) = (self.context.as_ptr(), sequence.cast_signed());
        let (from, size) = (state.as_ptr(), state.len());
        // SAFETY: the context lives, and so do that many bytes. llama.cpp checks each length in them before it reads
        // on, and their types and sizes against the cache; what it finds wrong it throws, inside.
        let taken = guarded(Assertions::Throw, || unsafe { llama_state_seq_set_data(context, from, size, number) });
        let Ok(taken) = taken else {
            self.broken = true;
            return Err(Thrown("llama.cpp broke off within the state".into()));
        };
        // SAFETY: looks at the cache of a context that lives.
        let (first, last) = guarded(Assertions::Throw, || unsafe {
            let memory = llama_get_memory(context);
            (llama_memory_seq_pos_min(memory, number), llama_memory_seq_pos_max(memory, number))
        })?;
        // A cache that attends to the latest tokens only does not hold the others, and could not be rolled back.
        if taken == size && first == 0 && usize::try_from(last).is_ok_and(|last| last + 1 == len) {
            return Ok(());
        }
        self.truncate(sequence, 0)?;
        Err(Thrown("llama.cpp does not take the state".into()))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let context = self.context.as_ptr();
        // SAFETY: it was made by `new`, and its model still lives.
        let freed = guarded(Assertions::Throw, || unsafe { llama_free(context) });
        if let Err(thrown) = freed {
            tracing::error!(%thrown, "a context was not freed");
        }
    }
}

//! Runs llama.cpp's own generation loop, for comparison: it does what llama.cpp's example `simple` does, through its C
//! API and with none of our code. Its sampler chain is llama.cpp's too.
#![allow(unsafe_code, reason = "the loop to compare with is C; everything here goes through its API")]

use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use llama_cpp_sys_2 as c;

/// A model and a context of llama.cpp.
pub(super) struct Reference {
    // Dropped in this order: a context borrows its model.
    context: Context,
    model: Model,
}

struct Model(NonNull<c::llama_model>);
struct Context(NonNull<c::llama_context>);
struct Sampler(NonNull<c::llama_sampler>);

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: made by `llama_model_load_from_file`, freed once, after its context.
        unsafe { c::llama_model_free(self.0.as_ptr()) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `llama_init_from_model`, freed once.
        unsafe { c::llama_free(self.0.as_ptr()) }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: made by `llama_sampler_chain_init`, freed once; it owns the samplers that were added.
        unsafe { c::llama_sampler_free(self.0.as_ptr()) }
    }
}

/// The length and the times of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) tokens: usize,
    pub(super) first_token: Duration,
    pub(super) total: Duration,
}

impl Reference {
    /// Loads the model. llama.cpp must have been initialised, which loading it through `uhlm-llama` does.
    /// `on_gpu` puts it on a GPU; otherwise it is on the CPU alone, as llama.cpp is not by itself.
    pub(super) fn load(path: &Path, context: u32, threads: u32, on_gpu: bool) -> Option<Self> {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
        let mut none = [std::ptr::null_mut()];
        // SAFETY: the path is a C string that outlives the call, as does the list of devices, which ends with a null;
        // the other parameters are llama.cpp's own defaults. Null, the only sign of failure, is caught.
        let model = unsafe {
            let mut params = c::llama_model_default_params();
            params.n_gpu_layers = if on_gpu { i32::MAX } else { 0 };
            if !on_gpu {
                params.devices = none.as_mut_ptr();
            }
            Model(NonNull::new(c::llama_model_load_from_file(path.as_ptr(), params))?)
        };
        // SAFETY: the model is alive; it is kept for as long as the context.
        let context = unsafe {
            let mut params = c::llama_context_default_params();
            params.n_ctx = context;
            params.n_batch = context;
            params.n_threads = threads as i32;
            params.n_threads_batch = threads as i32;
            params.no_perf = true;
            (params.op_offload, params.offload_kqv) = (on_gpu, on_gpu);
            Context(NonNull::new(c::llama_init_from_model(model.0.as_ptr(), params))?)
        };
        Some(Self { context, model })
    }

    /// Decodes the prompt, then one token at a time until there are `most` or the reply ends. Returns `None` if
    /// llama.cpp failed.
    pub(super) fn generate(&mut self, prompt: &[u32], most: usize, temperature: f32, seed: u32) -> Option<Run> {
        let sampler = sampler(temperature, seed)?;
        let mut prompt: Vec<c::llama_token> = prompt.iter().map(|&id| id as c::llama_token).collect();
        let mut piece = [0; 256];
        let began = Instant::now();
        let mut first_token = Duration::ZERO;
        let mut tokens = 0;
        // SAFETY: model, context and sampler are alive and used by this thread alone. `llama_batch_get_one` borrows the
        // tokens, which outlive the `llama_decode` that reads them. The piece is written within the length given.
        unsafe {
            let (context, vocab) = (self.context.0.as_ptr(), c::llama_model_get_vocab(self.model.0.as_ptr()));
            c::llama_memory_clear(c::llama_get_memory(context), false);
            let mut batch = c::llama_batch_get_one(prompt.as_mut_ptr(), prompt.len() as i32);
            let mut next;
            loop {
                if c::llama_decode(context, batch) != 0 {
                    return None;
                }
                next = c::llama_sampler_sample(sampler.0.as_ptr(), context, -1);
                tokens += 1;
                if tokens == 1 {
                    first_token = began.elapsed();
                }
                if tokens == most || c::llama_vocab_is_eog(vocab, next) {
                    break;
                }
                c::llama_token_to_piece(vocab, next, piece.as_mut_ptr(), piece.len() as i32, 0, true);
                batch = c::llama_batch_get_one(&raw mut next, 1);
            }
        }
        Some(Run { tokens, first_token, total: began.elapsed() })
    }
}

/// Makes a sampler: greedy at temperature 0, else by temperature and a draw.
fn sampler(temperature: f32, seed: u32) -> Option<Sampler> {
    // SAFETY: the chain takes ownership of each sampler that is added; none is used afterwards.
    unsafe {
        let mut params = c::llama_sampler_chain_default_params();
        params.no_perf = true;
        let chain = Sampler(NonNull::new(c::llama_sampler_chain_init(params))?);
        if temperature == 0.0 {
            c::llama_sampler_chain_add(chain.0.as_ptr(), c::llama_sampler_init_greedy());
        } else {
            c::llama_sampler_chain_add(chain.0.as_ptr(), c::llama_sampler_init_temp(temperature));
            c::llama_sampler_chain_add(chain.0.as_ptr(), c::llama_sampler_init_dist(seed));
        }
        Some(chain)
    }
}

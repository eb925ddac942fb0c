//! llama.cpp behind a guard: what it throws or asserts is an error here, and does not end the process.
//!
//! The declarations below repeat those of `llama_cpp_sys_2` with the ABI `C-unwind`: through the crate's own no
//! exception may pass.
#![expect(unsafe_code, reason = "llama.cpp is C++")]

mod context;
mod device;
mod guard;
mod model;
mod thread_pool;

use std::ffi::{c_char, c_void};

use llama_cpp_sys_2 as sys;

pub(crate) use self::context::{Context, ContextShape, DecodeFailure, Entry};
pub(crate) use self::device::{Device, cpu, gpus};
pub(crate) use self::guard::{Thrown, catch_assertions};
pub(crate) use self::model::{LoadFailure, Loading, Model};

unsafe extern "C-unwind" {
    fn ggml_backend_dev_count() -> usize;
    fn ggml_backend_dev_get(index: usize) -> sys::ggml_backend_dev_t;
    fn ggml_backend_dev_type(device: sys::ggml_backend_dev_t) -> sys::ggml_backend_dev_type;
    fn ggml_backend_dev_name(device: sys::ggml_backend_dev_t) -> *const c_char;
    fn ggml_backend_dev_description(device: sys::ggml_backend_dev_t) -> *const c_char;
    fn ggml_backend_dev_backend_reg(device: sys::ggml_backend_dev_t) -> sys::ggml_backend_reg_t;
    fn llama_model_load_from_file(path: *const c_char, params: sys::llama_model_params) -> *mut sys::llama_model;
    fn llama_model_free(model: *mut sys::llama_model);
    fn llama_model_chat_template(model: *const sys::llama_model, name: *const c_char) -> *const c_char;
    fn llama_vocab_get_text(vocab: *const sys::llama_vocab, id: i32) -> *const c_char;
    fn llama_vocab_get_attr(vocab: *const sys::llama_vocab, id: i32) -> sys::llama_token_attr;
    fn llama_vocab_is_eog(vocab: *const sys::llama_vocab, id: i32) -> bool;
    fn llama_tokenize(
        vocab: *const sys::llama_vocab,
        text: *const c_char,
        length: i32,
        tokens: *mut i32,
        capacity: i32,
        add_special: bool,
        parse_special: bool,
    ) -> i32;
    fn llama_token_to_piece(
        vocab: *const sys::llama_vocab,
        id: i32,
        buffer: *mut c_char,
        capacity: i32,
        lstrip: i32,
        special: bool,
    ) -> i32;
    fn llama_init_from_model(
        model: *mut sys::llama_model,
        params: sys::llama_context_params,
    ) -> *mut sys::llama_context;
    fn llama_free(context: *mut sys::llama_context);
    fn ggml_threadpool_new(params: *mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
    fn ggml_threadpool_free(pool: *mut sys::ggml_threadpool);
    fn llama_attach_threadpool(
        context: *mut sys::llama_context,
        pool: *mut sys::ggml_threadpool,
        pool_for_batches: *mut sys::ggml_threadpool,
    );
    fn llama_decode(context: *mut sys::llama_context, batch: sys::llama_batch) -> i32;
    fn llama_get_logits_ith(context: *mut sys::llama_context, index: i32) -> *mut f32;
    fn llama_get_memory(context: *const sys::llama_context) -> sys::llama_memory_t;
    fn llama_memory_seq_rm(memory: sys::llama_memory_t, sequence: i32, from: i32, to: i32) -> bool;
    fn llama_memory_seq_cp(memory: sys::llama_memory_t, source: i32, sequence: i32, from: i32, to: i32);
    fn llama_memory_seq_pos_min(memory: sys::llama_memory_t, sequence: i32) -> i32;
    fn llama_memory_seq_pos_max(memory: sys::llama_memory_t, sequence: i32) -> i32;
    fn llama_state_seq_get_size(context: *mut sys::llama_context, sequence: i32) -> usize;
    fn llama_state_seq_get_data(context: *mut sys::llama_context, into: *mut u8, size: usize, sequence: i32) -> usize;
    fn llama_state_seq_set_data(context: *mut sys::llama_context, from: *const u8, size: usize, sequence: i32)
    -> usize;
}

/// Returns llama.cpp's own list of what it was built with and what this processor has.
pub(crate) fn system_info() -> String {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: the text is llama.cpp's own and ends with a zero. Each call makes it anew, so it is copied under the
    // lock.
    let text = unsafe { std::ffi::CStr::from_ptr(sys::llama_print_system_info()) };
    text.to_string_lossy().into_owned()
}

/// Sends llama.cpp's log to `callback`, with the level of each piece; see [`crate::log`].
pub(crate) fn log_to(callback: unsafe extern "C" fn(u32, *const c_char, *mut c_void)) {
    // SAFETY: the function lives for ever and needs no data.
    unsafe { sys::llama_log_set(Some(callback), std::ptr::null_mut()) };
}

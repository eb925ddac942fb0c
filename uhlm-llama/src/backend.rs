//! llama.cpp's process-wide state: initialised once, never dropped, its log sent to `tracing`.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

/// The backend. llama.cpp must not be initialised twice nor freed while models live, so it stays for the process.
pub(crate) fn backend() -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        match LlamaBackend::init() {
            Ok(backend) => backend,
            // Fails only if somebody else in this process initialised it first, and then there is no value to be had:
            // the type is an empty proof, and nothing of ours can go on without it.
            Err(error) => panic!("llama.cpp was initialised outside uhlm-llama: {error}"),
        }
    })
}

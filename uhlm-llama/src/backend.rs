//! llama.cpp's process-wide state: initialised once, never dropped, its log sent to `tracing`, its assertions caught.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;

/// Initialises llama.cpp, once. It must not be initialised twice nor freed while models live, so it stays for the
/// process.
pub(crate) fn start() {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        crate::log::start();
        crate::native::catch_assertions();
        match LlamaBackend::init() {
            Ok(backend) => backend,
            // Fails only if somebody else in this process initialised it first, and then there is no value to be had:
            // the type is an empty proof, and nothing of ours can go on without it.
            Err(error) => panic!("llama.cpp was initialised outside uhlm-llama: {error}"),
        }
    });
}

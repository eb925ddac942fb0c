//! The log of llama.cpp: sent to `tracing` line by line, and its errors kept while a model loads, because a failed load
//! is a null pointer and only the log says why.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use llama_cpp_sys_2 as sys;
use tracing::{debug, error, info, warn};

/// Longest line, in bytes; what is longer is cut into pieces.
const MAX_LINE: usize = 4096;
/// Length from which on no further errors of one call are kept, in bytes.
const MAX_ERRORS: usize = 2048;

thread_local! {
    /// The line that is being written; llama.cpp sends some in pieces.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static LEVEL: Cell<u32> = const { Cell::new(sys::GGML_LOG_LEVEL_INFO) };
    static ERRORS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Takes llama.cpp's log.
pub(crate) fn start() {
    crate::native::log_to(callback);
}

/// Runs `work` and returns with its result the errors that llama.cpp logged meanwhile on this thread.
pub(crate) fn capturing_errors<T>(work: impl FnOnce() -> T) -> (T, String) {
    ERRORS.set(Some(String::new()));
    let result = work();
    let errors = ERRORS.take().unwrap_or_default();
    (result, errors.trim_end_matches([';', ' ']).to_owned())
}

#[expect(unsafe_code, reason = "a function that C calls with a pointer")]
unsafe extern "C" fn callback(level: u32, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a text that ends with a zero and lives until this returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A subscriber of the app that panics must not panic into C.
    if catch_unwind(AssertUnwindSafe(|| take(level, &text))).is_err() {
        LINE.with(|line| line.try_borrow_mut().map(|mut line| line.clear()).ok());
    }
}

fn take(level: u32, text: &str) {
    if level != sys::GGML_LOG_LEVEL_CONT {
        flush();
        LEVEL.set(level);
    }
    for piece in text.split_inclusive('\n') {
        let full = LINE.with_borrow_mut(|line| {
            line.push_str(piece);
            piece.ends_with('\n') || line.len() > MAX_LINE
        });
        if full {
            flush();
        }
    }
}

fn flush() {
    let line = LINE.take();
    let text = line.trim();
    if text.is_empty() {
        return;
    }
    match LEVEL.get() {
        sys::GGML_LOG_LEVEL_ERROR => {
            keep(text);
            error!(target: "llama_cpp", "{text}");
        }
        sys::GGML_LOG_LEVEL_WARN => warn!(target: "llama_cpp", "{text}"),
        sys::GGML_LOG_LEVEL_INFO => info!(target: "llama_cpp", "{text}"),
        _ => debug!(target: "llama_cpp", "{text}"),
    }
}

fn keep(text: &str) {
    // The prefix and the last line of a failed load say nothing of its cause.
    let text = text.strip_prefix("llama_model_load: error loading model: ").unwrap_or(text);
    if text.ends_with("failed to load model") {
        return;
    }
    ERRORS.with_borrow_mut(|errors| {
        if let Some(errors) = errors.as_mut().filter(|errors| errors.len() < MAX_ERRORS) {
            errors.push_str(text);
            errors.push_str("; ");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl tracing::Subscriber for Broken {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            panic!("a subscriber with a fault");
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn errors_of_a_call_are_kept_whole_and_nothing_else_is() {
        let ((), errors) = capturing_errors(|| {
            take(sys::GGML_LOG_LEVEL_INFO, "loading\n");
            take(sys::GGML_LOG_LEVEL_ERROR, "no ");
            take(sys::GGML_LOG_LEVEL_CONT, "tensor\n");
            take(sys::GGML_LOG_LEVEL_ERROR, "failed\n");
        });
        assert_eq!(errors, "no tensor; failed");
        take(sys::GGML_LOG_LEVEL_ERROR, "later\n");
        assert_eq!(capturing_errors(|| ()).1, "");
    }

    #[test]
    #[expect(unsafe_code, reason = "the callback is called as C does")]
    fn a_subscriber_that_panics_does_not_panic_into_c() {
        tracing::subscriber::with_default(Broken, || {
            // SAFETY: a text that ends with a zero.
            unsafe { callback(sys::GGML_LOG_LEVEL_ERROR, c"one line\n".as_ptr(), std::ptr::null_mut()) };
        });
        let ((), errors) = capturing_errors(|| take(sys::GGML_LOG_LEVEL_ERROR, "the next\n"));
        assert_eq!(errors, "the next");
    }
}

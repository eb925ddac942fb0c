//! Calls into C++ from which exceptions and assertions come back as errors.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;

/// The text of an exception that llama.cpp threw, or of an assertion that failed in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Thrown(pub(crate) String);

/// The treatment of an assertion that fails in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assertions {
    /// The assertion is an error of the call.
    Throw,
    /// The assertion ends the process: other threads of the call would wait for this one for ever.
    Abort,
}

unsafe extern "C" {
    fn uhlm_guard(
        body: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
        asserts: bool,
        what: *mut c_char,
        capacity: usize,
    ) -> bool;
    /// Only ggml calls it: it throws.
    fn uhlm_on_abort(message: *const c_char);
}

/// Largest length of an exception's text, in bytes.
const MAX_TEXT: usize = 512;

struct Call<F, R> {
    call: F,
    result: MaybeUninit<R>,
}

/// Runs `call`, which must do nothing but call llama.cpp through declarations with the ABI `C-unwind`: an exception
/// passes through it. So it has nothing to drop (`Copy`), and must not panic, which C++ could not let through.
pub(crate) fn guarded<F: Fn() -> R + Copy, R: Copy>(assertions: Assertions, call: F) -> Result<R, Thrown> {
    let mut frame = Call { call, result: MaybeUninit::uninit() };
    let mut what: [c_char; MAX_TEXT] = [0; MAX_TEXT];
    // SAFETY: `body` gets the frame it was made for, which lives until the call returns, and the buffer has the length
    // that is said. Tested in `what_cpp_throws_is_an_error`.
    let returned = unsafe {
        uhlm_guard(body::<F, R>, (&raw mut frame).cast(), assertions == Assertions::Throw, what.as_mut_ptr(), MAX_TEXT)
    };
    if returned {
        // SAFETY: `body` returned, and it writes the result at its end.
        return Ok(unsafe { frame.result.assume_init() });
    }
    // SAFETY: the guard ends what it writes with a zero, within the buffer.
    let text = unsafe { CStr::from_ptr(what.as_ptr()) };
    Err(Thrown(text.to_string_lossy().trim().to_owned()))
}

unsafe extern "C-unwind" fn body<F: Fn() -> R + Copy, R: Copy>(data: *mut c_void) {
    // SAFETY: `guarded` passes a frame of these types, which nothing else touches meanwhile.
    let frame = unsafe { &mut *data.cast::<Call<F, R>>() };
    frame.result.write((frame.call)());
}

/// Makes assertions of ggml and llama.cpp ask the guard before they end the process.
pub(crate) fn catch_assertions() {
    // SAFETY: the function lives for ever, and ggml calls it with a text that ends with a zero.
    unsafe { llama_cpp_sys_2::ggml_set_abort_callback(Some(uhlm_on_abort)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C-unwind" {
        fn ggml_abort(file: *const c_char, line: i32, format: *const c_char, ...) -> !;
        fn llama_load_mode_from_str(text: *const c_char) -> i32;
    }

    #[test]
    fn an_assertion_of_ggml_is_an_error_and_a_call_that_returns_is_none() {
        catch_assertions();
        let failed = guarded(Assertions::Throw, || -> () {
            // SAFETY: texts that end with a zero; it does not return.
            unsafe { ggml_abort(c"/on/a/disk/here.c".as_ptr(), 7, c"%s failed".as_ptr(), c"ASSERT(n > 0)".as_ptr()) }
        });
        // Where the compiler found the file is nobody's concern.
        assert_eq!(failed, Err(Thrown("here.c:7: ASSERT(n > 0) failed".into())));
        assert_eq!(guarded(Assertions::Throw, || 7), Ok(7));
    }

    #[test]
    fn an_assertion_of_llama_cpp_leaves_the_thread_as_it_was() {
        catch_assertions();
        for _ in 0..3 {
            // SAFETY: texts that end with a zero.
            let known = guarded(Assertions::Throw, || unsafe { llama_load_mode_from_str(c"mmap".as_ptr()) });
            assert_eq!(known, Ok(llama_cpp_sys_2::LLAMA_LOAD_MODE_MMAP));
            // SAFETY: as above.
            let unknown = guarded(Assertions::Throw, || unsafe { llama_load_mode_from_str(c"tape".as_ptr()) });
            assert!(unknown.is_err_and(|thrown| thrown.0.ends_with("unknown load mode: tape")));
        }
    }
}

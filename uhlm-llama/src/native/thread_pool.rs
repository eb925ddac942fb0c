//! The threads of a context, beside the one that calls.
//!
//! Without such a pool ggml makes threads for each pass and ends them with it. A pool computes one pass at a time, so
//! each context has one of its own. Its threads sleep between passes: to pause them besides would save nothing.

use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::guard::{Assertions, Thrown, guarded};
use super::{ggml_threadpool_free, ggml_threadpool_new};

/// Largest level of polling that ggml knows.
const MAX_POLL: u32 = 100;

/// A pool of threads. It must outlive the context that it is attached to.
pub(super) struct ThreadPool(NonNull<sys::ggml_threadpool>);

// SAFETY: a pool is bound to no thread; its mutex guards what its threads share with the one that calls.
unsafe impl Send for ThreadPool {}

impl ThreadPool {
    /// Makes a pool for passes of at most `threads` threads, of which the one that calls is the first. They spin for
    /// `poll` rounds before they sleep.
    pub(super) fn new(threads: u32, poll: u32) -> Result<Self, Thrown> {
        // SAFETY: it only fills in numbers.
        let mut params = unsafe { sys::ggml_threadpool_params_default(threads.cast_signed()) };
        params.poll = poll.min(MAX_POLL);
        let params = &raw mut params;
        // SAFETY: the parameters outlive the call, which copies what it needs. Where the system has no thread left, an
        // assertion throws; the threads that were made by then sleep on a pool that nobody frees.
        let made = guarded(Assertions::Throw, || unsafe { ggml_threadpool_new(params) })?;
        NonNull::new(made).map(Self).ok_or_else(|| Thrown("ggml made no threads".into()))
    }

    pub(super) fn as_ptr(&self) -> *mut sys::ggml_threadpool {
        self.0.as_ptr()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let pool = self.0.as_ptr();
        // SAFETY: it was made by `new`, and the context that it was attached to is gone. No pass is running, so each
        // of its threads hears that it is to end.
        let freed = guarded(Assertions::Throw, || unsafe { ggml_threadpool_free(pool) });
        if let Err(thrown) = freed {
            tracing::error!(%thrown, "the threads of a context were not ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_any_size_and_conduct_are_made_and_end() {
        crate::backend::start();
        for (threads, poll) in [(1, 0), (2, 0), (4, 1), (2, u32::MAX)] {
            let pool = ThreadPool::new(threads, poll).expect("threads");
            // The threads may not even have begun.
            drop(pool);
        }
    }

    #[test]
    fn a_pool_may_end_on_another_thread_than_it_was_made_on() {
        crate::backend::start();
        let pool = ThreadPool::new(3, 0).expect("threads");
        std::thread::spawn(move || drop(pool)).join().expect("no panic");
    }
}

//! Counts calls that are neither answered nor dropped.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uhlm_core::verifier::Call;

/// Counts a call until its end.
#[derive(Clone)]
pub(super) struct Life {
    alive: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Life {
    pub(super) fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::AcqRel);
        Self { alive: Arc::clone(alive), open: Arc::new(AtomicUsize::new(1)) }
    }

    /// Ends it; returns whether this was the first end.
    pub(super) fn end(&self) -> bool {
        let first = self.open.swap(0, Ordering::AcqRel) == 1;
        if first {
            self.alive.fetch_sub(1, Ordering::AcqRel);
        }
        first
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) == 1
    }
}

/// Makes a call whose end ends the other one; detached, it leaves it running.
pub(super) fn holding(inner: Call, life: Life) -> Call {
    let inner = ManuallyDrop::new(inner);
    Call::new(move || {
        drop(ManuallyDrop::into_inner(inner));
        life.end();
    })
}

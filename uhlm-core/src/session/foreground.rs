//! No work for a GPU while the app is not in front: iOS ends what an app submits from there.
//!
//! Decides whether the draft model may make a pass. A reply that may not stands still and goes on listening; one on the
//! CPU is not concerned. What the target writes meanwhile is taken.

use super::end::End;
use super::run::Run;
use crate::state::SessionState;

/// The signs that end a pass of the draft model between two of its parts.
pub(super) struct Stop<'a> {
    shared: &'a SessionState,
    on_gpu: bool,
}

impl Stop<'_> {
    /// Tells whether the draft model may make no pass now.
    pub(super) fn holds(&self) -> bool {
        self.on_gpu && self.shared.is_in_background()
    }
}

impl<'a> Run<'a> {
    /// Returns what is asked before each part of a pass, apart from whether the reply is cancelled.
    pub(super) fn stop(&self) -> Stop<'a> {
        Stop { shared: self.shared, on_gpu: self.drafter.is_on_gpu() }
    }

    /// Tells whether the draft model may make no pass now.
    pub(super) fn stands_still(&self) -> bool {
        self.stop().holds()
    }

    /// Waits for news where the draft model may make no pass: that the app is in front again is one.
    pub(super) fn stand_still(&mut self) -> Result<(), End> {
        self.give_up_if_waited_too_long()?;
        self.receive(self.patience());
        Ok(())
    }
}

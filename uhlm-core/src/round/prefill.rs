//! The prompt: the device reads it, and the target does ahead of the first window where that saves time.

use uhlm_law::model::ModelError;

use super::Round;
use crate::error::GenerationError;

/// Tokens that a first window has drafted when it is sent, about.
const FIRST_WINDOW: f64 = 2.0;

impl Round<'_> {
    /// The device's work on the prompt; none if cancelled.
    pub(super) fn prefill(&mut self) -> Result<Option<()>, GenerationError> {
        let (began, unread) = (self.now(), self.device.unread());
        let cancel = self.sink.cancel().clone();
        let result = self.device.catch_up(&|| cancel.is_cancelled());
        self.statistics.prefill = self.since(began);
        match result {
            Err(GenerationError::Model(ModelError::Cancelled)) => Ok(None),
            other => {
                other?;
                if unread > 0 {
                    self.device.prefill_time.add(unread as f64, self.statistics.prefill.as_secs_f64());
                }
                Ok(Some(()))
            }
        }
    }

    /// Sends the prompt ahead of the first window if the verdict on that window is there sooner for it.
    pub(super) fn offer_prompt(&mut self) -> Result<(), GenerationError> {
        if self.prompt_pays_ahead() { self.send_window(Vec::new(), false) } else { Ok(()) }
    }

    /// Whether a pass over the prompt alone, followed by one over the first window, is done sooner than one pass over both.
    /// The first window takes the device its own pass over the prompt and a token or two. What was not measured yet counts
    /// for yes: a target that is idle loses nothing.
    fn prompt_pays_ahead(&self) -> bool {
        let costs = self.costs();
        let held = self.device.remote.as_ref().map_or(0, |remote| remote.held);
        let (prompt, unread) = (self.prompt.saturating_sub(held), self.device.unread());
        let reading = if unread == 0 { Some(0.0) } else { self.device.prefill_time.at(unread) };
        let known = costs.target_base + costs.target_per_token > 0.0 && self.device.draft_seconds > 0.0;
        let Some(reading) = reading.filter(|_| known) else { return true };
        costs.prompt_pays_ahead(prompt, reading + FIRST_WINDOW * costs.draft)
    }
}

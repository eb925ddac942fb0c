//! The draft model's reading: of the prompt, and of what the target wrote without it.
//!
//! Decides how much is read at once. A target that runs on is listened to meanwhile, and where it writes alone, only
//! what the device needs to go on without it is read.

use std::time::Duration;

use uhlm_law::model::ModelError;

use super::end::End;
use super::run::Run;
use crate::options::OfflinePolicy;

/// Number of tokens that the draft model reads at once while the target's text comes in.
const READ_TOGETHER: usize = 16;
/// Number of tokens of a prompt that the draft model reads at once where nobody streams meanwhile: in between, a
/// session that has opened is offered the prompt, so that the target reads a long one at the same time.
const PROMPT_TOGETHER: usize = 256;
/// Seconds that the draft model may read at once meanwhile.
const READING_TIME: f64 = 0.05;

impl Run<'_> {
    /// Lets the draft model read the prompt. A target that runs on is listened to meanwhile, and where it writes alone
    /// the device only reads what it needs to go on without it.
    pub(super) fn read_prompt(&mut self) -> Result<(), End> {
        let (began, unread) = (self.now(), self.drafter.unread(self.pipeline.ids()));
        let (mut outcome, mut stood_still) = (Ok(()), Duration::ZERO);
        while outcome.is_ok() && self.drafter.unread(self.pipeline.ids()) > 0 && !self.is_streamed_to() {
            let chunk = if self.runs_on() { READ_TOGETHER } else { PROMPT_TOGETHER };
            let read = if self.stands_still() {
                let began = self.now();
                let stood = self.stand_still();
                stood_still += self.since(began);
                stood
            } else {
                self.read(chunk).map_err(End::from)
            };
            outcome = read.and_then(|()| {
                self.receive(Duration::ZERO);
                self.settle()?;
                self.check_cancelled()
            });
        }
        self.reply.statistics.prefill = self.since(began).saturating_sub(stood_still);
        outcome?;
        if unread > 0 {
            self.drafter.prefill_time.add(unread as f64, self.reply.statistics.prefill.as_secs_f64());
        }
        Ok(())
    }

    /// Lets the draft model read the next tokens that it has not read, at most `most`; fewer where the app leaves the
    /// front meanwhile.
    fn read(&mut self, most: usize) -> Result<(), ModelError> {
        let (began, ids) = (self.now(), self.pipeline.ids());
        let unread = self.drafter.unread(ids);
        let cancel = self.sink.cancel().clone();
        let stop = self.stop();
        match self.drafter.catch_up(ids, most, &|| cancel.is_cancelled() || stop.holds()) {
            Err(ModelError::Cancelled) if !cancel.is_cancelled() => return Ok(()),
            read => read?,
        }
        let spent = self.since(began);
        self.drafter.has_read(unread.min(most), spent.as_secs_f64());
        Ok(())
    }

    /// Tells whether the target writes alone, as far as is known, and the device does not draft.
    fn is_streamed_to(&self) -> bool {
        self.is_paced() && !self.pacer.drafts() && self.remote.as_ref().is_some_and(|remote| remote.is_ready())
    }

    /// Reads, before a draft, a part of what the draft model has not read, where that is much and the target writes on
    /// meanwhile; tells whether it did.
    pub(super) fn catch_up(&mut self) -> Result<bool, End> {
        if !self.runs_on() || self.is_alone() {
            return Ok(false);
        }
        let most = self.read_at_once().max(1);
        if self.drafter.unread(self.pipeline.ids()) <= most {
            return Ok(false);
        }
        self.read(most)?;
        Ok(true)
    }

    /// Returns how many tokens the draft model may read at once. Reading keeps the thread from showing what comes in,
    /// so it takes a moment at a time.
    fn read_at_once(&self) -> usize {
        READ_TOGETHER.min((READING_TIME / self.costs().catch_up.max(1e-6)) as usize)
    }

    /// Reads a part of what the target wrote alone, so that the device can go on by itself if it has to; tells whether
    /// there was enough to read.
    pub(super) fn keep_up(&mut self) -> Result<bool, End> {
        if self.options.offline != OfflinePolicy::GoOn || !self.is_streamed_to() || self.stands_still() {
            return Ok(false);
        }
        let (costs, most) = (self.costs(), self.read_at_once());
        let keeps_up = 2.0 * costs.catch_up < costs.target(0);
        if !keeps_up || most == 0 || self.drafter.unread(self.pipeline.ids()) < most {
            return Ok(false);
        }
        self.read(most)?;
        Ok(true)
    }
}

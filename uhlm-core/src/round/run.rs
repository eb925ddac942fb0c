//! From a job to its last event.

use std::sync::mpsc::Receiver;

use uhlm_law::chat::Message;

use super::device::Device;
use super::inbox::{Inbox, Job};
use super::{Ended, Round};
use crate::event::Event;
use crate::mode::Mode;
use crate::options::Prompt;
use crate::privacy::redacted;
use crate::state::locked;

impl Device {
    /// Runs a generation to its end, and those that were queued meanwhile. `ended` is called for each before its last
    /// event is sent, so that a consumer that has seen it may start the next one.
    pub(crate) fn run(&mut self, job: Job, inbox: &Receiver<Inbox>, ended: impl Fn()) {
        let mut next = Some(job);
        while let Some(job) = next.filter(|_| !self.closed) {
            self.run_one(job, inbox, &ended);
            next = self.queued.pop_front();
        }
    }

    fn run_one(&mut self, job: Job, inbox: &Receiver<Inbox>, ended: &impl Fn()) {
        let Job { prompt, options, sink } = job;
        let started = self.clock.now();
        self.attend();
        let limits = self.limits();
        self.keep_to(&limits);
        let mode = limits.mode(options.mode.unwrap_or(self.asked.mode), self.remote.is_some());
        // Both models read the same text: where the verifier is asked, what it may see.
        let read = (mode != Mode::DeviceOnly).then(|| redacted(self.options.redaction.as_ref(), prompt.text()));
        let outcome = self.prepare(&prompt, read.as_deref()).map(|reused| {
            let mut round = Round::new(self, &sink, inbox, options, mode, started, reused);
            let reason = round.run();
            round.end(reason)
        });
        *locked(&self.shared.calibration) = self.gate.tracked();
        let last = outcome.and_then(|end| {
            // What was committed before a failure was said; a reply of which nothing was said never happened.
            if let Prompt::Chat(text) = prompt
                && (end.reason.is_ok() || !end.text.is_empty())
            {
                locked(&self.shared.conversation).push_turn(Message::user(text), read, end.text.clone());
            }
            let Ended { reason, text, statistics } = end;
            Ok(Event::Finished { reason: reason?, text, statistics: Box::new(statistics) })
        });
        self.attend();
        ended();
        sink.finish(last);
    }
}

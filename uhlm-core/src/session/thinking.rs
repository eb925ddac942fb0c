//! The end of a reasoning that has used up its budget of tokens; the reply follows.
//!
//! The device decides that, like a token that it lets pass, and tells the verifier: what the target writes after it is
//! its own text after that. When it happens is decided by the number of tokens that stand, so it is the same whatever
//! windows, timing and network do.

use super::end::End;
use super::reply::Told;
use super::run::Run;
use crate::mode::Mode;
use crate::origin::Origin;
use crate::why::Decision;

impl Run<'_> {
    /// Ends the reasoning after the tokens that were committed so far. `unsaid` drafted tokens beyond it were shown and
    /// stood in the pipeline.
    pub(super) fn end_reasoning(&mut self, unsaid: usize) -> Result<(), End> {
        self.closing.count += 1;
        let at = self.prompt + self.reply.committed();
        let peer = self.remote.as_mut().map(|remote| &mut remote.peer);
        let taken_back = self.pipeline.decree(at, &self.closing.ids, peer);
        self.reply.roll_back(unsaid + taken_back);
        self.due = false;
        for place in 0..self.closing.ids.len() {
            let elapsed = self.since(self.started);
            let why = self.explain(Decision::Ended, None);
            let piece = self.drafter.piece(self.closing.ids[place]);
            let end = self.reply.commit(piece, Origin::Draft, Told { why, ..Told::default() }, elapsed);
            self.hand_over();
            if let Some(reason) = end {
                return Err(reason.into());
            }
        }
        // A target that writes on by itself is told at once; otherwise the next window tells it.
        let is_ready = self.remote.as_ref().is_some_and(|remote| remote.is_ready());
        if self.mode != Mode::DeviceOnly && self.runs_on() && is_ready { self.ask() } else { Ok(()) }
    }
}

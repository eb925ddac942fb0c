//! Scores the rows of a pass: finds the tokens that they decide, and the labels where a device wants them.

use std::ops::Range;

use uhlm_law::advance::{PassKind, SessionId, TextEnding};
use uhlm_law::model::ModelError;

use super::fair::{LABELLED_ROW, ROW};
use super::job::Active;
use super::turn::{fail, give_up};
use super::worker::{Worker, internal};

impl Worker {
    /// Scores the rows that the engine's last pass has brought for a session: those after the tokens `range` of its
    /// pass, the first of which was token `first` of the engine's. Ends with the row that settles the session's pass.
    pub(super) fn score(&mut self, id: SessionId, first: usize, range: Range<usize>) {
        let Err(failure) = self.try_score(id, first, range) else { return };
        if let Some(session) = self.table.get_mut(id) {
            fail(session, internal(&failure));
        }
    }

    fn try_score(&mut self, id: SessionId, first: usize, range: Range<usize>) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let (Some(active), Some(drawing)) = (&mut session.active, &mut session.drawing) else { return Ok(()) };
        // The text that the pass rests on may have been replaced while the engine was at it.
        if !session.target.pass_is_wanted() {
            return Ok(());
        }
        let rows = active.rows_of(range.clone());
        if rows.is_empty() {
            return Ok(());
        }
        let work = rows.len() as u64 * if active.plan.probabilities { ROW + LABELLED_ROW } else { ROW };
        let owner = session.owner;
        let target = self.target.as_mut();
        let of_pass = first + range.len() - rows.len();
        let start = rows.start;
        let Active { plan, rows: done, settled, .. } = active;
        let rows = drawing.rows(session.target.text(), plan, rows, target.vocabulary());
        *settled = rows.draw(done, |draw| {
            let index = of_pass + draw.row - start;
            target.draw(index, &draw)
        })?;
        self.table.fair.charge(owner, id.0, work);
        Ok(())
    }

    /// Tells a session the results of its pass, and keeps the frames that follow from them.
    pub(super) fn complete(&mut self, id: SessionId) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let now = self.clock.now();
        session.last_use = now;
        session.stirred = true;
        if !session.target.pass_is_wanted() {
            give_up(session);
        } else if let Some(active) = session.active.take() {
            let (timing, plan) = (active.timing(session.arrived, now), &active.plan);
            let before = session.target.text().len();
            let ending = TextEnding(self.target.vocabulary());
            let sent = session.target.pass_ended(&active.rows, Some(timing), &ending);
            let decided = session.target.text().tail(before);
            self.metrics.session_pass(plan.kind, timing);
            if plan.kind == PassKind::Judged {
                let (mut judged, mut matched) = (0, 0);
                for stood in plan.judged(decided) {
                    session.acceptance.observe(stood);
                    judged += 1;
                    matched += usize::from(stood);
                }
                self.metrics.judged(plan.draft().len(), judged, matched);
            }
            session.say(sent);
            // A request that came during the pass has waited since it came.
            let came_during = active.begun.is_some_and(|begun| session.arrived > begun);
            session.ready = if came_during { session.arrived } else { now };
        }
        match session.slot {
            Some(slot) => self.cache.truncate(self.target.as_mut(), slot, session.target.decoded()),
            None => Ok(()),
        }
    }
}

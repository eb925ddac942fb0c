//! From the rows of a pass to the tokens that they decide, and to the labels where a device wants them.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;

use uhlm_law::advance::{PassKind, Row, SessionId};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use super::turn::{fail, give_up};
use super::worker::{Worker, internal};
use uhlm_law::advance::TextEnding;

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
        // What the pass rests on may have been replaced while the engine was at it.
        if !session.target.pass_is_wanted() {
            return Ok(());
        }
        let rows = active.rows_of(range.clone());
        if rows.is_empty() {
            return Ok(());
        }
        let plan = &active.plan;
        let text = session.target.text();
        let history: Cow<'_, [TokenId]> = match plan.draft() {
            [] => text.ids().into(),
            draft => [text.ids(), draft].concat().into(),
        };
        let target = self.target.as_mut();
        let decided = (plan.first + rows.start).min(text.len());
        let mut place = drawing.place(text, decided, target.vocabulary());
        for &drafted in &history[decided..plan.first + rows.start] {
            place = place.after(target.vocabulary().piece(drafted).len());
        }
        let first_row = first + range.len() - rows.len();
        for (index, row) in rows.enumerate().map(|(i, row)| (first_row + i, row)) {
            let at = plan.first + row;
            let before = &history[..at];
            let winner = target.winner(index, drawing.chain(), before, drawing.position(place))?;
            let p = match plan.scored.get(row).filter(|_| plan.probabilities) {
                Some(&scored) => Some(target.distribution(index, drawing.chain(), before)?.prob(scored)),
                None => None,
            };
            active.rows.push(Row { winner, p });
            active.settled = plan.settles(row, winner);
            if active.settled {
                break;
            }
            place = place.after(target.vocabulary().piece(history[at]).len());
        }
        Ok(())
    }

    /// Tells a session what its pass has brought, and keeps what it says to that.
    pub(super) fn complete(&mut self, id: SessionId) -> Result<(), ModelError> {
        let Some(session) = self.table.get_mut(id) else { return Ok(()) };
        let now = Instant::now();
        session.last_use = now;
        session.stirred = true;
        if !session.target.pass_is_wanted() {
            give_up(session);
        } else if let Some(active) = session.active.take() {
            let (timing, plan) = (active.timing(), &active.plan);
            let before = session.target.text().len();
            let ending = TextEnding(self.target.vocabulary());
            let sent = session.target.pass_ended(&active.rows, Some(timing), &ending);
            let decided = session.target.text().tail(before);
            let judged = plan.draft().len().min(decided.len());
            let matched = plan.draft().iter().zip(decided).filter(|(drafted, token)| drafted == token).count();
            self.metrics.session_pass(plan.kind, timing);
            if plan.kind == PassKind::Judged {
                self.metrics.judged(judged, matched);
            }
            session.say(sent);
            // Of a request that came during the pass, the device knows how long it has been here.
            let came_during = active.begun.is_some_and(|begun| session.arrived > begun);
            session.ready = if came_during { session.arrived } else { now };
        }
        match session.slot {
            Some(slot) => self.cache.truncate(self.target.as_mut(), slot, session.target.decoded()),
            None => Ok(()),
        }
    }
}

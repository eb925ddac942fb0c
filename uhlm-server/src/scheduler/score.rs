//! Scores the rows of a pass: finds the tokens that they decide, and the labels where a device wants them.
//!
//! The rows of a session are scored in order, those of several sessions as the engine likes, at the same time if it can
//! ([`Target::draw_all`]). That is done between two passes and not beside the next one: llama.cpp gives out its rows in
//! a buffer that the next pass overwrites, so each row would have to be copied first.
//!
//! [`Target::draw_all`]: crate::target::Target::draw_all

use uhlm_law::advance::{Drawing, ErrorBody, ErrorCode, GenerationEnding, PassKind, PreparedRows, SessionId};
use uhlm_law::grammar::ConstraintError;
use uhlm_law::model::ModelError;

use super::division::Share;
use super::fair::{LABELLED_ROW, MASK, ROW};
use super::job::Active;
use super::turn::{fail, give_up};
use super::worker::{Worker, internal};
use crate::session::Session;
use crate::target::RowTask;

/// The rows that the engine's last pass has brought for one session, taken out of it to be scored.
struct Scoring {
    session: SessionId,
    active: Active,
    drawing: Drawing,
    rows: PreparedRows,
    /// Index in the engine's pass of the token after which the first of them comes.
    first: usize,
    /// Number of rows of its pass that were scored before.
    scored_before: usize,
    /// Number of drawn rows of the pass after which the grammar says nothing, and the refusal of who comes there.
    late: Option<(usize, ErrorBody)>,
}

impl Scoring {
    /// Makes the task to draw the rows.
    fn task(&mut self) -> RowTask<'_> {
        let Active { plan, rows: done, .. } = &mut self.active;
        RowTask::new(self.first, std::mem::take(&mut self.rows).with(plan, self.drawing.chain()), done)
    }
}

/// Makes the refusal of a session whose grammar says nothing about its text.
pub(super) fn not_of_grammar(failure: &ConstraintError) -> ErrorBody {
    let reason = match failure {
        ConstraintError::NotOfGrammar { .. } => "the text that was given is not of the grammar",
        ConstraintError::TooComplex { .. } => "the grammar takes too much work at this text",
    };
    ErrorBody::new(ErrorCode::Unsupported, reason)
}

impl Worker {
    /// Scores the rows that the engine's last pass has brought for those who have a share in it. Ends for each session
    /// with the row that settles its pass.
    pub(super) fn score(&mut self, shares: &[Share]) {
        let mut all: Vec<Scoring> = shares.iter().filter_map(|share| self.rows_of(share)).collect();
        (self.scored, self.costly_scored) = (0, 0);
        let results: Vec<Result<bool, ModelError>> = {
            let mut tasks: Vec<RowTask<'_>> = all.iter_mut().map(Scoring::task).collect();
            if !tasks.is_empty() {
                self.target.draw_all(&mut tasks);
            }
            tasks.into_iter().map(RowTask::result).collect()
        };
        for (scoring, result) in all.into_iter().zip(results) {
            let Some(session) = self.table.get_mut(scoring.session) else { continue };
            let Scoring { mut active, drawing, scored_before, late, .. } = scoring;
            session.drawing = Some(drawing);
            // Rows after the one that settles the pass were decoded and not scored.
            let scored = active.rows.len() - scored_before;
            self.scored += scored;
            self.costly_scored += if is_costly(session, &active) { scored } else { 0 };
            match result {
                Ok(settled) => {
                    active.settled = settled;
                    session.active = Some(active);
                }
                Err(failure) => {
                    let of_grammar = late.filter(|(rows, _)| *rows == active.rows.len());
                    fail(session, of_grammar.map_or_else(|| internal(&failure), |(_, refusal)| refusal));
                }
            }
        }
    }

    /// Takes the rows of a share out of its session; `None` if it has none that are to be scored.
    fn rows_of(&mut self, share: &Share) -> Option<Scoring> {
        let id = share.session;
        let session = self.table.get_mut(id)?;
        // The text that the pass rests on may have been replaced while the engine was at it.
        if !session.target.pass_is_wanted() {
            return None;
        }
        let active = session.active.as_ref()?;
        let rows = active.rows_of(active.done - share.count..active.done);
        if rows.is_empty() {
            return None;
        }
        let first = share.first + share.count - rows.len();
        let work = rows.len() as u64 * if active.plan.probabilities { ROW + LABELLED_ROW } else { ROW };
        let mut drawing = session.drawing.take()?;
        let active = session.active.take()?;
        let rows = drawing.prepare(session.target.text(), &active.plan, rows, self.target.vocabulary());
        let work = work + MASK * rows.masks() as u64;
        let late = rows.late_failure().map(|failure| (active.rows.len() + rows.masks(), not_of_grammar(failure)));
        if let Some(failure) = rows.failure() {
            let refusal = not_of_grammar(failure);
            session.drawing = Some(drawing);
            fail(session, refusal);
            // What came of it is work all the same.
            let owner = session.owner;
            self.table.fair.charge(owner, id.0, work);
            return None;
        }
        let owner = session.owner;
        self.table.fair.charge(owner, id.0, work);
        let scored_before = active.rows.len();
        Some(Scoring { session: id, active, drawing, rows, first, scored_before, late })
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
            let ending = GenerationEnding::new(self.target.vocabulary(), session.drawing.as_mut());
            let sent = session.target.pass_ended(&active.rows, Some(timing), &ending);
            let decided = session.target.text().tail(before);
            self.metrics.session_pass(plan.kind, timing, active.waited());
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

/// Tells whether the rows of a session's pass take more than finding each one's winner.
pub(super) fn is_costly(session: &Session, active: &Active) -> bool {
    let has_penalties = session.drawing.as_ref().is_some_and(|drawing| drawing.chain().params().has_penalties());
    active.plan.probabilities || has_penalties
}

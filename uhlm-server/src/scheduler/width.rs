//! Decides how many drafted tokens of a session go into its next pass.
//!
//! A session whose grants do not end gets its tokens anyway, so a drafted one is judged only where that makes them come
//! faster; what is not judged waits for the next pass. Everybody else has asked for a judgement of the whole window,
//! which is decoded in as many passes as bring the verdict soonest ([`super::windows`]).

use uhlm_law::advance::{PassKind, SessionId};
use uhlm_law::pass_times::Beside;

use super::division::{Urgency, Waiting};
use super::job::Had;
use super::windows::{Cuts, Window};
use super::worker::Worker;

/// Number of passes after which windows go whole once, so that what wide passes take is measured again.
const WHOLE_EVERY: u64 = 64;

impl Worker {
    /// Returns the largest number of drafted tokens that the next pass of a session may judge.
    pub(super) fn width(&self, id: SessionId) -> usize {
        let Some(session) = self.table.get(id).filter(|session| session.target.runs_ahead()) else {
            return usize::MAX;
        };
        // The next pass is assumed to be shared by those sessions of the last one that still have something to do.
        let is_still_here = |had: &&Had| had.session != id && self.table.get(had.session).is_some_and(|s| !s.is_idle());
        let beside = self.last_pass.iter().filter(is_still_here).fold(Beside::default(), |beside, had| Beside {
            rows: beside.rows + had.rows,
            tokens: beside.tokens + had.tokens,
        });
        self.times.narrow().width_that_pays_beside(beside, session.acceptance.get(), self.limits.draft)
    }

    /// Returns the largest number of tokens that a pass of at most `budget` tokens takes of each session that waits.
    pub(super) fn rows_at_once(&mut self, waiting: &Waiting, budget: usize) -> Vec<usize> {
        let (mut windows, mut beside) = (Vec::new(), 0);
        for (i, id) in waiting.ids.iter().enumerate() {
            let Some(session) = self.table.get(*id) else { continue };
            let Some(active) = session.active.as_ref() else { continue };
            if waiting.wants[i].urgency == Urgency::Long {
                continue;
            }
            // Rows of given tokens, of which labels are wanted, settle nothing.
            let open_labels = active.plan.contexts.saturating_sub(active.rows.len());
            let before = (active.before_rows() + open_labels).min(active.remaining());
            let rows = active.remaining() - before;
            if active.plan.kind == PassKind::Judged && rows > 1 {
                windows.push((i, before, Window { rows, acceptance: session.acceptance.get() }));
                beside += before;
            } else {
                beside += active.remaining();
            }
        }
        let all: Vec<Window> = windows.iter().map(|(.., window)| *window).collect();
        let cuts = Cuts::new(&self.times, &all, beside, budget);
        let mut most = vec![usize::MAX; waiting.ids.len()];
        self.divided += 1;
        if self.divided.is_multiple_of(WHOLE_EVERY) {
            return most;
        }
        for (i, before, window) in windows {
            most[i] = cuts.rows_at_once(&window).saturating_add(before);
        }
        most
    }
}

//! Decides how many drafted tokens of a session go into its next pass.
//!
//! A session whose grants do not end gets its tokens anyway, so a drafted one is judged only where that makes them come
//! faster; what is not judged waits for the next pass. Everybody else has asked for a judgement, and gets it at once.

use uhlm_law::advance::SessionId;
use uhlm_law::pass_times::Beside;

use super::job::Had;
use super::worker::Worker;

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
}

//! What a reply has taken of its verifier, and what becomes of it when the budget is spent.

use super::end::End;
use super::run::Run;
use crate::error::GenerationError;
use crate::mode::Mode;
use crate::options::OfflinePolicy;
use crate::totals::Totals;

impl Run<'_> {
    /// Returns what was taken of the verifier, this reply included.
    fn taken(&self) -> Totals {
        let mut taken = self.spent;
        taken.spend(&self.reply.statistics);
        taken
    }

    /// Tells whether no request may be sent, because the budget is spent.
    pub(super) fn may_not_ask(&self) -> bool {
        self.reply.statistics.budget_spent || self.options.budget.is_spent(&self.taken())
    }

    /// Ends the exchange with the verifier where the budget is spent: the device goes on alone, or the reply fails, as
    /// the policy for a verifier out of reach says.
    pub(super) fn keep_budget(&mut self) -> Result<(), End> {
        if self.mode == Mode::DeviceOnly || self.reply.statistics.budget_spent || !self.may_not_ask() {
            return Ok(());
        }
        let mut heard = self.taken();
        // What a request took on its way is no reason not to hear its answer.
        heard.body_up = heard.body_up.saturating_sub(self.remote.as_ref().map_or(0, |remote| remote.unheard()));
        let is_cut_off = self.options.budget.is_overdrawn(&heard);
        let awaits = self.remote.as_ref().is_some_and(|remote| !remote.streams.is_empty() || remote.is_opening());
        if awaits && !is_cut_off {
            return Ok(());
        }
        if let Some(remote) = &mut self.remote {
            // Dropping an answer that is awaited resets its request.
            remote.streams.clear();
        }
        self.pipeline.call_back();
        self.reply.statistics.budget_spent = true;
        match self.options.offline {
            OfflinePolicy::GoOn => self.commit_alone(),
            OfflinePolicy::Wait(_) | OfflinePolicy::Fail => Err(GenerationError::BudgetSpent.into()),
        }
    }
}

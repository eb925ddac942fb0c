//! What a reply has taken of its verifier, how much more the target may do unheard, and what becomes of the reply when
//! the budget is spent.

use uhlm_law::advance::{Grant, Grants};

use super::end::End;
use super::run::Run;
use crate::error::GenerationError;
use crate::mode::Mode;
use crate::options::OfflinePolicy;
use crate::totals::Totals;

/// Largest number of passes that a grant can count.
const MAX_COUNTED: u64 = 254;

/// Returns the part of `wanted` that fits into `left` passes. A half of them stays for the requests to come, because
/// what is granted with one and not heard of cannot be granted with the next.
fn part(wanted: Grant, left: u64) -> Grant {
    let most = u8::try_from(left.div_ceil(2).min(MAX_COUNTED)).unwrap_or(0);
    match wanted {
        Grant::Unlimited if left > MAX_COUNTED => wanted,
        Grant::Unlimited => Grant::Passes(most),
        Grant::Passes(passes) => Grant::Passes(passes.min(most)),
    }
}

impl Run<'_> {
    /// Returns what was taken of the verifier, this reply included, and passes that the target may have made for
    /// answers that broke off.
    fn taken(&self) -> Totals {
        let mut taken = self.spent;
        taken.spend(&self.reply.statistics);
        let astray = self.remote.as_ref().map_or(0, |remote| remote.passes_astray());
        taken.target_passes = taken.target_passes.saturating_add(astray);
        taken
    }

    /// Tells whether no request may be sent, because the budget is spent.
    pub(super) fn may_not_ask(&self) -> bool {
        self.reply.statistics.budget_spent || self.options.budget.is_spent(&self.taken())
    }

    /// Returns the passes that the target may still make beyond those that it was asked for and the device has not
    /// heard of; `None` without a limit.
    fn passes_left(&self) -> Option<u64> {
        let limit = self.options.budget.target_passes?;
        let asked_for = self.remote.as_ref().map_or(0, |remote| remote.passes_asked_for());
        Some(limit.saturating_sub(self.taken().target_passes.saturating_add(asked_for)))
    }

    /// Returns what of `wanted` can be granted with a request now; `None` where not even a pass over its drafted tokens
    /// can. Where the target runs on for the whole reply, the device resets its answer when the passes are used up.
    pub(super) fn within_budget(&self, wanted: Grants, drafts: bool) -> Option<Grants> {
        let Some(left) = self.passes_left().filter(|_| self.mode != Mode::RemoteOnly) else { return Some(wanted) };
        // A window is judged in one pass, unless it is wider than the verifier has room for.
        let left = left.checked_sub(u64::from(drafts))?;
        let Grants { after_mismatch, after_agreement } = wanted;
        Some(Grants { after_mismatch: part(after_mismatch, left), after_agreement: part(after_agreement, left) })
    }

    /// Asks a target that runs on without end for an end, once the passes that are left can be counted.
    pub(super) fn rein_in(&mut self) -> Result<(), End> {
        let is_endless = self.remote.as_ref().is_some_and(|remote| remote.is_ready() && remote.runs_without_end());
        let is_near = self.passes_left().is_some_and(|left| left <= MAX_COUNTED);
        if is_endless && is_near && self.mode != Mode::RemoteOnly { self.ask() } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_takes_at_most_half_of_what_is_left_and_has_an_end_where_that_can_be_counted() {
        let parts = |left| [Grant::NONE, Grant::Passes(4), Grant::Unlimited].map(|wanted| part(wanted, left));
        assert_eq!(parts(0), [Grant::NONE; 3]);
        assert_eq!(parts(1), [Grant::NONE, Grant::Passes(1), Grant::Passes(1)]);
        assert_eq!(parts(5), [Grant::NONE, Grant::Passes(3), Grant::Passes(3)]);
        assert_eq!(parts(254), [Grant::NONE, Grant::Passes(4), Grant::Passes(127)]);
        assert_eq!(parts(255), [Grant::NONE, Grant::Passes(4), Grant::Unlimited]);
    }
}

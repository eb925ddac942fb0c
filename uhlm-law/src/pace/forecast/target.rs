//! The target of a play: what it has decided, what waits to be judged, and its pass.

use super::{Request, Setting};
use crate::advance::Grant;

/// A pass under way.
#[derive(Clone, Copy, Debug)]
struct Pass {
    ends: f64,
    took: f64,
    /// End of the drafted tokens that it judges; `None` for one without drafts.
    judges: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) decided: usize,
    pub(super) passes: usize,
    /// End of the drafted tokens that have arrived.
    parked: usize,
    left: Grant,
    pass: Option<Pass>,
}

impl Target {
    pub(super) fn pass_ends(&self) -> Option<f64> {
        self.pass.map(|pass| pass.ends)
    }

    pub(super) fn accept(&mut self, setting: &Setting<'_>, request: &Request) {
        let contradicted = request.wrong_at < self.decided;
        let grants = setting.policy.grants;
        self.left = if contradicted { grants.after_mismatch } else { grants.after_agreement };
        // A later branch takes the place of an earlier one.
        self.parked = if contradicted { self.decided } else { request.end };
    }

    /// Begins the next pass if there is reason for one.
    pub(super) fn begin_pass(&mut self, setting: &Setting<'_>, now: f64) {
        if self.pass.is_some() || self.decided >= setting.tokens {
            return;
        }
        let there = self.parked.min(setting.tokens).saturating_sub(self.decided);
        let width = if setting.policy.runs_on() { there.min(setting.costs.width) } else { there };
        if there == 0 && self.left.is_spent() {
            return;
        }
        let took = setting.costs.target(width);
        self.pass = Some(Pass { ends: now + took, took, judges: (there > 0).then_some(self.decided + width) });
    }

    /// Ends the pass that is due; returns the time that it took.
    pub(super) fn end_pass(&mut self, setting: &Setting<'_>, now: f64) -> Option<f64> {
        let Pass { took, judges, .. } = self.pass.take_if(|pass| pass.ends <= now)?;
        self.passes += 1;
        let grants = setting.policy.grants;
        match judges {
            None => {
                self.left = self.left.minus_one();
                self.decided += 1;
            }
            Some(end) => {
                let mismatch = (self.decided..end).find(|&position| !setting.at(position).matched);
                // The row after the last drafted token decides one more; a draft of that may be there.
                let next_differs = self.parked > end && !setting.at(end).matched;
                let agreed = mismatch.is_none() && !next_differs;
                self.left = if agreed { grants.after_agreement } else { grants.after_mismatch };
                self.decided = mismatch.unwrap_or(end) + 1;
            }
        }
        if !setting.at(self.decided - 1).matched {
            // What was drafted after it does not go on from here.
            self.parked = self.decided;
        }
        Some(took)
    }
}

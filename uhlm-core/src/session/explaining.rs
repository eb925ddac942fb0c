//! The reasons that are told with a token.

use super::reply::Told;
use super::run::Run;
use super::token::{Drafted, Standing};
use crate::mode::Mode;
use crate::origin::Origin;
use crate::why::{Decision, Why};

impl Run<'_> {
    /// Returns what is told with a token that stands, at the end of what is committed. `replaces` says whether another
    /// drafted one stood in its place.
    pub(super) fn told(&self, standing: &Standing, replaces: bool) -> Told {
        let uncertainty = standing.drafted.map(|drafted| drafted.uncertainty);
        let place = self.prompt + self.reply.committed();
        let was_drafted = standing.drafted.is_some() || replaces;
        let top = if was_drafted { self.drafter.top_tokens(place) } else { Vec::new() };
        let decision = match standing.origin {
            Origin::Draft if self.dry_run.unwrap_or(self.mode) == Mode::DeviceOnly => Decision::DeviceOnly,
            Origin::Draft => Decision::Passed,
            Origin::Verified => Decision::Agreed,
            Origin::Target if replaces => Decision::Replaced,
            Origin::Target => Decision::RanAhead,
            Origin::Unverified => Decision::Alone,
        };
        Told { uncertainty, why: self.explain(decision, standing.drafted), top }
    }

    /// Returns the reason for a token, where the generation was asked to explain itself.
    pub(super) fn explain(&self, decision: Decision, drafted: Option<Drafted>) -> Option<Why> {
        let by_target = matches!(decision, Decision::Agreed | Decision::Replaced | Decision::RanAhead);
        self.explains.then(|| Why {
            decision,
            uncertainty: drafted.map(|drafted| drafted.uncertainty),
            threshold: drafted.and_then(|drafted| drafted.threshold),
            margin: drafted.map(|drafted| drafted.margin),
            rejection: drafted.map(|drafted| drafted.beta),
            pace: Some(self.pacer.pace()).filter(|_| by_target && self.mode == Mode::Exact),
            request: self.heard_request.filter(|_| by_target),
        })
    }
}

//! The pace of a reply: the costs of everything, as they were measured, and what the target may do without drafts.
//!
//! Which policy holds is the [`Pacer`](uhlm_law::pace::Pacer)'s choice; here it gets its measurements, and a target
//! that is to stop is told so.

use std::time::{Duration, Instant};

use uhlm_law::advance::{Capabilities, Grants};
use uhlm_law::pace::Rhythm;
use uhlm_law::pass_times::MAX_MEASURED_ROWS;
use uhlm_law::window::{CloseRule, Costs};

use super::drafting::MAX_WINDOW;
use super::end::End;
use super::remote::Remote;
use super::run::Run;
use crate::link::Link;
use crate::mode::Mode;
use crate::options::DraftAhead;

impl Run<'_> {
    /// Tells whether the pace decides on windows and grants.
    pub(super) fn is_paced(&self) -> bool {
        self.mode == Mode::Exact
            && self.options.close == CloseRule::CostModel
            && matches!(self.options.draft_ahead, DraftAhead::Pipelined(_))
    }

    /// Returns what the target may do without drafts.
    pub(super) fn grants(&self) -> Grants {
        match self.mode {
            Mode::RemoteOnly => Grants::UNLIMITED,
            Mode::Exact if self.is_paced() => self.pacer.policy().grants,
            _ => Grants::NONE,
        }
    }

    /// Tells whether the target writes on by itself, whatever it is sent.
    pub(super) fn runs_on(&self) -> bool {
        self.grants() == Grants::UNLIMITED
    }

    /// Chooses a policy anew, by the pace, if it is time to. A target that ran on and is to wait from now on is told
    /// so.
    pub(super) fn choose_pace(&mut self) -> Result<(), End> {
        let Some(info) = self.remote.as_ref().and_then(|remote| remote.info.as_ref()).filter(|_| self.is_paced())
        else {
            return Ok(());
        };
        let runs_ahead = info.capabilities.contains(Capabilities::RUNS_AHEAD);
        if !self.pacer.is_due(runs_ahead) {
            return Ok(());
        }
        let (ran_on, costs) = (self.runs_on(), Costs { width: self.width(), ..self.costs() });
        if self.pacer.choose(&costs, runs_ahead) {
            let Costs { draft, catch_up, round_trip, width, .. } = costs;
            let (policy, acceptance) = (self.pacer.policy(), self.pacer.acceptance());
            let passes: Vec<f64> = (0..8).map(|tokens| costs.target(tokens)).collect();
            tracing::debug!(?policy, acceptance, draft, catch_up, ?passes, round_trip, width, "pace chosen");
        }
        let is_told = self.remote.as_ref().is_none_or(|remote| remote.streams.is_empty() || !remote.is_ready());
        if ran_on && !self.runs_on() && !is_told { self.ask() } else { Ok(()) }
    }

    /// Returns the seconds that a request sent now waits for the target to end its pass.
    pub(super) fn wait_for_pass(&self, costs: &Costs) -> f64 {
        let now = self.now();
        if self.runs_on() {
            let ago = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
            return match (self.target.last_heard, self.target.first_asked) {
                (Some((at, rhythm)), _) => rhythm.until_pass(ago(at), costs.round_trip),
                // The target reads the prompt since the request came, and a request sent now takes as long to come
                // there.
                (None, Some((at, tokens))) => {
                    let rhythm = Rhythm { last: costs.target(0), under_way: costs.target(tokens.saturating_sub(1)) };
                    rhythm.until_pass(ago(at), 0.0)
                }
                (None, None) => 0.0,
            };
        }
        let last_sent = self.pipeline.last_sent(now);
        last_sent.map_or(0.0, |(ago, tokens)| (costs.target(tokens) - ago.as_secs_f64()).max(0.0))
    }

    /// Returns what is known of the target when it has told of a pass of `last` seconds in a frame that came at `came`.
    pub(super) fn rhythm(&self, last: f64, came: Instant) -> Rhythm {
        let costs = Costs { width: self.width(), ..self.costs() };
        let sent_by = came.checked_sub(Duration::from_secs_f64(costs.round_trip)).unwrap_or(came);
        let parked = self.pipeline.sent_by(sent_by);
        Rhythm { last, under_way: costs.target(parked.min(costs.width)) }
    }

    /// Returns the largest number of drafted tokens that a pass judges where the target runs on.
    fn width(&self) -> usize {
        let pays = |remote: &&mut Remote| remote.link.pass_times().width_that_pays(self.pacer.acceptance(), MAX_WINDOW);
        self.remote.as_ref().map_or(MAX_WINDOW, pays)
    }

    /// Returns the costs as they were measured, in seconds; 0 where nothing was.
    pub(super) fn costs(&self) -> Costs {
        let link = self.remote.as_ref().map(|remote| &remote.link);
        let (base, per_token) = link.and_then(Link::decode_time).unwrap_or_default();
        Costs {
            draft: self.drafter.seconds_a_token(),
            catch_up: self.drafter.catch_up_seconds,
            target_base: base.as_secs_f64(),
            target_per_token: per_token.as_secs_f64(),
            by_rows: link.map_or([0.0; MAX_MEASURED_ROWS], Link::passes_by_rows),
            round_trip: link.and_then(Link::round_trip).unwrap_or_default().as_secs_f64(),
            width: MAX_WINDOW,
        }
    }
}

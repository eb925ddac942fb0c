//! Drafting and sending: whether the device drafts on, what becomes of a drafted token, and when windows go out.

use std::time::{Duration, Instant};

use uhlm_law::advance::{Capabilities, Grants};
use uhlm_law::pace::{LEAST_SURVIVAL, Moment, Rhythm};
use uhlm_law::pass_times::MAX_MEASURED_ROWS;
use uhlm_law::window::{CloseRule, Costs};

use super::end::End;
use super::lookahead::Counts;
use super::pace::{self, Situation};
use super::remote::Remote;
use super::reply::{Piece, bytes_of};
use super::run::Run;
use super::token::Drafted;
use crate::error::GenerationError;
use crate::generation::TOGETHER;
use crate::link::Link;
use crate::mode::Mode;
use crate::options::{DraftAhead, OfflinePolicy};

/// The longest window, in tokens. Windows that were not answered are sent again as one request, which must stay well
/// below [`MAX_DRAFT`](uhlm_law::advance::MAX_DRAFT).
pub(crate) const MAX_WINDOW: usize = 25;
/// What may be read before a probe, in passes of the target.
const PROBE_READING: f64 = 64.0;
/// Tokens that a first window has drafted when it is sent, about.
const FIRST_WINDOW: f64 = 2.0;

impl Run<'_> {
    /// Tells whether the device may draft now.
    pub(super) fn can_draft(&mut self) -> Result<bool, End> {
        if self.mode == Mode::RemoteOnly && !self.is_alone() {
            return Ok(false);
        }
        if self.is_sealed() || self.is_full()? || self.pipeline.branch().len() >= self.max_pending() {
            return Ok(false);
        }
        if self.mode.judges() && self.options.offline != OfflinePolicy::GoOn && !self.is_online() {
            return Ok(false);
        }
        if self.is_paced() && !self.pacer.policy().drafts && !self.is_alone() {
            if !self.pacer.drafts() {
                return Ok(false);
            }
            if !self.may_probe() {
                self.pacer.skip_probe();
                return Ok(false);
            }
        }
        let ahead = self.pipeline.windows_in_flight() > 0 || self.due;
        Ok(!ahead || (self.options.draft_ahead != DraftAhead::Off && self.pipeline.survival() > LEAST_SURVIVAL))
    }

    /// Tells whether a few drafts are worth what has to be read before them: where the target wrote alone, that may be a
    /// prompt on which the device is for longer than the target on the reply.
    fn may_probe(&self) -> bool {
        let (costs, unread) = (self.costs(), self.drafter.unread(self.pipeline.ids()));
        unread as f64 * costs.catch_up <= PROBE_READING * costs.target(0)
    }

    /// Tells whether nothing may follow the drafted tokens.
    fn is_sealed(&self) -> bool {
        self.reply.is_sealed(&self.branch_pieces())
    }

    fn branch_pieces(&self) -> Vec<Piece<'_>> {
        self.pipeline.branch().iter().map(|&id| self.drafter.piece(id)).collect()
    }

    fn longest_window(&self) -> usize {
        self.options.max_window.clamp(1, MAX_WINDOW)
    }

    fn max_pending(&self) -> usize {
        self.longest_window() * (1 + self.options.draft_ahead.windows())
    }

    /// Drafts one token.
    pub(super) fn draft(&mut self) -> Result<(), End> {
        if self.drafter.seconds > TOGETHER.as_secs_f64() / 2.0 {
            self.sink.flush();
        }
        let began = self.now();
        let cancel = self.sink.cancel().clone();
        let Some(tokens) = self.pipeline.tokens() else { return Ok(()) };
        let unread = self.drafter.unread(tokens.ids());
        let drafted = self.drafter.draft(tokens, self.mode, &|| cancel.is_cancelled())?;
        self.reply.statistics.drafted += 1;
        self.pacer.observe_draft();
        let Counts { proposed, accepted } = self.drafter.lookahead_counts();
        (self.reply.statistics.ngram_proposed, self.reply.statistics.ngram_accepted) = (proposed, accepted);
        let spent = self.since(began);
        self.reply.statistics.drafting += spent;
        self.drafter.took(spent.as_secs_f64(), unread);
        self.place(drafted)
    }

    /// Commits a drafted token, or keeps it in the open window.
    fn place(&mut self, drafted: Drafted) -> Result<(), End> {
        self.pipeline.push(drafted);
        if self.mode == Mode::DeviceOnly {
            return self.commit_skipped();
        }
        if self.is_alone() {
            return self.commit_alone();
        }
        let pieces = self.branch_pieces();
        let branch = bytes_of(&pieces);
        if !drafted.judged && self.pipeline.branch().len() == 1 {
            return self.commit_skipped();
        }
        self.reply.show(drafted.id, &branch, drafted.uncertainty);
        self.hand_over();
        self.due = self.due || self.closes()?;
        Ok(())
    }

    /// Commits the tokens at the front of the branch that nobody is to judge.
    pub(super) fn commit_skipped(&mut self) -> Result<(), End> {
        let counts = self.mode == Mode::Opportunistic;
        self.pipeline.skip().into_iter().try_for_each(|standing| {
            self.reply.statistics.skipped += u64::from(counts);
            self.commit(standing)
        })
    }

    /// Commits everything drafted: the device writes alone.
    pub(super) fn commit_alone(&mut self) -> Result<(), End> {
        self.due = false;
        // In `remote_only` nothing that the device writes has passed a gate.
        let remote_only = self.mode == Mode::RemoteOnly;
        self.pipeline.go_on_alone().into_iter().try_for_each(|mut standing| {
            if remote_only {
                standing.origin = crate::origin::Origin::Unverified;
            }
            let passed = standing.origin == crate::origin::Origin::Draft;
            self.reply.statistics.skipped += u64::from(passed);
            self.commit(standing)
        })
    }

    /// Tells whether a token of the open window waits for a verdict.
    pub(super) fn needs_verdict(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| self.pipeline.needs_verdict(&remote.peer))
    }

    /// Tells whether another window may be sent before those in flight are answered. What the paper's rule is unsure
    /// of is judged before anything goes on.
    pub(super) fn has_room_in_flight(&self) -> bool {
        if self.runs_on() {
            return true;
        }
        let most = if self.mode == Mode::Opportunistic { 1 } else { self.options.draft_ahead.windows() };
        self.pipeline.windows_in_flight() < most
    }

    /// Tells whether the open window should be sent.
    pub(super) fn closes(&mut self) -> Result<bool, End> {
        let Some(remote) = &self.remote else { return Ok(false) };
        if self.mode == Mode::RemoteOnly || !self.pipeline.needs_verdict(&remote.peer) {
            return Ok(false);
        }
        let window = self.pipeline.window(&remote.peer);
        if window.len() >= self.longest_window() || self.mode == Mode::Opportunistic || self.is_sealed() {
            return Ok(true);
        }
        if self.is_full()? {
            return Ok(true);
        }
        if self.is_paced() && (!self.pacer.policy().drafts || !self.pacer.may_spend()) {
            // A probe is compared with what the target writes in any case, and where the budget is spent, only what
            // cannot grow any more is sent.
            return Ok(false);
        }
        let costs = self.costs();
        let moment = Moment {
            window: &window,
            next_beta: self.drafter.mean_beta,
            wait: self.wait_for_pass(&costs),
            windows: self.options.draft_ahead.windows(),
        };
        let situation = Situation {
            moment,
            is_uncertain: self.pipeline.last_features().is_some_and(|seen| self.drafter.gate.is_uncertain(&seen)),
            policy: self.pacer.policy(),
            costs: &costs,
        };
        Ok(pace::closes(self.options.close, self.options.draft_ahead, &situation))
    }

    /// Tells whether the pace decides on windows and grants.
    pub(super) fn is_paced(&self) -> bool {
        self.mode == Mode::Exact
            && self.options.close == CloseRule::CostModel
            && matches!(self.options.draft_ahead, DraftAhead::Pipelined(_))
    }

    /// What the target may do without drafts.
    fn grants(&self) -> Grants {
        match self.mode {
            Mode::RemoteOnly => Grants::UNLIMITED,
            Mode::Exact if self.is_paced() => self.pacer.policy().grants,
            _ => Grants::NONE,
        }
    }

    /// Tells whether the target writes on, whatever it is sent.
    pub(super) fn runs_on(&self) -> bool {
        self.grants() == Grants::UNLIMITED
    }

    /// Chooses by the pace anew if it is time to. A target that ran on and is to wait from now on is told so.
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

    /// Seconds that what is sent now waits for the target to end its pass.
    fn wait_for_pass(&self, costs: &Costs) -> f64 {
        let now = self.now();
        if self.runs_on() {
            let ago = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
            return match (self.last_heard, self.first_asked) {
                (Some((at, rhythm)), _) => rhythm.until_pass(ago(at), costs.round_trip),
                // It reads the prompt since the request came, and what is sent now takes as long to come there.
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

    /// What is known of the target when it has told of a pass of `last` seconds in a frame that came at `came`.
    pub(super) fn rhythm(&self, last: f64, came: Instant) -> Rhythm {
        let costs = Costs { width: self.width(), ..self.costs() };
        let sent_by = came.checked_sub(Duration::from_secs_f64(costs.round_trip)).unwrap_or(came);
        let parked = self.pipeline.sent_by(sent_by);
        Rhythm { last, under_way: costs.target(parked.min(costs.width)) }
    }

    /// Drafted tokens that a pass judges at most where the target runs on.
    fn width(&self) -> usize {
        let pays = |remote: &&mut Remote| remote.link.pass_times().width_that_pays(self.pacer.acceptance(), MAX_WINDOW);
        self.remote.as_ref().map_or(MAX_WINDOW, pays)
    }

    pub(super) fn costs(&self) -> Costs {
        let link = self.remote.as_ref().map(|remote| &remote.link);
        let (base, per_token) = link.and_then(Link::decode_time).unwrap_or_default();
        Costs {
            draft: self.drafter.seconds,
            catch_up: self.drafter.catch_up_seconds,
            target_base: base.as_secs_f64(),
            target_per_token: per_token.as_secs_f64(),
            by_rows: link.map_or([0.0; MAX_MEASURED_ROWS], Link::passes_by_rows),
            round_trip: link.and_then(Link::round_trip).unwrap_or_default().as_secs_f64(),
            width: MAX_WINDOW,
        }
    }

    /// Sends what is due, if the link can take it.
    pub(super) fn send(&mut self) -> Result<(), End> {
        let now = self.now();
        if !self.remote.as_ref().is_some_and(|remote| remote.is_open() && remote.link.may_send(now)) {
            return Ok(());
        }
        match self.mode {
            Mode::DeviceOnly => Ok(()),
            // The target writes on by itself, as long as its answer lasts.
            Mode::Exact | Mode::Opportunistic if self.due && self.needs_verdict() && self.has_room_in_flight() => {
                self.due = false;
                self.ask()
            }
            _ if self.runs_on() && self.remote.as_ref().is_some_and(|remote| remote.streams.is_empty()) => self.ask(),
            Mode::RemoteOnly | Mode::Exact | Mode::Opportunistic => Ok(()),
        }
    }

    /// Sends a request with all that the verifier lacks and the open window.
    pub(super) fn ask(&mut self) -> Result<(), End> {
        self.ask_with(self.grants())
    }

    /// Sends a request likewise, with other grants.
    pub(super) fn ask_with(&mut self, grants: Grants) -> Result<(), End> {
        let (now, labels, one_by_one) = (self.now(), self.labelling(), self.mode == Mode::Opportunistic);
        let Some(remote) = &mut self.remote else { return Err(GenerationError::NoVerifier.into()) };
        if let Some((request, asked, tokens)) = self.pipeline.send(&mut remote.peer, one_by_one, grants, labels, now) {
            self.first_asked.get_or_insert((now, tokens));
            remote.send(request, asked, tokens, now);
        }
        Ok(())
    }

    /// Sends the prompt ahead of the first window if the verdict on that window is there sooner for it.
    pub(super) fn offer_prompt(&mut self) -> Result<(), End> {
        if self.runs_on() || self.prompt_pays_ahead() { self.ask() } else { Ok(()) }
    }

    /// Tells whether a pass over the prompt alone, followed by one over the first window, is done sooner than one
    /// pass over both. The first window takes the device its own pass over the prompt and a token or two. What was
    /// not measured yet counts for yes: a target that is idle loses nothing.
    fn prompt_pays_ahead(&self) -> bool {
        let costs = self.costs();
        let prompt = self.remote.as_ref().map_or(0, |remote| self.pipeline.unknown_to(&remote.peer));
        let unread = self.drafter.unread(self.pipeline.ids());
        let reading = if unread == 0 { Some(0.0) } else { self.drafter.prefill_time.at(unread) };
        let known = costs.target_base + costs.target_per_token > 0.0 && self.drafter.seconds > 0.0;
        let Some(reading) = reading.filter(|_| known) else { return true };
        costs.prompt_pays_ahead(prompt, reading + FIRST_WINDOW * costs.draft)
    }
}

//! Drafting and sending: whether the device drafts on, what becomes of a drafted token, and when windows go out.

use uhlm_law::advance::{Capabilities, DEFAULT_DEADLINE_MS, Grants, Info};
use uhlm_law::pace::{LEAST_SURVIVAL, Moment};

use super::drafter::Draft;
use super::end::End;
use super::lookahead::Counts;
use super::reply::Piece;
use super::run::Run;
use super::sending::{self, Situation};
use super::token::{Drafted, Standing};
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::generation::TOGETHER;
use crate::mode::Mode;
use crate::options::{DraftAhead, OfflinePolicy};

/// Largest number of tokens in a window. Windows that were not answered are sent again as one request, which must stay
/// well below [`MAX_DRAFT`](uhlm_law::advance::MAX_DRAFT).
pub(crate) const MAX_WINDOW: usize = 25;
/// Largest time that reading may take before a few drafts that only probe whether drafting pays, in passes of the
/// target.
const PROBE_READING: f64 = 64.0;
/// Number of tokens that are drafted, roughly, when the first window of a reply is sent.
const FIRST_WINDOW: f64 = 2.0;

/// Tells whether the grammar left no choice about a token.
fn is_forced(standing: &Standing) -> bool {
    standing.drafted.is_some_and(|drafted| drafted.forced)
}

impl Run<'_> {
    /// Tells whether the device may draft now.
    pub(super) fn can_draft(&mut self) -> Result<bool, End> {
        if self.mode == Mode::RemoteOnly && !self.is_alone() {
            return Ok(false);
        }
        if self.is_sealed() || self.is_full()? || self.pipeline.branch().len() >= self.max_pending() {
            return Ok(false);
        }
        // The verdict on the drafted tokens may lead elsewhere.
        let waits = !self.pipeline.branch().is_empty();
        if waits && self.pipeline.tokens().is_some_and(|tokens| self.drafter.says_nothing_after(tokens)) {
            return Ok(false);
        }
        if self.drafter.is_bridged() && self.drafter.is_stuck(self.pipeline.ids()) {
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

    /// Tells whether a few drafts are worth the reading before them: where the target wrote alone, that may be a prompt
    /// which keeps the device busy for longer than the reply keeps the target.
    fn may_probe(&mut self) -> bool {
        let (costs, unread) = (self.costs(), self.drafter.unread(self.pipeline.ids()));
        unread as f64 * costs.catch_up <= PROBE_READING * costs.target(0)
    }

    /// Tells whether nothing may follow the drafted tokens, as [`Reply::is_sealed`](super::reply::Reply::is_sealed)
    /// does.
    fn is_sealed(&self) -> bool {
        self.reply.is_sealed(&self.branch_pieces())
    }

    /// Returns the drafted tokens that do not stand yet, with their texts.
    fn branch_pieces(&self) -> Vec<Piece<'_>> {
        self.pipeline.branch().iter().map(|&id| self.drafter.piece(id)).collect()
    }

    /// Returns the largest number of tokens in a window.
    fn longest_window(&self) -> usize {
        self.options.max_window.clamp(1, MAX_WINDOW)
    }

    /// Returns the largest number of drafted tokens that may wait for a verdict.
    fn max_pending(&self) -> usize {
        self.longest_window() * (1 + self.options.draft_ahead.windows())
    }

    /// Drafts one token, unless the app leaves the front first where that counts.
    pub(super) fn draft(&mut self) -> Result<(), End> {
        if self.drafter.seconds > TOGETHER.as_secs_f64() / 2.0 {
            self.sink.flush();
        }
        let began = self.now();
        let (cancel, stop) = (self.sink.cancel().clone(), self.stop());
        let Some(tokens) = self.pipeline.tokens() else { return Ok(()) };
        let unread = self.drafter.unread(tokens.ids());
        let unsent = self.pipeline.unsent_to(self.remote.as_ref().map(|remote| &remote.peer));
        let mode = self.dry_run.unwrap_or(self.mode);
        let drafted = self.drafter.draft(tokens, unsent, mode, &|| cancel.is_cancelled() || stop.holds());
        let Draft { replaces, tokens } = match drafted {
            // The app left the front before the pass.
            Err(End::Finished(FinishReason::Cancelled)) if !cancel.is_cancelled() => return Ok(()),
            // Only a text that is decided fails with its grammar.
            Err(End::Failed(GenerationError::Grammar { .. })) if !self.pipeline.branch().is_empty() => return Ok(()),
            drafted => drafted?,
        };
        let spent = self.since(began);
        self.reply.statistics.drafting += spent;
        if tokens.first().is_some_and(|drafted| drafted.forced) {
            self.reply.statistics.forced += 1;
        } else {
            let drafted = &mut self.reply.statistics.drafted;
            *drafted = (*drafted + tokens.len() as u64).saturating_sub(replaces as u64);
            self.pacer.observe_draft();
            let Counts { proposed, accepted } = self.drafter.lookahead_counts();
            (self.reply.statistics.ngram_proposed, self.reply.statistics.ngram_accepted) = (proposed, accepted);
            self.drafter.took(spent.as_secs_f64(), unread);
        }
        self.retract(replaces);
        for (place, drafted) in tokens.into_iter().enumerate() {
            if place > 0 && self.is_sealed() {
                break;
            }
            self.place(drafted)?;
        }
        Ok(())
    }

    /// Takes the last drafted tokens back, of which nobody has heard but the reader, and shows what is left anew.
    fn retract(&mut self, tokens: usize) {
        if tokens == 0 {
            return;
        }
        self.reply.revise(self.pipeline.branch().len());
        self.pipeline.retract(tokens);
        let pieces: Vec<_> = self.pipeline.branch().iter().map(|&id| self.drafter.piece(id)).collect();
        for (uncertainty, end) in self.pipeline.uncertainties().zip(1..) {
            self.reply.show(&pieces[..end], uncertainty);
        }
    }

    /// Commits a drafted token, or keeps it in the open window.
    fn place(&mut self, drafted: Drafted) -> Result<(), End> {
        self.pipeline.push(drafted);
        if self.mode == Mode::DeviceOnly && self.dry_run.is_none() {
            return self.commit_skipped();
        }
        if self.dry_run.is_some() || self.is_alone() {
            return self.commit_alone();
        }
        if !drafted.judged && self.pipeline.branch().len() == 1 {
            return self.commit_skipped();
        }
        let pieces: Vec<_> = self.pipeline.branch().iter().map(|&id| self.drafter.piece(id)).collect();
        self.reply.show(&pieces, drafted.uncertainty);
        self.hand_over();
        self.due = self.due || self.closes()?;
        Ok(())
    }

    /// Commits the tokens at the front of the branch that nobody is to judge.
    pub(super) fn commit_skipped(&mut self) -> Result<(), End> {
        let counts = self.mode == Mode::Opportunistic;
        let standing = self.pipeline.skip().into_iter().map(|standing| {
            self.reply.statistics.skipped += u64::from(counts && !is_forced(&standing));
            (0, standing)
        });
        let standing = standing.collect();
        self.commit_all(standing)
    }

    /// Commits everything drafted: the device writes alone.
    pub(super) fn commit_alone(&mut self) -> Result<(), End> {
        self.due = false;
        // In `remote_only`, no token that the device writes has passed a gate.
        let remote_only = self.mode == Mode::RemoteOnly;
        let standing = self.pipeline.go_on_alone().into_iter().map(|mut standing| {
            if remote_only {
                standing.origin = crate::origin::Origin::Unverified;
            }
            let passed = standing.origin == crate::origin::Origin::Draft && !is_forced(&standing);
            self.reply.statistics.skipped += u64::from(passed);
            (0, standing)
        });
        let standing = standing.collect();
        self.commit_all(standing)
    }

    /// Tells whether a token of the open window waits for a verdict.
    pub(super) fn needs_verdict(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| self.pipeline.needs_verdict(&remote.peer))
    }

    /// Tells whether another window may be sent before those in flight are answered. Under the paper's rule it may not:
    /// what the gate is unsure of is judged before anything goes on. Nor may it where what is in flight may take all
    /// that is left of the budget.
    pub(super) fn has_room_in_flight(&self) -> bool {
        if self.within_budget(Grants::NONE, true).is_none() {
            return false;
        }
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
            // A probe is compared with the text that the target writes in any case, and where the budget is spent, only
            // a window that cannot grow any more is sent.
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
        Ok(sending::closes(self.options.close, self.options.draft_ahead, &situation))
    }

    /// Sends the request that is due, if the link can take it.
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

    /// Sends a request with all tokens that the verifier lacks and the open window.
    pub(super) fn ask(&mut self) -> Result<(), End> {
        self.ask_with(self.grants())
    }

    /// Sends a request as [`Self::ask`] does, with other grants.
    pub(super) fn ask_with(&mut self, grants: Grants) -> Result<(), End> {
        let (now, labels, one_by_one) = (self.now(), self.labelling(), self.mode == Mode::Opportunistic);
        let patience = self.waits_at_most();
        if self.may_not_ask() {
            return Ok(());
        }
        let Some(grants) = self.within_budget(grants, self.needs_verdict()) else { return Ok(()) };
        self.check_chain()?;
        let number = self.reply.statistics.requests + 1;
        let Some(remote) = &mut self.remote else { return Err(GenerationError::NoVerifier.into()) };
        if let Some((mut request, asked, tokens)) =
            self.pipeline.send(&mut remote.peer, one_by_one, grants, labels, now)
        {
            self.target.first_asked.get_or_insert((now, tokens));
            request.deadline_ms = patience.filter(|ms| *ms != DEFAULT_DEADLINE_MS);
            if let Some(sent) = remote.send(request, asked, tokens, number, now) {
                self.reply.statistics.requests += 1;
                // An answer may never come; one that does says what its way took.
                self.reply.statistics.body_up += sent;
            }
        }
        Ok(())
    }

    /// Checks that the verifier knows every part of the reply's chain: one that does not would draw otherwise.
    fn check_chain(&self) -> Result<(), End> {
        let knows = |info: &Info| info.capabilities.contains(Capabilities::WIDER_CHAIN);
        let info = self.remote.as_ref().and_then(|remote| remote.info.as_ref());
        if self.pipeline.is_wide() && !info.is_some_and(knows) {
            let reason = "this verifier knows neither a logit bias nor top-n-sigma".into();
            return Err(GenerationError::Refused { reason }.into());
        }
        Ok(())
    }

    /// Sends the prompt ahead of the first window if the verdict on that window is there sooner for it.
    pub(super) fn offer_prompt(&mut self) -> Result<(), End> {
        if self.runs_on() || self.prompt_pays_ahead() { self.ask() } else { Ok(()) }
    }

    /// Tells whether a pass over the prompt alone, followed by one over the first window, is done sooner than one pass
    /// over both. The first window takes the device its own pass over the prompt and a token or two. A cost that was
    /// not measured yet counts for yes: a target that is idle loses nothing.
    fn prompt_pays_ahead(&mut self) -> bool {
        let costs = self.costs();
        let prompt = self.remote.as_ref().map_or(0, |remote| self.pipeline.unknown_to(&remote.peer));
        let unread = self.drafter.unread(self.pipeline.ids());
        let reading = if unread == 0 { Some(0.0) } else { self.drafter.prefill_time.at(unread) };
        let known = costs.target_base + costs.target_per_token > 0.0 && self.drafter.seconds > 0.0;
        let Some(reading) = reading.filter(|_| known) else { return true };
        costs.prompt_pays_ahead(prompt, reading + FIRST_WINDOW * costs.draft)
    }
}

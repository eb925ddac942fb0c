//! Opening a session, failures, and the way back: how the session behaves, by its policy, where the verifier does not
//! answer.

use std::time::Duration;

use uhlm_law::advance::{Asked, ErrorBody, ErrorCode, Grants, Recovery};

use super::end::End;
use super::inbox::{Opened, Tag};
use super::run::Run;
use crate::error::GenerationError;
use crate::event::{LinkCause, LinkState};
use crate::mode::Mode;
use crate::options::OfflinePolicy;
use crate::verifier::VerifierError;

impl Run<'_> {
    /// Tells whether the verifier answered last, or was not asked yet.
    pub(super) fn is_online(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.is_online())
    }

    /// Tells whether the device writes alone because the verifier is out of reach, or busy for long. The drafted tokens
    /// wait for the next attempt only where that is near: where the connection failed once or twice.
    pub(super) fn is_alone(&self) -> bool {
        let Some(remote) = &self.remote else { return false };
        if self.reply.statistics.budget_spent {
            return true;
        }
        let (link, cause) = remote.news();
        let is_away =
            link == LinkState::Offline || cause == Some(LinkCause::TimedOut) || remote.link.is_far(self.now());
        if remote.is_foreign {
            return true;
        }
        self.options.offline == OfflinePolicy::GoOn
            && link != LinkState::Online
            && !self.has_grace()
            && self.pipeline.windows_in_flight() == 0
            && (is_away || !self.needs_verdict())
    }

    /// Tells whether a verifier that is silent is asked again before the policy decides.
    fn has_grace(&self) -> bool {
        let now = self.now();
        self.remote.as_ref().is_some_and(|remote| remote.link.has_grace(now))
    }

    /// Asks for a session if there is none.
    pub(super) fn open(&mut self) -> Result<(), End> {
        let (vocabulary, now) = (self.drafter.language().words.vocabulary_hash(), self.now());
        let may_not_ask = self.may_not_ask();
        let Some(remote) = &mut self.remote else { return Err(GenerationError::NoVerifier.into()) };
        if !may_not_ask && let Some(sent) = remote.open(vocabulary, now) {
            self.reply.statistics.requests += 1;
            self.reply.statistics.body_up += sent;
        }
        Ok(())
    }

    /// Waits until a session is open or the policy lets the device go on without one.
    pub(super) fn await_open(&mut self) -> Result<(), End> {
        while !self.remote.as_ref().is_some_and(|remote| remote.is_open()) && !self.is_alone() {
            self.check_cancelled()?;
            self.keep_budget()?;
            self.open()?;
            self.rest()?;
            self.settle()?;
        }
        Ok(())
    }

    /// Returns how long a request may wait for its turn before the policy would have the device do without an answer,
    /// in milliseconds; `None` where nothing is waited for.
    pub(super) fn waits_at_most(&self) -> Option<u32> {
        let longest = match self.options.offline {
            OfflinePolicy::Wait(limit) => {
                let waited = self.outage.waiting_since().map_or(Duration::ZERO, |since| self.since(since));
                limit.saturating_sub(waited)
            }
            OfflinePolicy::GoOn | OfflinePolicy::Fail => self.remote.as_ref()?.link.longest_wait(),
        };
        Some(u32::try_from(longest.as_millis()).unwrap_or(u32::MAX))
    }

    /// Fails, under [`OfflinePolicy::Wait`], when the time is over.
    pub(super) fn give_up_if_waited_too_long(&self) -> Result<(), End> {
        match (self.outage.waiting_since(), self.options.offline) {
            (Some(since), OfflinePolicy::Wait(limit)) if self.since(since) >= limit => Err(self.offline_error().into()),
            _ => Ok(()),
        }
    }

    /// Takes up what an earlier generation left: a verifier out of reach is waited for from now on, or given up at
    /// once, unless an attempt is due. The reader is told of it, and of one that came back in between.
    pub(super) fn resume(&mut self) -> Result<(), End> {
        let now = self.now();
        // A verifier that is out of reach is told of in every reply.
        if self.is_online() {
            self.recall_state();
        }
        self.tell_state();
        let due = self.remote.as_ref().is_none_or(|remote| remote.link.may_send(now));
        match self.options.offline {
            _ if self.is_online() => Ok(()),
            OfflinePolicy::GoOn => Ok(()),
            OfflinePolicy::Wait(_) => {
                self.outage.wait(now);
                Ok(())
            }
            OfflinePolicy::Fail if due || self.has_grace() => Ok(()),
            OfflinePolicy::Fail => Err(self.offline_error().into()),
        }
    }

    /// Returns the error of a verifier that is out of reach, with its last failure.
    fn offline_error(&self) -> GenerationError {
        let cause = self.remote.as_ref().and_then(|remote| remote.last_failure.clone());
        GenerationError::Offline { cause: cause.unwrap_or(VerifierError::Unreachable { reason: "no answer".into() }) }
    }

    /// Takes the answer to an attempt to open a session.
    pub(super) fn opened(&mut self, result: Result<Opened, VerifierError>) -> Result<(), End> {
        let Some(remote) = &mut self.remote else { return Ok(()) };
        let before = remote.info.clone();
        let answer = match remote.opened(result) {
            Ok(answer) => answer,
            Err(error) => return self.out_of_order(error),
        };
        let is_written = self.reply.statistics.origins.verified + self.reply.statistics.origins.target > 0;
        if let Some(before) = before.filter(|before| is_written && before.fingerprint != answer.value.fingerprint) {
            // A reply is one model's: what another writes after it would be nobody's text.
            remote.give_up();
            remote.info = Some(before);
            let reason = "it serves another model than the one that this reply is of".into();
            return self.out_of_order(VerifierError::InvalidAnswer { reason });
        }
        let words = &self.drafter.language().words;
        if answer.value.vocabulary != words.vocabulary_hash() {
            remote.give_up();
            let (here, there) = (words.vocabulary().size(), answer.value.limits.vocabulary_size);
            let reason = format!("{here} tokens on the device, {there} on the verifier, and not the same ones");
            return Err(GenerationError::VocabularyMismatch { reason }.into());
        }
        self.check_grammar()?;
        self.pipeline.set_max_body(answer.value.limits.max_body);
        if self.mode != Mode::DeviceOnly {
            self.drafter.draft_for(&answer.value.ends);
        }
        let counted = self.remote.as_mut().map_or(0, |remote| std::mem::take(&mut remote.opening_counted));
        self.reply.statistics.opens += 1;
        self.target.passes_before = self.reply.statistics.target_passes;
        self.reply.statistics.count_up(answer.bytes.up, counted);
        self.account(answer.bytes);
        self.reached(None, answer.elapsed, answer.attempts);
        // The target may read the prompt while the device drafts. A gate that skips most tokens may never need it.
        if self.mode != Mode::Exact || self.pipeline.len() > self.prompt {
            return Ok(());
        }
        // Only now the target's context is known.
        self.check_prompt()?;
        self.offer_prompt()
    }

    /// Takes note of what earlier replies have told of the verifier.
    pub(super) fn recall_state(&mut self) {
        if let Some(remote) = &self.remote {
            self.reply.was_told(remote.told);
        }
    }

    /// Tells the app whether the verifier answers, if it was told otherwise.
    pub(super) fn tell_state(&mut self) {
        let Some(remote) = &mut self.remote else { return };
        let (link, cause) = remote.news();
        remote.told = (link, cause);
        self.shared.set_link(link, cause);
        self.reply.tell_state(link, cause);
        self.hand_over();
    }

    /// Takes note that an answer failed or broke off. The tokens that were not decided are sent again, committed
    /// unverified, or given up, as the policy says.
    pub(super) fn failed(&mut self, tag: Tag, error: VerifierError) -> Result<(), End> {
        let Some(remote) = &mut self.remote else { return Ok(()) };
        let Some(place) = remote.streams.iter().position(|stream| stream.tag == tag) else { return Ok(()) };
        let asked = remote.streams[place].asked.clone();
        let is_last = place + 1 == remote.streams.len();
        remote.finish_failed(tag, &error);
        let astray = self.recover(&asked, &error);
        // An answer that a later request replaces has no consequences.
        if !is_last && !astray {
            return Ok(());
        }
        self.out_of_order(error)
    }

    /// Tells the protocol's state what became of a request; returns whether the verifier's session does not hold what
    /// the device took it to hold.
    fn recover(&mut self, asked: &Asked, error: &VerifierError) -> bool {
        let (Some(remote), Some(conversation)) = (&mut self.remote, self.pipeline.conversation()) else { return false };
        match error {
            VerifierError::Desync { held } => {
                let body = ErrorBody { code: ErrorCode::Desync, reason: String::new(), held: Some(*held) };
                conversation.refused(&mut remote.peer, asked, &body).recovery != Some(Recovery::GiveUp)
            }
            VerifierError::SessionGone => true,
            _ => {
                conversation.lost(&mut remote.peer, asked);
                false
            }
        }
    }

    /// Does what follows from a failure, whichever request met it.
    fn out_of_order(&mut self, error: VerifierError) -> Result<(), End> {
        let now = self.now();
        let Some(remote) = &mut self.remote else { return Ok(()) };
        let is_foreign =
            !remote.is_open() && matches!(&error, VerifierError::Refused(body) if body.code == ErrorCode::Unsupported);
        if is_foreign && self.reply.committed() > 0 && self.options.offline == OfflinePolicy::GoOn {
            // A reply that the device began alone stays in its own tokens; the next one is in the target's.
            remote.is_foreign = true;
            return self.commit_alone();
        }
        remote.failed(error.clone(), now);
        let is_open = remote.is_open();
        self.tell_state();
        match error {
            VerifierError::Untrusted { reason } => Err(GenerationError::Untrusted { reason }.into()),
            VerifierError::Unauthorized => Err(GenerationError::Unauthorized.into()),
            // Vocabularies are compared when a session opens; later it is the chain that a verifier cannot serve.
            VerifierError::Refused(body) if body.code == ErrorCode::Unsupported && !is_open => {
                Err(GenerationError::VocabularyMismatch { reason: body.reason }.into())
            }
            VerifierError::Refused(body) if body.code != ErrorCode::Internal => {
                Err(GenerationError::Refused { reason: body.reason }.into())
            }
            VerifierError::Desync { .. } => self.ask_again(),
            VerifierError::SessionGone => {
                self.reply.statistics.resent += u64::from(self.pipeline.call_back());
                self.outage.desynced();
                self.start_over()
            }
            // The consent was withdrawn, and with it this generation is cancelled.
            VerifierError::Cancelled => Ok(()),
            _ => self.out_of_reach(),
        }
    }

    /// Gives the session up for a new one, to which everything is said anew. Where that was tried before and no token
    /// came of it, the verifier answers and yet there is no way on: that is left to the policy like a verifier that
    /// does not answer, with pauses between attempts.
    pub(super) fn start_over(&mut self) -> Result<(), End> {
        let now = self.now();
        self.due = self.needs_verdict();
        let Some(remote) = &mut self.remote else { return Ok(()) };
        remote.give_up();
        if !self.outage.is_hopeless() {
            return self.open();
        }
        // Each further attempt is followed by a pause, until a token comes of one.
        let failure = VerifierError::InvalidAnswer { reason: "it lost what it was told, over and over".into() };
        remote.link.on_failure(&failure, now);
        self.tell_state();
        self.out_of_reach()
    }

    /// Takes note that the verifier does not answer. The tokens that are not decided are asked for again; where the
    /// verifier was only silent, the policy decides when its grace is over, else at once.
    fn out_of_reach(&mut self) -> Result<(), End> {
        let now = self.now();
        self.reply.statistics.resent += u64::from(self.pipeline.call_back());
        self.due = self.needs_verdict();
        self.outage.decide();
        match self.options.offline {
            OfflinePolicy::Wait(_) => {
                self.outage.wait(now);
                Ok(())
            }
            OfflinePolicy::GoOn | OfflinePolicy::Fail if self.has_grace() => {
                self.outage.postpone();
                Ok(())
            }
            OfflinePolicy::GoOn => self.commit_alone(),
            OfflinePolicy::Fail => Err(self.offline_error().into()),
        }
    }

    /// Lets the policy decide, where that was postponed, once the grace is over and no answer came.
    pub(super) fn end_grace(&mut self) -> Result<(), End> {
        if !self.outage.is_postponed() || self.has_grace() {
            return Ok(());
        }
        self.outage.decide();
        if self.is_online() { Ok(()) } else { self.out_of_reach() }
    }

    /// Tries to bring the link back: opens a session where there is none, and tries a link that failed with a request
    /// that carries the missing tokens and delays nothing.
    pub(super) fn revive(&mut self) -> Result<(), End> {
        let now = self.now();
        let Some(remote) = &self.remote else { return Ok(()) };
        if self.mode == Mode::DeviceOnly || !remote.link.may_send(now) || !remote.streams.is_empty() {
            return Ok(());
        }
        if !remote.is_open() {
            return self.open();
        }
        if remote.is_online() || self.needs_verdict() {
            return Ok(());
        }
        self.ask_with(Grants::NONE)
    }
}

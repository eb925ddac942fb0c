//! Opening a session, failures, and the way back: what the policy makes of a verifier that does not answer.

use uhlm_law::protocol::{ErrorCode, Timing, VerifyResponse};
use uhlm_law::window::Window;

use super::Round;
use super::inbox::{Opened, Tag};
use super::remote::Probed;
use crate::error::GenerationError;
use crate::event::{Event, FinishReason, LinkState};
use crate::link::Exchange;
use crate::mode::Mode;
use crate::options::OfflinePolicy;
use crate::origin::Origin;
use crate::verifier::{Answer, VerifierError};

/// Desynchronisations in a row after which the session is given up for a new one, and after which that fails too.
const MOST_DESYNCS: u32 = 2;

impl Round<'_> {
    /// Asks for a session if there is none.
    pub(super) fn open(&mut self) -> Result<(), GenerationError> {
        let now = self.now();
        let device = &mut *self.device;
        let Some(remote) = device.remote.as_mut() else { return Err(GenerationError::NoVerifier) };
        remote.open(device.model.as_ref(), &device.options, now);
        Ok(())
    }

    /// Waits until a session is open or the policy lets the device go on without one.
    pub(super) fn await_open(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        let began = self.now();
        while !self.remote()?.is_open() && !self.is_alone() {
            if self.cancelled() {
                return Ok(Some(FinishReason::Cancelled));
            }
            self.give_up_if_waited_too_long()?;
            self.open()?;
            self.receive(self.patience());
            if let Some(reason) = self.settle()? {
                return Ok(Some(reason));
            }
        }
        self.statistics.waiting += self.since(began);
        Ok(None)
    }

    /// Under [`OfflinePolicy::Wait`]: fails when the time is over.
    pub(super) fn give_up_if_waited_too_long(&self) -> Result<(), GenerationError> {
        match (self.waiting_since, self.device.options.offline) {
            (Some(since), OfflinePolicy::Wait(limit)) if self.since(since) >= limit => Err(self.offline_error()),
            _ => Ok(()),
        }
    }

    /// What an earlier generation left: a verifier out of reach is waited for from now on, or given up at once, unless
    /// an attempt is due.
    pub(super) fn resume(&mut self) -> Result<(), GenerationError> {
        if self.is_online() {
            return Ok(());
        }
        let now = self.now();
        let due = self.remote()?.link.may_send(now);
        match self.device.options.offline {
            OfflinePolicy::GoOn => Ok(()),
            OfflinePolicy::Wait(_) => {
                self.waiting_since = Some(now);
                Ok(())
            }
            OfflinePolicy::Fail if due => Ok(()),
            OfflinePolicy::Fail => Err(self.offline_error()),
        }
    }

    pub(super) fn offline_error(&self) -> GenerationError {
        let cause = self.device.remote.as_ref().and_then(|remote| remote.last_failure.clone());
        GenerationError::Offline { cause: cause.unwrap_or(VerifierError::Unreachable { reason: "no answer".into() }) }
    }

    /// Takes the answer to an attempt to open a session.
    pub(super) fn opened(
        &mut self,
        result: Result<Opened, VerifierError>,
    ) -> Result<Option<FinishReason>, GenerationError> {
        let answer = match self.remote()?.opened(result) {
            Ok(answer) => answer,
            Err(error) => return self.failed(error),
        };
        if answer.value.info.vocabulary != self.device.model.vocabulary_hash() {
            self.remote()?.give_up();
            let reason = format!("{} tokens on the verifier", answer.value.info.vocabulary_size);
            return Err(GenerationError::VocabularyMismatch { reason });
        }
        self.statistics.opens += 1;
        self.answered(&answer, None)?;
        // The target may read the prompt while the device drafts. A gate that skips most tokens may never need it.
        if self.mode == Mode::Exact && self.device.tokens.len() == self.prompt {
            self.offer_prompt()?;
        }
        Ok(None)
    }

    /// Bookkeeping of any answer: bytes, and a link that works. `pass` is what the target decoded for it.
    pub(super) fn answered<T>(
        &mut self,
        answer: &Answer<T>,
        pass: Option<(usize, Timing)>,
    ) -> Result<(), GenerationError> {
        self.statistics.body_up += answer.bytes.up;
        self.statistics.body_down += answer.bytes.down;
        // A session that opens and is lost again is no way back.
        if self.desyncs == 0 {
            self.waiting_since = None;
        }
        let link = &mut self.remote()?.link;
        let change = match pass {
            Some((tokens, timing)) => {
                link.on_answer(&Exchange { elapsed: answer.elapsed, timing, tokens, attempts: answer.attempts })
            }
            None => link.on_reachable(),
        };
        self.tell_state(change);
        Ok(())
    }

    /// The verifier did what it is asked for.
    pub(super) fn progressed(&mut self) {
        self.desyncs = 0;
        self.waiting_since = None;
        self.refused = None;
    }

    /// A verdict that belongs to no window of this generation.
    pub(super) fn probed(&mut self, tag: Tag, result: Result<Answer<VerifyResponse>, VerifierError>) {
        let Some(Probed { bytes, change }) = self.device.probed(tag, result) else { return };
        self.statistics.body_up += bytes.up;
        self.statistics.body_down += bytes.down;
        if change == Some(LinkState::Online) {
            self.waiting_since = None;
        }
        self.tell_state(change);
    }

    pub(super) fn tell_state(&self, change: Option<LinkState>) {
        if let Some(state) = change {
            self.device.shared.set_link(state);
            self.sink.send(Event::State(state));
        }
    }

    /// A request failed. What was not judged is sent again, committed unverified, or given up, as the policy says.
    pub(super) fn failed(&mut self, error: VerifierError) -> Result<Option<FinishReason>, GenerationError> {
        // Only calls that were dropped are cancelled, and nobody waits for those.
        let error = match error {
            VerifierError::Cancelled => VerifierError::Unreachable { reason: "the call was cancelled".into() },
            error => error,
        };
        let astray = matches!(error, VerifierError::Desync { .. } | VerifierError::SessionGone);
        if astray && self.desyncs > MOST_DESYNCS {
            return self.lost_for_good(error);
        }
        let now = self.now();
        let remote = self.remote()?;
        let change = remote.link.on_failure(&error, now);
        remote.last_failure = Some(error.clone());
        self.tell_state(change);
        match error {
            VerifierError::Untrusted { reason } => Err(GenerationError::Untrusted { reason }),
            VerifierError::Unauthorized => Err(GenerationError::Unauthorized),
            VerifierError::Refused(body) if body.code == ErrorCode::Unsupported => {
                Err(GenerationError::VocabularyMismatch { reason: body.reason })
            }
            VerifierError::Refused(body) if body.code != ErrorCode::Internal => {
                Err(GenerationError::Refused { reason: body.reason })
            }
            VerifierError::Desync { held } if self.desyncs < MOST_DESYNCS => {
                self.desyncs += 1;
                self.take_back_windows();
                let remote = self.remote()?;
                remote.held = remote.held.min(held as usize);
                Ok(None)
            }
            VerifierError::SessionGone => {
                self.desyncs += 1;
                self.take_back_windows();
                self.remote()?.lost();
                self.open()?;
                Ok(None)
            }
            VerifierError::Desync { .. } => {
                self.desyncs += 1;
                self.take_back_windows();
                self.remote()?.give_up();
                self.open()?;
                Ok(None)
            }
            _ => self.out_of_reach(),
        }
    }

    /// The verifier answers, and yet there is no way on: neither sending again nor a new session helped. That is left
    /// to the policy like a verifier that does not answer, with pauses between attempts.
    fn lost_for_good(&mut self, error: VerifierError) -> Result<Option<FinishReason>, GenerationError> {
        let failure = VerifierError::InvalidAnswer { reason: error.to_string() };
        let now = self.now();
        let remote = self.remote()?;
        let change = remote.link.on_failure(&failure, now);
        remote.last_failure = Some(error);
        remote.give_up();
        self.tell_state(change);
        self.out_of_reach()
    }

    fn out_of_reach(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        self.take_back_windows();
        match self.device.options.offline {
            OfflinePolicy::GoOn => self.commit_unverified(),
            OfflinePolicy::Wait(_) => {
                let now = self.now();
                self.waiting_since.get_or_insert(now);
                Ok(None)
            }
            OfflinePolicy::Fail => Err(self.offline_error()),
        }
    }

    /// Makes one open window of everything that was sent or drafted and not decided. Levels stay: no token's dice are
    /// rolled twice.
    pub(super) fn take_back_windows(&mut self) {
        let sent = self.windows_in_flight() > 0;
        let undecided = self.in_flight.drain(..).flat_map(|w| w.tokens.into_iter().chain(w.guess)).collect::<Vec<_>>();
        let open = self.window.take();
        self.window = Window::new();
        for token in undecided.into_iter().chain(open) {
            self.window.push(token);
        }
        self.statistics.resent += u64::from(sent);
        self.due = self.window.needs_verdict() && (sent || self.due);
    }

    /// The device goes on alone: what it drafted stands, marked for what it is, unless the target refused it already.
    fn commit_unverified(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        if self.refused.take() == Some(self.committed) {
            self.roll_back(self.committed)?;
            return Ok(None);
        }
        let first = self.device.tokens.len() - self.window.len();
        let undecided = self.window.take();
        self.due = false;
        let undecided = undecided.into_iter().skip(self.committed - first);
        Ok(undecided.into_iter().find_map(|token| {
            self.statistics.skipped += u64::from(!token.judged);
            self.commit(if token.judged { Origin::Unverified } else { Origin::Draft }, Some(token.uncertainty))
        }))
    }

    /// The way back: opens a session where there is none, and tries a link that failed with a request that carries the
    /// missing tokens and delays nothing.
    pub(super) fn revive(&mut self) -> Result<(), GenerationError> {
        if self.mode == Mode::DeviceOnly {
            return Ok(());
        }
        let now = self.now();
        let may_send = self.remote()?.link.may_send(now);
        if !may_send || !self.in_flight.is_empty() {
            return Ok(());
        }
        let remote = self.remote()?;
        if !remote.is_open() {
            return self.open();
        }
        let failed = remote.link.state() != LinkState::Online;
        if failed && !self.window.needs_verdict() {
            self.send_window(Vec::new(), false)?;
        }
        Ok(())
    }
}

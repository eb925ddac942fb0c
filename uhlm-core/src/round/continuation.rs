//! `remote_only`: the target writes, the device shows it; where the verifier is out of reach and the policy is to go on,
//! the draft model writes until it is back.

use std::time::Duration;

use super::inbox::Inbox;
use super::inbox::Tag;
use super::{LONGEST_SLEEP, Round};
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::origin::Origin;
use crate::verifier::{Continued, VerifierError};

impl Round<'_> {
    pub(super) fn run_continuation(&mut self) -> Result<FinishReason, GenerationError> {
        loop {
            if self.cancelled() {
                return Ok(FinishReason::Cancelled);
            }
            let outcome = if self.is_alone() { self.draft_alone()? } else { self.continue_remotely()? };
            if let Some(reason) = outcome {
                return Ok(reason);
            }
        }
    }

    /// One token of the draft model, while the way back is tried beside it.
    fn draft_alone(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        self.receive(Duration::ZERO);
        if let Some(reason) = self.settle()? {
            return Ok(Some(reason));
        }
        if !self.is_alone() {
            return Ok(None);
        }
        self.revive()?;
        if self.is_full()? {
            return Ok(Some(FinishReason::ContextFull));
        }
        self.draft()
    }

    /// One attempt to let the target write; none if it broke off and the loop should look again.
    fn continue_remotely(&mut self) -> Result<Option<FinishReason>, GenerationError> {
        if let Some(reason) = self.await_open()? {
            return Ok(Some(reason));
        }
        if self.is_alone() {
            return Ok(None);
        }
        self.check_prompt()?;
        let wanted = self.options.max_tokens - (self.committed - self.prompt);
        let now = self.now();
        let tokens = &self.device.tokens;
        let Some(remote) = self.device.remote.as_mut() else { return Err(GenerationError::NoVerifier) };
        // A link that failed a moment ago is left alone until its back-off is over.
        if !remote.link.may_send(now) {
            self.give_up_if_waited_too_long()?;
            self.receive(self.patience());
            return Ok(None);
        }
        let Some((tag, call)) = remote.continuation(tokens, wanted) else { return Ok(None) };
        self.follow(tag, call)
    }

    /// Takes the parts of a continuation until it ends. Leaving early drops the call, which stops the target.
    fn follow(&mut self, expected: Tag, call: crate::verifier::Call) -> Result<Option<FinishReason>, GenerationError> {
        loop {
            let began = self.now();
            let message = self.wait(LONGEST_SLEEP);
            self.statistics.waiting += self.since(began);
            if matches!(message, Some(Inbox::Close)) {
                self.close();
            }
            if self.cancelled() {
                return Ok(Some(FinishReason::Cancelled));
            }
            let result = match message {
                Some(Inbox::Continued { tag, result }) if tag == expected => result,
                _ => continue,
            };
            match result {
                Ok(answer) => {
                    self.answered(&answer, None)?;
                    match answer.value {
                        Continued::Tokens(ids) => {
                            self.progressed();
                            if let Some(reason) = self.written(&ids)? {
                                return Ok(Some(reason));
                            }
                        }
                        Continued::End(_) => {
                            call.detach();
                            // It ended without an end token and short of what was asked for: its context is full.
                            return Ok(Some(FinishReason::ContextFull));
                        }
                    }
                }
                Err(error) => return self.failed(error),
            }
        }
    }

    /// Commits what the target wrote.
    fn written(&mut self, ids: &[uhlm_law::sampling::TokenId]) -> Result<Option<FinishReason>, GenerationError> {
        for &id in ids {
            if id as usize >= self.device.model.vocabulary().size() {
                return self
                    .failed(VerifierError::InvalidAnswer { reason: format!("token {id} outside the vocabulary") });
            }
            self.statistics.target_passes += 1;
            let reason = self.append(id, Origin::Bonus);
            self.remote()?.held = self.committed;
            if reason.is_some() {
                return Ok(reason);
            }
        }
        Ok(None)
    }
}

//! A phone's reactions to frames, refusals and silence.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use uhlm_core::verifier::{Answer, VerifierError};
use uhlm_law::advance::{Asked, EndReason, Frame, Recovery};
use uhlm_law::advance::{ErrorBody, ErrorCode};

use super::Phone;

/// Number of failures in a row after which the phone opens another session.
const FAILURES_OF_A_SESSION: u32 = 8;

impl Phone {
    /// Takes a part of an answer, or its failure. What comes of an earlier reply is not looked at.
    ///
    /// # Errors
    /// The failure after which the verifier is of no use to this phone.
    pub(super) fn hear(
        &mut self,
        number: u64,
        heard: Result<Answer<Frame>, VerifierError>,
    ) -> Result<(), VerifierError> {
        let Some(place) = self.streams.iter().position(|stream| stream.number == number) else { return Ok(()) };
        let answer = match heard {
            Ok(answer) => answer,
            Err(error) => {
                let stream = self.streams.remove(place);
                stream.call.detach();
                return self.failed(Some(&stream.asked), &error);
            }
        };
        self.failures = 0;
        self.tally.body_up += answer.bytes.up;
        self.tally.body_down += answer.bytes.down;
        let now = Instant::now();
        let is_last = place + 1 == self.streams.len();
        let stream = &mut self.streams[place];
        let effects = match self.conversation.hear(&mut self.peer, &mut stream.asked, &answer.value) {
            Ok(effects) => effects,
            Err(invalid) => {
                let error = VerifierError::InvalidAnswer { reason: invalid.to_string() };
                let stream = self.streams.remove(place);
                return self.failed(Some(&stream.asked), &error);
            }
        };
        let since = std::mem::replace(&mut stream.since, now);
        if let Some(reason) = effects.ended {
            let stream = self.streams.remove(place);
            stream.call.detach();
            // The repeat of a request took its place, whose answer nobody hears.
            if reason == EndReason::Superseded && is_last {
                self.conversation.lost(&mut self.peer, &stream.asked);
            }
        }
        // What was told before is no verdict.
        if matches!(answer.value, Frame::Text(_)) && !effects.committed.is_empty() {
            self.verdict(now, since, effects.committed.len());
            self.drafts_from = self.drafts_from.max(now);
        }
        self.is_finished |= effects.finished;
        if effects.ask {
            // Nothing that is under way brings what is missing.
            self.streams.clear();
        }
        Ok(())
    }

    /// Takes note of a failure of the request that was `asked`, or of an attempt to open a session.
    ///
    /// # Errors
    /// The failure itself, where asking again would not help.
    pub(super) fn failed(&mut self, asked: Option<&Asked>, error: &VerifierError) -> Result<(), VerifierError> {
        let now = Instant::now();
        self.tally.failed(error, now);
        self.live.refusals.fetch_add(1, Ordering::Relaxed);
        self.failures += 1;
        let refusal = match error {
            VerifierError::Unauthorized | VerifierError::Untrusted { .. } => return Err(error.clone()),
            VerifierError::Desync { held } => Some(ErrorBody { held: Some(*held), ..body(ErrorCode::Desync) }),
            VerifierError::SessionGone => Some(body(ErrorCode::Gone)),
            VerifierError::Busy { .. } => Some(body(ErrorCode::Unavailable)),
            VerifierError::Refused(body) => Some(body.clone()),
            VerifierError::Unreachable { .. }
            | VerifierError::DeadlineExceeded { .. }
            | VerifierError::InvalidAnswer { .. }
            | VerifierError::Cancelled => None,
        };
        let pause = match error {
            VerifierError::Busy { retry_after: Some(asked) } => *asked,
            VerifierError::Desync { .. } | VerifierError::SessionGone => Duration::ZERO,
            _ => self.back_off(),
        };
        self.not_before = now + pause;
        let recovery = match (asked, refusal) {
            (Some(asked), Some(refusal)) => self.conversation.refused(&mut self.peer, asked, &refusal).recovery,
            (Some(asked), None) => {
                self.conversation.lost(&mut self.peer, asked);
                None
            }
            (None, Some(refusal)) if is_final(refusal.code) => Some(Recovery::GiveUp),
            (None, _) => None,
        };
        match recovery {
            Some(Recovery::GiveUp) => return Err(error.clone()),
            Some(Recovery::Reopen) => self.forget_session(),
            Some(Recovery::AskAgain | Recovery::Retry) | None => {}
        }
        // What was told of a session that fails again and again does not fit what it holds.
        if self.failures >= FAILURES_OF_A_SESSION && asked.is_some() {
            self.failures = 0;
            self.hang_up();
            self.streams.clear();
        }
        Ok(())
    }

    /// Takes note that the verifier no longer has the session.
    fn forget_session(&mut self) {
        self.session = None;
        self.streams.clear();
        self.peer.reopened();
    }
}

fn body(code: ErrorCode) -> ErrorBody {
    ErrorBody::new(code, "")
}

/// Tells whether a refusal to open a session stays the same however often it is asked for.
fn is_final(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Malformed | ErrorCode::Unsupported | ErrorCode::TooLarge | ErrorCode::Unauthorized)
}

//! The device's view of a verifier: open a session, have windows judged, let the target write on.
//!
//! Calls do not block: each takes a reply that is run once, on any thread, when the answer or the failure is there.
//! [`http`] speaks `uhlm-verify/1` over HTTPS.

pub mod http;

use std::time::Duration;

use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, ErrorBody, ErrorCode, Info, OpenRequest, OpenResponse, Timing,
    VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::TokenId;

/// Why a verifier gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VerifierError {
    /// No connection, a connection that broke, or no answer before the deadline.
    #[error("the verifier cannot be reached: {reason}")]
    Unreachable {
        /// What the transport said.
        reason: String,
    },
    /// No answer before the deadline.
    #[error("no answer within {} ms", deadline.as_millis())]
    DeadlineExceeded {
        /// The deadline.
        deadline: Duration,
    },
    /// The server's certificate is expired, for another host, not trusted or not the pinned one.
    #[error("the verifier's certificate is not trusted: {reason}")]
    Untrusted {
        /// What TLS said.
        reason: String,
    },
    /// 429 or 503.
    #[error("the verifier is busy")]
    Busy {
        /// What `Retry-After` said, if anything.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[error("the verifier refused the credentials")]
    Unauthorized,
    /// 409: the verifier holds other tokens.
    #[error("the verifier holds {held} tokens that may agree")]
    Desync {
        /// How many tokens it holds that may still agree.
        held: u32,
    },
    /// 410: the session was evicted; open a new one.
    #[error("the verifier no longer has the session")]
    SessionGone,
    /// Any other refusal: another vocabulary, a sequence too long, a malformed request.
    #[error("the verifier refused: {}", .0.reason)]
    Refused(ErrorBody),
    /// The answer breaks the protocol; it was not used.
    #[error("the verifier's answer is invalid: {reason}")]
    InvalidAnswer {
        /// Which rule it breaks.
        reason: String,
    },
    /// The call was cancelled by the device.
    #[error("cancelled")]
    Cancelled,
}

/// What a refusal means to the device, whichever way it came.
impl From<ErrorBody> for VerifierError {
    fn from(body: ErrorBody) -> Self {
        match body.code {
            ErrorCode::Unauthorized => Self::Unauthorized,
            // 0 is always right: the device then sends everything again.
            ErrorCode::Desync => Self::Desync { held: body.held.unwrap_or(0) },
            ErrorCode::Gone => Self::SessionGone,
            ErrorCode::RateLimited | ErrorCode::Unavailable => Self::Busy { retry_after: None },
            ErrorCode::Malformed | ErrorCode::TooLarge | ErrorCode::Unsupported | ErrorCode::Internal => {
                Self::Refused(body)
            }
        }
    }
}

/// Bytes of one exchange, headers and TLS not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyBytes {
    /// Request body.
    pub up: u64,
    /// Response body.
    pub down: u64,
}

/// An answer with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Bodies sent and received, retries included.
    pub bytes: BodyBytes,
    /// From the call until the answer.
    pub elapsed: Duration,
    /// Requests sent for it: 1, or 2 after a retry.
    pub attempts: u32,
}

/// Takes an answer or a failure; run once, on any thread.
pub type Reply<T> = Box<dyn FnOnce(Result<Answer<T>, VerifierError>) + Send>;

/// A call under way. Dropping it abandons the call: the request is reset, its reply may never run.
#[must_use = "dropping a call abandons it"]
pub struct Call(Option<Box<dyn FnOnce() + Send>>);

impl Call {
    /// A call that `abandon` ends early.
    pub fn new(abandon: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(abandon)))
    }

    /// A call that cannot be ended early, or is over.
    pub fn finished() -> Self {
        Self(None)
    }

    /// Lets the call run to its end although nobody holds it.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(abandon) = self.0.take() {
            abandon();
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Call").field(&self.0.is_some()).finish()
    }
}

/// What a continuation brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Continued {
    /// Tokens that the target wrote.
    Tokens(Vec<TokenId>),
    /// It ended as asked: an end token, the limit or the context.
    End(Timing),
}

/// Takes the parts of a continuation; after `End` or an error it is not called again.
pub type ContinueReply = Box<dyn FnMut(Result<Answer<Continued>, VerifierError>) + Send>;

/// Something that judges windows with the target model.
pub trait Verifier: Send + Sync {
    /// What the verifier serves. Also opens the connection, so that it is warm when the first window closes.
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call;
    /// Opens a session.
    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call;
    /// Appends tokens and judges a window.
    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call;
    /// More draws for the last rejection.
    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call;
    /// The target writes on alone. `deadline` is for the silence between two parts.
    fn continuation(&self, session: &str, request: ContinueRequest, deadline: Duration, reply: ContinueReply) -> Call;
    /// Closes a session; nobody waits for the answer.
    fn close(&self, session: &str);
    /// The system reported another network: connections over the old one are of no use.
    fn on_network_change(&self) {}
}

/// Checks a verdict against its request: a verifier is not trusted to keep to the protocol.
///
/// # Errors
/// The rule that the verdict breaks.
pub fn check_verdict(
    request: &VerifyRequest,
    response: &VerifyResponse,
    vocabulary_size: usize,
) -> Result<(), VerifierError> {
    use uhlm_law::speculative::{Outcome, Replacement};
    let invalid = |reason: String| Err(VerifierError::InvalidAnswer { reason });
    let in_vocabulary = |id: TokenId| (id as usize) < vocabulary_size;
    let is_probability = |p: f32| (0.0..=1.0).contains(&p);
    if response.seq != request.seq {
        return invalid(format!("verdict {} for request {}", response.seq, request.seq));
    }
    if let Some(p) = response.probs.iter().find(|p| !is_probability(**p)) {
        return invalid(format!("probability {p}"));
    }
    let level = |i: usize| request.levels.get(i).copied().unwrap_or(1.0);
    // The verdict must follow from its own numbers: w <= p(d) for what it accepts, w > p(d) for what it rejects.
    let accepted = match &response.outcome {
        Outcome::Accepted { .. } => request.draft.len(),
        Outcome::Rejected { .. } => response.probs.len().wrapping_sub(1),
        Outcome::Void => 0,
    };
    let inconsistent =
        response.probs.iter().enumerate().any(|(i, &p)| uhlm_law::speculative::accepts(level(i), p) != (i < accepted));
    match &response.outcome {
        Outcome::Void if !request.pipelined => invalid("void, but nothing was sent ahead".into()),
        Outcome::Void => Ok(()),
        Outcome::Accepted { .. } if response.probs.len() != request.draft.len() => {
            invalid(format!("{} probabilities for {} accepted tokens", response.probs.len(), request.draft.len()))
        }
        Outcome::Rejected { .. } if response.probs.is_empty() || response.probs.len() > request.draft.len() => {
            invalid(format!("{} probabilities for a rejection in {} tokens", response.probs.len(), request.draft.len()))
        }
        _ if inconsistent => invalid("the outcome does not follow from the probabilities".into()),
        Outcome::Accepted { bonus } if bonus.is_some() != request.bonus => {
            invalid("bonus token missing or not asked for".into())
        }
        Outcome::Accepted { bonus: Some(id) } if !in_vocabulary(*id) => {
            invalid(format!("bonus token {id} outside the vocabulary"))
        }
        Outcome::Accepted { .. } => Ok(()),
        Outcome::Rejected { replacement: Replacement::Support(entries) } => {
            let sum: f64 = entries.iter().map(|e| f64::from(e.1)).sum();
            if entries.is_empty()
                || entries.iter().any(|e| !in_vocabulary(e.0) || !is_probability(e.1))
                || !entries.windows(2).all(|e| e[0].0 < e[1].0)
                || (sum - 1.0).abs() > 1e-3
            {
                return invalid("the support is not a distribution".into());
            }
            Ok(())
        }
        Outcome::Rejected { replacement: Replacement::Draws(draws) } => check_draws(draws, vocabulary_size),
    }
}

/// Checks draws: known tokens with positive probabilities.
///
/// # Errors
/// [`VerifierError::InvalidAnswer`].
pub fn check_draws(draws: &[(TokenId, f32)], vocabulary_size: usize) -> Result<(), VerifierError> {
    if draws.is_empty() || draws.iter().any(|&(id, p)| id as usize >= vocabulary_size || !(p > 0.0 && p <= 1.0)) {
        return Err(VerifierError::InvalidAnswer {
            reason: "a draw outside the vocabulary or without probability".into(),
        });
    }
    Ok(())
}

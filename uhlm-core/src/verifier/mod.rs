//! The device's way to a verifier: open a session, have its text taken further, close it.
//!
//! Decides what can be asked of a verifier and how a failure to answer is named. It leaves to the law what a frame is
//! worth ([`uhlm_law::advance`]) and to the session what follows from a failure.
//!
//! Calls do not block: each takes a reply that is run on any thread when the answer or the failure is there.
//! [`http`] speaks `uhlm-verify/2` over HTTPS. Whatever stands between a session and its verifier implements one
//! method, [`Verifier::ask`].
//!
//! Every request may be repeated: the same `advance` brings the same tokens, whoever answers it. So a client may send a
//! request a second time after a transport failure before its first frame.

pub mod http;
mod request;

use std::time::Duration;

use uhlm_law::advance::{ErrorBody, ErrorCode};

pub use self::request::{Part, Request, VerifierExt};

/// Why a verifier gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VerifierError {
    /// No connection, or one that broke.
    #[error("the verifier cannot be reached: {reason}")]
    Unreachable {
        /// The transport's own words.
        reason: String,
    },
    /// No answer before the deadline, or no frame for too long.
    #[error("no answer within {} ms", deadline.as_millis())]
    DeadlineExceeded {
        /// The deadline, or the longest silence that was allowed.
        deadline: Duration,
    },
    /// The server's certificate is expired, for another host, not trusted or not the pinned one.
    #[error("the verifier's certificate is not trusted: {reason}")]
    Untrusted {
        /// The words of TLS.
        reason: String,
    },
    /// 429 or 503.
    #[error("the verifier is busy")]
    Busy {
        /// Time to wait, where `Retry-After` names one.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[error("the verifier refused the credentials")]
    Unauthorized,
    /// 409: the verifier holds other tokens.
    #[error("the verifier holds {held} tokens that may agree")]
    Desync {
        /// Number of tokens that it holds and that may still agree; 0 where it does not say.
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
        /// The rule that it breaks; holds no user text.
        reason: String,
    },
    /// The call was cancelled by the device.
    #[error("cancelled")]
    Cancelled,
}

/// Tells what a refusal means to the device, whichever way it came: as the answer's status or as its last frame.
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
    /// Bytes of request bodies.
    pub up: u64,
    /// Bytes of response bodies.
    pub down: u64,
}

/// An answer with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Bodies sent and received since the call, or since the frame before, repetitions included.
    pub bytes: BodyBytes,
    /// Time from the call until the answer, or until this frame of it.
    pub elapsed: Duration,
    /// Number of requests that were sent for it: 1, and one more for a repetition and for a token that was renewed.
    pub attempts: u32,
}

/// A call under way. Dropping it abandons the call: the request is reset, its reply may never run.
#[must_use = "dropping a call abandons it"]
pub struct Call(Option<Box<dyn FnOnce() + Send>>);

impl Call {
    /// Makes a call that `abandon` ends early.
    pub fn new(abandon: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(abandon)))
    }

    /// Makes a call that cannot be ended early, or is over.
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

/// Takes the parts of an answer, each with the bytes and the time since the call, or the failure that ends it. Run on
/// any thread, never twice at once, and not again after a failure or the last part. [`BodyBytes::up`] is in the first
/// part only, and [`Frame::Failed`] comes as the error that it means.
///
/// [`Frame::Failed`]: uhlm_law::advance::Frame::Failed
pub type Reply = Box<dyn FnMut(Result<Answer<Part>, VerifierError>) + Send>;

/// Something that has the target model take a session's text further. [`VerifierExt`] asks in typed words.
pub trait Verifier: Send + Sync {
    /// Asks, without blocking; the parts of the answer and its failure go to `reply`. `patience` bounds the time to the
    /// first part and between two. Dropping the call resets the request, which takes back what it granted.
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call;

    /// Takes note that the system reported another network: connections over the old one are of no use.
    fn on_network_change(&self) {}
}

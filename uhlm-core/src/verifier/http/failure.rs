//! The meaning of a failed exchange: from transport errors and status codes to [`VerifierError`].

use std::error::Error;
use std::time::SystemTime;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use uhlm_law::advance::{DecodeError, ErrorBody};
use uhlm_net::{distrust_in, retry_after};

use crate::verifier::VerifierError;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: VerifierError,
    /// Nothing reached the verifier: no connection was made.
    pub(super) unsent: bool,
    /// The token was refused; another one may be taken.
    pub(super) stale_token: bool,
}

impl From<VerifierError> for Failure {
    fn from(error: VerifierError) -> Self {
        Self { error, unsent: false, stale_token: false }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        if let Some(reason) = distrust_in(&error) {
            return Self { unsent: true, ..VerifierError::Untrusted { reason }.into() };
        }
        let error = error.without_url();
        let unsent = error.is_connect();
        let what = match (unsent, error.is_timeout()) {
            (true, true) => "connecting timed out",
            (true, false) => "no connection",
            (false, _) => "connection lost",
        };
        let reason = format!("{what}: {}", root_cause(&error));
        Self { unsent, ..VerifierError::Unreachable { reason }.into() }
    }
}

impl From<DecodeError> for VerifierError {
    fn from(error: DecodeError) -> Self {
        match error {
            // The parser's own words can quote the body.
            DecodeError::Json { .. } => invalid("not the JSON of this body"),
            error => invalid(error.to_string()),
        }
    }
}

pub(super) fn invalid(reason: impl Into<String>) -> VerifierError {
    VerifierError::InvalidAnswer { reason: reason.into() }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The longest reason of a refusal that is kept, in characters.
const MAX_REASON: usize = 512;

/// Makes the error of a refusal, with no more of its reason than is kept.
pub(super) fn refused(mut body: ErrorBody) -> VerifierError {
    body.reason = body.reason.chars().take(MAX_REASON).collect();
    body.into()
}

/// Tells what a status other than 200 means. `told` is the body, where it is a refusal that can be read.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, told: Option<ErrorBody>) -> VerifierError {
    match (status.as_u16(), told) {
        (401 | 403, _) => VerifierError::Unauthorized,
        (409, told) => VerifierError::Desync { held: told.and_then(|body| body.held).unwrap_or(0) },
        (410, _) => VerifierError::SessionGone,
        (429 | 503, _) => VerifierError::Busy { retry_after: retry_after(headers, SystemTime::now()) },
        (_, Some(body)) => refused(body),
        // A proxy in front of the verifier cannot reach it.
        (502 | 504, None) => VerifierError::Unreachable { reason: format!("status {}", status.as_u16()) },
        (_, None) => invalid(format!("status {} without a readable reason", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::advance::ErrorCode;

    use super::*;

    fn told(code: ErrorCode) -> Option<ErrorBody> {
        Some(ErrorBody { code, reason: "r".repeat(1000), held: Some(7) })
    }

    fn read(status: u16, told: Option<ErrorBody>) -> VerifierError {
        refusal(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), told)
    }

    #[test]
    fn every_status_has_its_meaning() {
        assert_eq!(read(401, None), VerifierError::Unauthorized);
        assert_eq!(read(403, None), VerifierError::Unauthorized);
        assert_eq!(read(409, told(ErrorCode::Desync)), VerifierError::Desync { held: 7 });
        assert_eq!(read(409, None), VerifierError::Desync { held: 0 });
        assert_eq!(read(410, None), VerifierError::SessionGone);
        assert_eq!(read(429, None), VerifierError::Busy { retry_after: None });
        assert!(matches!(read(422, told(ErrorCode::Unsupported)), VerifierError::Refused(b) if b.reason.len() == 512));
        assert!(matches!(read(500, told(ErrorCode::Internal)), VerifierError::Refused(_)));
        assert!(matches!(read(502, None), VerifierError::Unreachable { .. }));
        assert!(matches!(read(404, None), VerifierError::InvalidAnswer { .. }));
        assert!(matches!(read(302, None), VerifierError::InvalidAnswer { .. }));
    }

    #[test]
    fn what_a_parser_quotes_is_not_kept() {
        let error = DecodeError::Json { reason: "invalid type: string \"secret\"".into() };
        assert!(!VerifierError::from(error).to_string().contains("secret"));
        let error = VerifierError::from(DecodeError::OutOfRange { field: "pos" });
        assert_eq!(error, invalid("pos is out of range"));
    }
}

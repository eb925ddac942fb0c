//! What a failed exchange means: from transport errors and status codes to [`VerifierError`].

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::tls;
use crate::protocol::{DecodeError, Encoding, ErrorBody};
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
        invalid(error.reason)
    }
}

pub(super) fn invalid(reason: impl Into<String>) -> VerifierError {
    VerifierError::InvalidAnswer { reason: reason.into() }
}

/// Why the certificate is not trusted, if that is the reason of a failure.
pub(crate) fn distrust_in(error: &reqwest::Error) -> Option<String> {
    tls_error(error).and_then(tls::distrust)
}

/// The TLS error in a chain of errors. `io::Error` names the source of what it wraps as its own, so it is looked into.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.and_then(|inner| tls_error(inner)).or_else(|| error.source().and_then(tls_error))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The longest text of a verifier's refusal that is kept.
const MAX_REASON: usize = 512;

/// What a status other than 200 means. `body` is the start of the answer, `encoding` what it says it is.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    encoding: Option<Encoding>,
    body: &[u8],
) -> VerifierError {
    let told = encoding.and_then(|encoding| encoding.decode::<ErrorBody>(body).ok());
    match (status.as_u16(), told) {
        (401 | 403, _) => VerifierError::Unauthorized,
        (409, told) => VerifierError::Desync { held: told.and_then(|body| body.held).unwrap_or(0) },
        (410, _) => VerifierError::SessionGone,
        (429 | 503, _) => VerifierError::Busy { retry_after: retry_after(headers, SystemTime::now()) },
        (_, Some(mut body)) => {
            body.reason = body.reason.chars().take(MAX_REASON).collect();
            VerifierError::Refused(body)
        }
        // A proxy in front of the verifier cannot reach it.
        (502 | 504, None) => VerifierError::Unreachable { reason: format!("status {}", status.as_u16()) },
        (_, None) => invalid(format!("status {} without a readable reason", status.as_u16())),
    }
}

/// `Retry-After`, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;
    use reqwest::header::HeaderValue;

    fn told(code: ErrorCode) -> Vec<u8> {
        Encoding::Json.encode(&ErrorBody { code, reason: "r".repeat(1000), held: Some(7) })
    }

    fn read(status: u16, body: &[u8]) -> VerifierError {
        let status = StatusCode::from_u16(status).expect("a status");
        refusal(status, &HeaderMap::new(), Some(Encoding::Json), body)
    }

    #[test]
    fn every_status_has_its_meaning() {
        assert_eq!(read(401, b""), VerifierError::Unauthorized);
        assert_eq!(read(403, b""), VerifierError::Unauthorized);
        assert_eq!(read(409, &told(ErrorCode::Desync)), VerifierError::Desync { held: 7 });
        assert_eq!(read(409, b"<html>"), VerifierError::Desync { held: 0 });
        assert_eq!(read(410, b""), VerifierError::SessionGone);
        assert_eq!(read(429, b""), VerifierError::Busy { retry_after: None });
        assert!(matches!(read(422, &told(ErrorCode::Unsupported)), VerifierError::Refused(b) if b.reason.len() == 512));
        assert!(matches!(read(500, &told(ErrorCode::Internal)), VerifierError::Refused(_)));
        assert!(matches!(read(502, b"<html>"), VerifierError::Unreachable { .. }));
        assert!(matches!(read(404, b"<html>"), VerifierError::InvalidAnswer { .. }));
        assert!(matches!(read(302, b""), VerifierError::InvalidAnswer { .. }));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nothing_else() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 02:00:00 GMT").expect("a date");
        let read = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Tue, 24 Nov 2026 02:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(read("Tue, 24 Nov 2026 01:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "", "99999999999999999999999"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}

//! One HTTP exchange around a handler: the owner that asks, the encodings, the body within its limit, the answer with
//! as few header bytes as there can be, and the counters.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use uhlm_law::advance::{self, Encoding, ErrorBody, ErrorCode};

use crate::access::Access;
use crate::limits::{Limits, RateLimit};
use crate::metrics::{Limit, Metrics};
use crate::owner::Owner;
use crate::owner::pool::{Full, Held, Pool};
use crate::session_id;
use crate::visit::Visit;

/// Time that a client should wait when it is told that there is no room, before the spread is added.
const RETRY: Duration = Duration::from_millis(500);
/// The header that says in milliseconds when to ask again, beside `Retry-After`, which has whole seconds only.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// A refusal: its body, and the time for which the client should not ask again.
#[derive(Debug)]
pub(crate) struct Refusal {
    body: ErrorBody,
    retry_after: Option<Duration>,
}

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        let is_temporary = matches!(body.code, ErrorCode::Unavailable | ErrorCode::RateLimited);
        let retry_after = is_temporary.then_some(RETRY);
        Self { body, retry_after }
    }
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        ErrorBody::new(code, reason).into()
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.body.code
    }
}

/// The gate that decides whether a request is let in.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) access: Access,
    pub(crate) rate: RateLimit,
    /// The pool of bytes for bodies that are read or wait to be looked at.
    pub(crate) bytes: Pool,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
}

impl Gate {
    /// Returns the owner from which the request comes, if it is let in.
    pub(crate) fn admit(&self, headers: &HeaderMap, visit: &Visit) -> Result<Owner, Refusal> {
        let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let admitted = self.access.admit(authorization, visit.peer);
        // Guesses at tokens are slowed down by address.
        self.rate.check(admitted.unwrap_or(Owner::of_address(visit.peer))).map_err(|wait| {
            self.metrics.by.reached(Limit::Rate);
            let body = ErrorBody::new(ErrorCode::RateLimited, "too many requests");
            Refusal { body, retry_after: Some(wait) }
        })?;
        let owner = admitted.map_err(|_| Refusal::new(ErrorCode::Unauthorized, "a known bearer token is needed"))?;
        visit.admitted();
        self.metrics.by.admitted(owner);
        Ok(owner)
    }

    /// Takes room for a body before it is read: as much as is announced, or else as much as the longest body takes.
    fn room(&self, owner: Owner, announced: Option<usize>) -> Result<Held, Refusal> {
        let taken = self.bytes.take(owner, announced.unwrap_or(self.limits.body));
        taken.map_err(|full| {
            self.metrics.by.reached(match full {
                Full::Owner => Limit::OwnerBytes,
                Full::All => Limit::Bytes,
            });
            full.refusal("bytes under way").into()
        })
    }

    /// Reads and decodes a body. The room that it takes comes with it, to be kept as long as it is.
    pub(crate) async fn body<T: advance::Body>(
        &self,
        owner: Owner,
        request: Request,
        encoding: Encoding,
    ) -> Result<(T, Held), Refusal> {
        let limit = self.limits.body;
        let too_large = || Refusal::new(ErrorCode::TooLarge, format!("the body has more than {limit} bytes"));
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let room = self.room(owner, announced)?;
        let read = Limited::new(request.into_body(), limit).collect();
        let bytes = match tokio::time::timeout(self.limits.read_wait, read).await {
            Err(_) => return Err(Refusal::new(ErrorCode::Malformed, "the body did not arrive in time")),
            Ok(Err(failure)) if failure.is::<LengthLimitError>() => return Err(too_large()),
            // The transport's message is passed on: it must quote nothing of the body.
            Ok(Err(failure)) => {
                return Err(Refusal::new(ErrorCode::Malformed, format!("the body broke off: {failure}")));
            }
            Ok(Ok(collected)) => collected.to_bytes(),
        };
        self.metrics.body_in.inc_by(bytes.len() as u64);
        let body =
            encoding.decode(&bytes).map_err(|failure| Refusal::new(ErrorCode::Malformed, failure.to_string()))?;
        Ok((body, room))
    }
}

/// The encodings of one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encodings {
    /// Encoding of the request; `None` for a content type that is not known.
    pub(crate) request: Option<Encoding>,
    pub(crate) response: Encoding,
}

impl Encodings {
    /// Reads the encodings from the headers: binary unless they say otherwise; the answer as `Accept` asks, or as the
    /// request was.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
        let request = match headers.get(CONTENT_TYPE) {
            None => Some(Encoding::default()),
            Some(value) => text(value).and_then(|value| Encoding::from_media_type(&value)),
        };
        let accepted = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(text)
            .find_map(|value| value.split(',').find_map(Encoding::from_media_type));
        Self { request, response: accepted.or(request).unwrap_or_default() }
    }
}

fn media_type(encoding: Encoding) -> HeaderValue {
    HeaderValue::from_static(encoding.media_type())
}

/// Makes an answer with a body under an encoding's media type and no other header.
pub(crate) fn reply(status: StatusCode, encoding: Encoding, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type(encoding));
    response
}

/// Makes the answer to a request that succeeded.
pub(crate) fn success<T: advance::Body>(encoding: Encoding, value: &T, metrics: &Metrics) -> Response {
    let body = encoding.encode(value);
    metrics.body_out.inc_by(body.len() as u64);
    reply(StatusCode::OK, encoding, body.into())
}

/// Makes the answer to a request that was refused.
pub(crate) fn refusal(encoding: Encoding, refusal: &Refusal, metrics: &Metrics) -> Response {
    let status = StatusCode::from_u16(refusal.body.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refusal_with(status, encoding, refusal, metrics)
}

/// Makes the same answer as [`refusal`], under a status of HTTP's own.
pub(crate) fn refusal_with(status: StatusCode, encoding: Encoding, refusal: &Refusal, metrics: &Metrics) -> Response {
    let body = encoding.encode(&refusal.body);
    metrics.body_out.inc_by(body.len() as u64);
    let mut response = reply(status, encoding, body.into());
    if let Some(wait) = refusal.retry_after {
        let wait = spread(wait);
        // Whole seconds, rounded up: asking again too early is refused again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        response.headers_mut().insert(RETRY_AFTER_MS, HeaderValue::from(millis));
    }
    response
}

/// Lengthens a wait by up to three quarters, at random: those who were refused together do not come back together.
fn spread(wait: Duration) -> Duration {
    // The spread is taken from the system's random numbers; without them nothing works, and nothing is spread.
    let part = session_id::random().map_or(0, |bits| bits.0[0]);
    wait + wait.mul_f64(f64::from(part) / 255.0 * 0.75)
}

/// Counts one request by route and status; one that is dropped before its answer counts as 499, as proxies log it.
pub(crate) struct Counting<'a> {
    metrics: &'a Metrics,
    route: &'static str,
    status: u16,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(metrics: &'a Metrics, route: &'static str) -> Self {
        Self { metrics, route, status: 499 }
    }

    pub(crate) fn answered(mut self, response: Response) -> Response {
        self.status = response.status().as_u16();
        response
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.metrics.requests.with_label_values(&[self.route, &self.status.to_string()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_refused_together_are_asked_back_at_different_times_within_a_second() {
        let waits: Vec<Duration> = (0..200).map(|_| spread(RETRY)).collect();
        assert!(waits.iter().all(|wait| (RETRY..Duration::from_secs(1)).contains(wait)), "{waits:?}");
        let (least, most) = (waits.iter().min().expect("some"), waits.iter().max().expect("some"));
        // Of 256 equally probable waits all 200 lie in one half with probability 2^-199.
        assert!(*most - *least > Duration::from_millis(100));
    }

    fn encodings(content_type: Option<&'static str>, accept: Option<&'static str>) -> (Option<Encoding>, Encoding) {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: Option<&'static str>| {
            value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
        };
        set(CONTENT_TYPE, content_type);
        set(ACCEPT, accept);
        let found = Encodings::of(&headers);
        (found.request, found.response)
    }

    #[test]
    fn the_answer_is_encoded_as_accept_asks_and_else_as_the_request_was() {
        use Encoding::{Binary, Json};
        assert_eq!(encodings(None, None), (Some(Binary), Binary));
        assert_eq!(encodings(Some("application/json; charset=utf-8"), Some("*/*")), (Some(Json), Json));
        assert_eq!(
            encodings(Some("application/json"), Some("text/html, application/vnd.uhlm.verify.v2;q=0.5")),
            (Some(Json), Binary)
        );
        assert_eq!(encodings(None, Some("application/json")), (Some(Binary), Json));
        assert_eq!(encodings(Some("text/plain"), None), (None, Binary));
    }
}

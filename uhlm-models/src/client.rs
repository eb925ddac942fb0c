//! One request for a file or the rest of it: redirects, credentials, and the head of the answer.

use std::error::Error as _;
use std::io;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
    IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use reqwest::{Response, StatusCode, Url, redirect};
use uhlm_law::digest::Digest;
use uhlm_net::{client_config, distrust_in, retry_after};

use crate::config::StoreConfig;
use crate::error::DownloadError;
use crate::source::Source;

const MAX_REDIRECTS: usize = 10;
/// Header in which Hugging Face names a large file's SHA-256, and one for its size, on the redirect to where it is
/// stored.
const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");

/// A client that makes requests for files.
pub(super) struct Client {
    http: reqwest::Client,
}

/// The part of a file that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Index of the first byte.
    pub(super) from: u64,
    /// Validator that the file must still have for a part to be sent; otherwise all of it comes.
    pub(super) if_range: Option<&'a str>,
}

/// The part of the file that an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of the file.
    Whole,
    /// The file from this byte to the end.
    From(u64),
    /// Nothing of the file: it ends before the byte that was asked for.
    Nothing,
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) part: Part,
    /// Length of the whole file, in bytes, if the answer says it.
    pub(super) total: Option<u64>,
    /// Mark of the file's present version: the strong `ETag`, else `Last-Modified`.
    pub(super) validator: Option<String>,
    /// SHA-256 of the file, if the repository says it.
    pub(super) sha256: Option<Digest>,
}

impl Client {
    pub(super) fn new(config: &StoreConfig) -> Result<Self, DownloadError> {
        let start = |reason: String| DownloadError::Start { reason };
        let tls = client_config(&config.trust, config.tls12).map_err(|error| start(error.to_string()))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // Redirects are followed by hand: each hop is looked at, and credentials stay with their host.
            .redirect(redirect::Policy::none())
            .connect_timeout(config.connect_timeout);
        if let Some(agent) = &config.user_agent {
            builder = builder.user_agent(agent);
        }
        Ok(Self { http: builder.build().map_err(|error| start(error.to_string()))? })
    }

    /// Asks for a file and follows redirects to it.
    pub(super) async fn get(
        &self,
        config: &StoreConfig,
        source: &Source,
        wanted: Wanted<'_>,
    ) -> Result<Answer, DownloadError> {
        let mut url = source.address(&config.hub)?;
        let home = url.origin();
        let (mut sha256, mut linked) = (None, None);
        for _ in 0..=MAX_REDIRECTS {
            // Compressed, neither ranges nor lengths would be those of the file.
            let mut request = self.http.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) = config.hub_token.as_ref().filter(|_| source.is_hugging_face() && url.origin() == home)
            {
                request = request.header(AUTHORIZATION, token.header());
            }
            if wanted.from > 0 {
                request = request.header(RANGE, format!("bytes={}-", wanted.from));
                if let Some(validator) = wanted.if_range {
                    request = request.header(IF_RANGE, validator);
                }
            }
            let response = request.send().await.map_err(|error| unreachable(&error))?;
            if source.is_hugging_face() {
                let headers = response.headers();
                sha256 = sha256.or_else(|| text(headers, &LINKED_ETAG)?.trim_matches('"').parse().ok());
                linked = linked.or_else(|| text(headers, &LINKED_SIZE)?.parse::<u64>().ok());
            }
            if response.status().is_redirection() {
                url = next_hop(&url, response.headers())?;
                continue;
            }
            return Answer::read(response, wanted, linked, sha256);
        }
        Err(DownloadError::Redirect { reason: format!("more than {MAX_REDIRECTS} redirects") })
    }
}

fn next_hop(url: &Url, headers: &HeaderMap) -> Result<Url, DownloadError> {
    let refuse = |reason: &str| DownloadError::Redirect { reason: reason.into() };
    let location = text(headers, &LOCATION).ok_or_else(|| refuse("no address is given"))?;
    let next = url.join(location).map_err(|_| refuse("the address cannot be read"))?;
    if next.scheme() == "https" { Ok(next) } else { Err(refuse("away from HTTPS")) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

impl Answer {
    fn read(
        response: Response,
        wanted: Wanted<'_>,
        linked: Option<u64>,
        sha256: Option<Digest>,
    ) -> Result<Self, DownloadError> {
        let headers = response.headers();
        let invalid = |reason: &str| DownloadError::InvalidAnswer { reason: reason.into() };
        if text(headers, &CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(invalid("it is compressed although that was not allowed"));
        }
        let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let range = text(headers, &CONTENT_RANGE).and_then(ContentRange::read);
        let (part, total) = match response.status() {
            StatusCode::OK => (Part::Whole, length),
            StatusCode::PARTIAL_CONTENT => match range {
                Some(ContentRange { bytes: Some((first, last)), total }) => {
                    if first != wanted.from {
                        return Err(invalid("another range than was asked for"));
                    }
                    if total.is_some_and(|total| last.checked_add(1) != Some(total)) {
                        return Err(invalid("a range that does not reach the end of the file"));
                    }
                    (Part::From(first), total.or_else(|| last.checked_add(1)))
                }
                _ => return Err(invalid("status 206 without a readable range")),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if wanted.from > 0 => {
                (Part::Nothing, range.and_then(|range| range.total))
            }
            status => return Err(refusal(status, headers)),
        };
        let strong = text(headers, &ETAG).filter(|etag| !etag.starts_with("W/"));
        let validator = strong.or_else(|| text(headers, &LAST_MODIFIED)).map(str::to_owned);
        Ok(Self { part, total: total.or(linked.filter(|_| part != Part::Nothing)), validator, sha256, response })
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> DownloadError {
    match status.as_u16() {
        401 | 403 => DownloadError::Unauthorized,
        404 | 410 => DownloadError::NotFound,
        429 | 503 => DownloadError::Busy { retry_after: retry_after(headers, SystemTime::now()) },
        status => DownloadError::Refused { status },
    }
}

/// The header `Content-Range`: `bytes FIRST-LAST/TOTAL`, with `*` for what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    bytes: Option<(u64, u64)>,
    total: Option<u64>,
}

impl ContentRange {
    fn read(text: &str) -> Option<Self> {
        let (bytes, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let bytes = match bytes {
            "*" => None,
            bytes => {
                let (first, last) = bytes.split_once('-')?;
                let (first, last) = (first.parse().ok()?, last.parse().ok()?);
                if first > last {
                    return None;
                }
                Some((first, last))
            }
        };
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { bytes, total })
    }
}

/// Makes the error of a request that brought no head of an answer.
fn unreachable(error: &reqwest::Error) -> DownloadError {
    if let Some(reason) = distrust_in(error) {
        return DownloadError::Untrusted { reason };
    }
    DownloadError::Unreachable { reason: cause(error) }
}

/// Returns the innermost reason, which names no address.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    };
    match cause {
        Some(cause) if closed(cause) => "the connection was closed".into(),
        Some(cause) => cause.to_string(),
        None => "the exchange failed".into(),
    }
}

/// Longest `Retry-After` that is waited for.
pub(super) const MAX_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        let range = |bytes, total| Some(ContentRange { bytes, total });
        assert_eq!(ContentRange::read("bytes 5-9/10"), range(Some((5, 9)), Some(10)));
        assert_eq!(ContentRange::read("bytes 5-9/*"), range(Some((5, 9)), None));
        assert_eq!(ContentRange::read("bytes */10"), range(None, Some(10)));
        for wrong in ["bytes 9-5/10", "bytes 5-/10", "items 5-9/10", "bytes 5-9", "bytes -1-9/10", "5-9/10"] {
            assert_eq!(ContentRange::read(wrong), None, "{wrong}");
        }
    }
}

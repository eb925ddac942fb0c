//! The time at which a server that is busy wants to be asked again.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The same in milliseconds, where a server is busy for less than a second.
const RETRY_AFTER_MS: &str = "retry-after-ms";

/// Reads `retry-after-ms`, or else `Retry-After`, in seconds or as a date; `None` where both are missing or say
/// nothing.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = headers.get(RETRY_AFTER_MS).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if let Some(millis) = millis {
        return Some(Duration::from_millis(millis));
    }
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

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

    #[test]
    fn milliseconds_go_before_whole_seconds() {
        let read = |millis: &'static str| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("1"))]);
            headers.insert(RETRY_AFTER_MS, HeaderValue::from_static(millis));
            retry_after(&headers, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(read("640"), Some(Duration::from_millis(640)));
        assert_eq!(read("soon"), Some(Duration::from_secs(1)));
    }
}

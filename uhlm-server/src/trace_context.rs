//! The trace of which a request is a part: W3C Trace Context, as OpenTelemetry sends it.
//!
//! Decides which headers are one. The server makes no spans of its own; it says in the log line of a request to which
//! trace it belongs, so that whoever gathers both can join them.

use http::HeaderMap;

/// The header of a trace.
const HEADER: &str = "traceparent";

/// The trace of which a request is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// Name of the trace, 32 hexadecimal digits.
    pub(crate) trace: String,
    /// Name of the span that has made the request, 16 hexadecimal digits.
    pub(crate) parent: String,
    /// Whether whoever began the trace wants it kept.
    pub(crate) is_sampled: bool,
}

impl TraceContext {
    /// Reads the trace of a request; `None` where there is none, or one that breaks the rules.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(HEADER).iter();
        let (Some(value), None) = (all.next(), all.next()) else { return None };
        let mut fields = value.to_str().ok()?.trim().split('-');
        let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_named = |text: &str| text.bytes().any(|byte| byte != b'0');
        let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        // A later version may have more fields; ff is none, and the first version has no more than these.
        let is_known = version != "ff" && (version != "00" || fields.next().is_none());
        if !(is_whole && is_known && is_named(trace) && is_named(parent)) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace: trace.to_owned(), parent: parent.to_owned(), is_sampled: flags & 1 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_trace_is_taken_up_as_the_standard_says() {
        let found = read(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]).expect("a trace");
        assert_eq!(found.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(found.parent, "00f067aa0ba902b7");
        assert!(found.is_sampled);
        let later = read(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more"]).expect("a later version");
        assert!(!later.is_sampled);
    }

    #[test]
    fn what_breaks_the_rules_is_no_trace() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
        ] {
            if let Ok(value) = HeaderValue::from_str(wrong) {
                assert_eq!(
                    TraceContext::of(&HeaderMap::from_iter([(http::HeaderName::from_static(HEADER), value)])),
                    None
                );
            }
        }
        assert!(read(&[GOOD]).is_some() && read(&[GOOD, GOOD]).is_none(), "which of two would it be?");
    }
}

//! Counters of the server, in Prometheus' text format at `/metrics` and as numbers for tests and benchmarks.
//!
//! Each server has its own registry: several may run in one process.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use uhlm_law::advance::{Frame, PassKind, PassTiming};

mod breakdown;
mod snapshot;

pub(crate) use self::breakdown::{Breakdown, Limit};
pub use self::snapshot::Snapshot;

/// All counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Counters by phase, by reason and by kind of owner.
    pub(crate) by: Breakdown,
    pub(crate) sessions_open: IntGauge,
    pub(crate) sessions_opened: IntCounter,
    pub(crate) sessions_ended: IntCounterVec,
    pub(crate) sessions_unloaded: IntCounter,
    pub(crate) slots_used: IntGauge,
    pub(crate) cached_tokens: IntGauge,
    pub(crate) requests: IntCounterVec,
    pub(crate) requests_waiting: IntGauge,
    pub(crate) requests_abandoned: IntCounter,
    session_passes: IntCounterVec,
    width: Histogram,
    judged: IntCounter,
    matched: IntCounter,
    frames: IntCounterVec,
    pub(crate) passes: IntCounter,
    pub(crate) decoded: IntCounter,
    pub(crate) shared_tokens: IntCounter,
    pub(crate) pass_tokens: Histogram,
    pub(crate) pass_sessions: Histogram,
    pub(crate) queue_seconds: Histogram,
    pub(crate) decode_seconds: Histogram,
    pub(crate) body_in: IntCounter,
    pub(crate) body_out: IntCounter,
    pub(crate) wire_in: IntCounter,
    pub(crate) wire_out: IntCounter,
    pub(crate) connections: IntGauge,
}

/// The reason why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Closed,
    Evicted,
    Expired,
}

impl Ended {
    fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
        }
    }
}

/// Kinds of frames.
const FRAMES: [&str; 4] = ["text", "end", "failed", "progress"];

fn pass_label(kind: PassKind) -> &'static str {
    match kind {
        PassKind::Judged => "judged",
        PassKind::SelfMade => "self_made",
        PassKind::Fill => "fill",
    }
}

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Metrics {
    /// Makes all counters, at zero.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test builds them.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let metrics = Self {
            by: Breakdown::new(r),
            sessions_open: gauge(r, "uhlm_sessions_open", "Sessions open now"),
            sessions_opened: counter(r, "uhlm_sessions_opened_total", "Sessions opened"),
            sessions_ended: counters(r, "uhlm_sessions_ended_total", "Sessions ended, by reason", &["reason"]),
            sessions_unloaded: counter(
                r,
                "uhlm_sessions_unloaded_total",
                "Times an idle session's cache was given to another session",
            ),
            slots_used: gauge(r, "uhlm_slots_used", "Engine sequences in use"),
            cached_tokens: gauge(r, "uhlm_cached_tokens", "Tokens in the engine's cache"),
            requests: counters(r, "uhlm_requests_total", "Requests answered", &["route", "status"]),
            requests_waiting: gauge(r, "uhlm_requests_waiting", "Requests whose answer is not complete"),
            requests_abandoned: counter(
                r,
                "uhlm_requests_abandoned_total",
                "Requests whose client went away before the answer was complete",
            ),
            session_passes: counters(r, "uhlm_session_passes_total", "Passes of sessions, by kind", &["kind"]),
            width: histogram(
                r,
                "uhlm_judged_pass_drafted_tokens",
                "Drafted tokens that one judged pass of a session has decoded",
                &[0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0],
            ),
            judged: counter(r, "uhlm_judged_tokens_total", "Drafted tokens judged"),
            matched: counter(r, "uhlm_matched_tokens_total", "Drafted tokens that were the target's own"),
            frames: counters(r, "uhlm_frames_total", "Frames sent, by kind", &["kind"]),
            passes: counter(r, "uhlm_passes_total", "Passes of the engine"),
            decoded: counter(r, "uhlm_decoded_tokens_total", "Tokens that went through the target"),
            shared_tokens: counter(
                r,
                "uhlm_shared_tokens_total",
                "Tokens that were not decoded because another session's cache held them",
            ),
            pass_tokens: histogram(
                r,
                "uhlm_pass_tokens",
                "Tokens in one pass of the engine",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0],
            ),
            pass_sessions: histogram(
                r,
                "uhlm_pass_sessions",
                "Sessions in one pass of the engine",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0],
            ),
            queue_seconds: histogram(
                r,
                "uhlm_queue_seconds",
                "From when a session's pass was possible until it began",
                &SECONDS,
            ),
            decode_seconds: histogram(
                r,
                "uhlm_decode_seconds",
                "From when a session's pass began until its rows were scored",
                &SECONDS,
            ),
            body_in: counter(r, "uhlm_body_bytes_in_total", "Bytes of request bodies"),
            body_out: counter(r, "uhlm_body_bytes_out_total", "Bytes of response bodies"),
            wire_in: counter(r, "uhlm_wire_bytes_in_total", "Bytes read from the network, below TLS"),
            wire_out: counter(r, "uhlm_wire_bytes_out_total", "Bytes written to the network, below TLS"),
            connections: gauge(r, "uhlm_connections", "Connections open now"),
            registry,
        };
        for reason in [Ended::Closed, Ended::Evicted, Ended::Expired] {
            metrics.sessions_ended.with_label_values(&[reason.label()]);
        }
        for kind in [PassKind::Judged, PassKind::SelfMade, PassKind::Fill] {
            metrics.session_passes.with_label_values(&[pass_label(kind)]);
        }
        metrics
    }

    /// Adds counters of a part that is not always there; those of a name that is there already are left out.
    pub(crate) fn add(&self, counters: impl Collector + 'static) {
        if let Err(error) = self.registry.register(Box::new(counters)) {
            tracing::error!(%error, "counters are not shown");
        }
    }

    /// Returns the counters in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into memory fails only for invalid metric families, which the registry does not accept.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }

    /// Returns the counters as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = |gauge: &IntGauge| gauge.get().max(0) as u64;
        let ended = |reason: Ended| self.sessions_ended.with_label_values(&[reason.label()]).get();
        let passes = |kind: PassKind| self.session_passes.with_label_values(&[pass_label(kind)]).get();
        Snapshot {
            sessions_open: now(&self.sessions_open),
            sessions_opened: self.sessions_opened.get(),
            sessions_evicted: ended(Ended::Evicted),
            sessions_expired: ended(Ended::Expired),
            sessions_unloaded: self.sessions_unloaded.get(),
            slots_used: now(&self.slots_used),
            cached_tokens: now(&self.cached_tokens),
            requests_waiting: now(&self.requests_waiting),
            requests_abandoned: self.requests_abandoned.get(),
            judged_passes: passes(PassKind::Judged),
            self_made_passes: passes(PassKind::SelfMade),
            fill_passes: passes(PassKind::Fill),
            judged_tokens: self.judged.get(),
            matched_tokens: self.matched.get(),
            frames: FRAMES.iter().map(|kind| self.frames.with_label_values(&[kind]).get()).sum(),
            passes: self.passes.get(),
            decoded_tokens: self.decoded.get(),
            shared_tokens: self.shared_tokens.get(),
            body_bytes_in: self.body_in.get(),
            body_bytes_out: self.body_out.get(),
            wire_bytes_in: self.wire_in.get(),
            wire_bytes_out: self.wire_out.get(),
            connections: now(&self.connections),
        }
    }

    pub(crate) fn session_ended(&self, reason: Ended) {
        self.sessions_ended.with_label_values(&[reason.label()]).inc();
    }

    /// Counts a pass of a session that is complete, which began `waited` after it became possible.
    pub(crate) fn session_pass(&self, kind: PassKind, timing: PassTiming, waited: Duration) {
        self.session_passes.with_label_values(&[pass_label(kind)]).inc();
        self.queue_seconds.observe(waited.as_secs_f64());
        self.by.waited(waited.as_secs_f64());
        self.decode_seconds.observe(f64::from(timing.pass_us) / 1e6);
    }

    /// Counts a judged pass that has decoded `width` drafted tokens, those that were judged by it, and those of them
    /// that were the target's own.
    pub(crate) fn judged(&self, width: usize, judged: usize, matched: usize) {
        self.width.observe(width as f64);
        self.judged.inc_by(judged as u64);
        self.matched.inc_by(matched as u64);
    }

    /// Counts a frame that goes out.
    pub(crate) fn frame(&self, frame: &Frame) {
        let [text, end, failed, progress] = FRAMES;
        let kind = match frame {
            Frame::Text(_) => text,
            Frame::End(_) => end,
            Frame::Failed(_) => failed,
            Frame::Progress(_) => progress,
        };
        self.frames.with_label_values(&[kind]).inc();
        if let Frame::Failed(error) = frame {
            self.by.failed(error.code);
        }
    }

    /// Counts a pass of the engine.
    pub(crate) fn pass(&self, tokens: usize, sessions: usize) {
        self.passes.inc();
        self.decoded.inc_by(tokens as u64);
        self.pass_tokens.observe(tokens as f64);
        self.pass_sessions.observe(sessions as f64);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers a metric. Names and labels are constants of this file, so only a mistake in it can fail, and the test
/// below finds that.
#[allow(clippy::expect_used)]
fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("a valid name");
    registry.register(Box::new(metric.clone())).expect("a name used once");
    metric
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::new(name, help))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, IntGauge::new(name, help))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    registered(registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
}

#[cfg(test)]
mod tests {
    use uhlm_law::advance::EndReason;

    use super::*;

    #[test]
    fn every_metric_is_registered_once_and_rendered() {
        let metrics = Metrics::new();
        metrics.session_pass(
            PassKind::Judged,
            PassTiming { pass_us: 40_000, queue_us: Some(10) },
            Duration::from_micros(10),
        );
        metrics.judged(5, 5, 4);
        metrics.frame(&Frame::End(EndReason::Granted));
        metrics.pass(3, 1);
        let text = String::from_utf8(metrics.render()).expect("UTF-8");
        assert!(text.contains("uhlm_passes_total 1"), "{text}");
        assert!(text.contains("uhlm_session_passes_total{kind=\"judged\"} 1"), "{text}");
        assert!(text.contains("uhlm_session_passes_total{kind=\"fill\"} 0"), "{text}");
        let now = metrics.snapshot();
        assert_eq!((now.judged_passes, now.self_made_passes, now.fill_passes), (1, 0, 0));
        assert_eq!((now.judged_tokens, now.matched_tokens, now.frames), (5, 4, 1));
    }
}

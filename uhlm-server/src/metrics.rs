//! Counters of the server, in Prometheus' text format at `/metrics` and as numbers for tests and benchmarks.
//!
//! Each server has its own registry: several may run in one process.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use uhlm_law::speculative::Outcome;

/// All counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) sessions_open: IntGauge,
    pub(crate) sessions_opened: IntCounter,
    pub(crate) sessions_ended: IntCounterVec,
    pub(crate) sessions_unloaded: IntCounter,
    pub(crate) slots_used: IntGauge,
    pub(crate) cached_tokens: IntGauge,
    pub(crate) requests: IntCounterVec,
    pub(crate) requests_waiting: IntGauge,
    pub(crate) requests_abandoned: IntCounter,
    pub(crate) verdicts: IntCounterVec,
    pub(crate) judged: IntCounter,
    pub(crate) accepted: IntCounter,
    pub(crate) continued: IntCounter,
    pub(crate) passes: IntCounter,
    pub(crate) decoded: IntCounter,
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

/// The counters at one moment, for tests and benchmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sessions open now.
    pub sessions_open: u64,
    /// Sessions opened since the start.
    pub sessions_opened: u64,
    /// Sessions evicted because room was needed for new ones.
    pub sessions_evicted: u64,
    /// Sessions closed because nothing came from them for too long.
    pub sessions_expired: u64,
    /// Times a session's cache was given to another session; its tokens were kept.
    pub sessions_unloaded: u64,
    /// Engine sequences in use now.
    pub slots_used: u64,
    /// Tokens in the engine's cache now.
    pub cached_tokens: u64,
    /// Requests that wait for the scheduler or are being decoded now.
    pub requests_waiting: u64,
    /// Requests whose client went away before the answer.
    pub requests_abandoned: u64,
    /// Windows judged: accepted plus rejected.
    pub verdicts: u64,
    /// Drafted tokens judged.
    pub judged_tokens: u64,
    /// Drafted tokens accepted.
    pub accepted_tokens: u64,
    /// Tokens that the target wrote in continuations.
    pub continued_tokens: u64,
    /// Forward passes of the target.
    pub passes: u64,
    /// Tokens that went through the target.
    pub decoded_tokens: u64,
    /// Request bodies, in bytes.
    pub body_bytes_in: u64,
    /// Response bodies, in bytes.
    pub body_bytes_out: u64,
    /// Bytes read from the network, below TLS.
    pub wire_bytes_in: u64,
    /// Bytes written to the network, below TLS.
    pub wire_bytes_out: u64,
    /// Connections open now.
    pub connections: u64,
}

/// Why a session ended.
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

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Metrics {
    /// All counters at zero.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test builds them.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let metrics = Self {
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
            requests_waiting: gauge(r, "uhlm_requests_waiting", "Requests waiting or being decoded"),
            requests_abandoned: counter(
                r,
                "uhlm_requests_abandoned_total",
                "Requests whose client went away before the answer",
            ),
            verdicts: counters(r, "uhlm_verdicts_total", "Verdicts given, by outcome", &["outcome"]),
            judged: counter(r, "uhlm_judged_tokens_total", "Drafted tokens judged"),
            accepted: counter(r, "uhlm_accepted_tokens_total", "Drafted tokens accepted"),
            continued: counter(r, "uhlm_continued_tokens_total", "Tokens written in continuations"),
            passes: counter(r, "uhlm_passes_total", "Forward passes of the target"),
            decoded: counter(r, "uhlm_decoded_tokens_total", "Tokens that went through the target"),
            pass_tokens: histogram(
                r,
                "uhlm_pass_tokens",
                "Tokens in one forward pass",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0],
            ),
            pass_sessions: histogram(
                r,
                "uhlm_pass_sessions",
                "Sessions in one forward pass",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0],
            ),
            queue_seconds: histogram(r, "uhlm_queue_seconds", "From arrival until the decode began", &SECONDS),
            decode_seconds: histogram(r, "uhlm_decode_seconds", "From the decode's begin until the verdict", &SECONDS),
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
        metrics
    }

    /// Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into memory fails only for invalid metric families, which the registry does not accept.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = |gauge: &IntGauge| gauge.get().max(0) as u64;
        let ended = |reason: Ended| self.sessions_ended.with_label_values(&[reason.label()]).get();
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
            verdicts: ["accepted", "rejected"].iter().map(|o| self.verdicts.with_label_values(&[o]).get()).sum(),
            judged_tokens: self.judged.get(),
            accepted_tokens: self.accepted.get(),
            continued_tokens: self.continued.get(),
            passes: self.passes.get(),
            decoded_tokens: self.decoded.get(),
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

    /// A verdict that was judged now, not repeated.
    pub(crate) fn verdict(&self, outcome: &Outcome, judged: usize) {
        let (label, accepted) = match outcome {
            Outcome::Accepted { .. } => ("accepted", judged),
            Outcome::Rejected { .. } => ("rejected", judged.saturating_sub(1)),
            Outcome::Void => ("void", 0),
        };
        self.verdicts.with_label_values(&[label]).inc();
        self.judged.inc_by(judged as u64);
        self.accepted.inc_by(accepted as u64);
    }

    pub(crate) fn pass(&self, tokens: usize, sessions: usize) {
        self.passes.inc();
        self.decoded.inc_by(tokens as u64);
        self.pass_tokens.observe(tokens as f64);
        self.pass_sessions.observe(sessions as f64);
    }

    pub(crate) fn timing(&self, queue: Duration, decode: Duration) {
        self.queue_seconds.observe(queue.as_secs_f64());
        self.decode_seconds.observe(decode.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers a metric. Names and labels are constants of this file, so only a mistake in it can fail, and the test below
/// finds that.
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
    use super::*;

    #[test]
    fn every_metric_is_registered_once_and_rendered() {
        let metrics = Metrics::new();
        metrics.verdict(&Outcome::Void, 0);
        metrics.pass(3, 1);
        let text = String::from_utf8(metrics.render()).expect("UTF-8");
        assert!(text.contains("uhlm_passes_total 1"), "{text}");
        assert!(text.contains("uhlm_verdicts_total{outcome=\"void\"} 1"), "{text}");
        assert_eq!(metrics.snapshot().verdicts, 0, "a void window was not judged");
    }
}

//! Counters by phase, by reason and by kind of owner: what an operator looks at when something is slow or refused.
//!
//! No label holds a name, a token or an address: their values are constants of this file.

use prometheus::{CounterVec, IntCounterVec, Opts, Registry};
use uhlm_law::advance::ErrorCode;

use super::{counters, registered};
use crate::owner::Owner;

/// A limit of the server or of an owner, at which a request is refused or a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Requests a second of one client.
    Rate,
    /// Bytes of one owner's bodies under way.
    OwnerBytes,
    /// Bytes of all bodies under way.
    Bytes,
    /// Requests of one owner under way.
    OwnerQueue,
    /// All requests under way.
    Queue,
    /// Open sessions, none of which may be evicted.
    Sessions,
    /// Tokens in the engine's cache.
    Cache,
    /// Time that a pass waits for its decode.
    QueueWait,
    /// Connections of one address that have not shown yet that they may ask.
    Strangers,
}

impl Limit {
    const ALL: [Self; 9] = [
        Self::Rate,
        Self::OwnerBytes,
        Self::Bytes,
        Self::OwnerQueue,
        Self::Queue,
        Self::Sessions,
        Self::Cache,
        Self::QueueWait,
        Self::Strangers,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::OwnerBytes => "owner_bytes",
            Self::Bytes => "bytes",
            Self::OwnerQueue => "owner_queue",
            Self::Queue => "queue",
            Self::Sessions => "sessions",
            Self::Cache => "cache",
            Self::QueueWait => "queue_wait",
            Self::Strangers => "strangers",
        }
    }
}

/// Phases of a verdict.
const PHASES: [&str; 4] = ["queue", "prefill", "verify", "scoring"];

/// Kinds of owners.
const CLASSES: [&str; 4] = ["token", "device", "address", "unknown"];

/// Returns the kind of an owner; `unknown` is whoever was not let in.
fn class(owner: Option<Owner>) -> &'static str {
    owner.map_or("unknown", Owner::class)
}

fn code_label(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Malformed => "malformed",
        ErrorCode::Unauthorized => "unauthorized",
        ErrorCode::Desync => "desync",
        ErrorCode::Gone => "gone",
        ErrorCode::TooLarge => "too_large",
        ErrorCode::Unsupported => "unsupported",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::Internal => "internal",
        ErrorCode::Unavailable => "unavailable",
    }
}

/// Counters by phase, by reason and by kind of owner.
#[derive(Debug)]
pub(crate) struct Breakdown {
    phases: CounterVec,
    refusals: IntCounterVec,
    failures: IntCounterVec,
    limits: IntCounterVec,
    requests: IntCounterVec,
    tokens: IntCounterVec,
}

impl Breakdown {
    pub(super) fn new(r: &Registry) -> Self {
        let phases = Opts::new(
            "uhlm_phase_seconds_total",
            "Seconds of sessions in the queue, and of the engine at prefill, at verifying and at scoring",
        );
        let breakdown = Self {
            phases: registered(r, CounterVec::new(phases, &["phase"])),
            refusals: counters(r, "uhlm_refusals_total", "Requests refused, by code and owner", &["code", "owner"]),
            failures: counters(
                r,
                "uhlm_failures_total",
                "Answers that ended with an error after they had begun, by code",
                &["code"],
            ),
            limits: counters(r, "uhlm_limits_reached_total", "Times that a limit was reached", &["limit"]),
            requests: counters(r, "uhlm_owner_requests_total", "Requests let in, by kind of owner", &["owner"]),
            tokens: counters(
                r,
                "uhlm_owner_decoded_tokens_total",
                "Tokens that went through the target, by kind of owner",
                &["owner"],
            ),
        };
        // What an alert is on has to be there before it happens.
        for phase in PHASES {
            breakdown.phases.with_label_values(&[phase]);
        }
        breakdown.failures.with_label_values(&[code_label(ErrorCode::Internal)]);
        for owner in CLASSES {
            breakdown.refusals.with_label_values(&[code_label(ErrorCode::Internal), owner]);
        }
        for limit in Limit::ALL {
            breakdown.limits.with_label_values(&[limit.label()]);
        }
        breakdown
    }

    /// Counts the time that a session's pass has waited.
    pub(super) fn waited(&self, seconds: f64) {
        self.phases.with_label_values(&["queue"]).inc_by(seconds);
    }

    /// Counts the time of a pass of the engine. The decode is divided by the tokens: those without a row are given
    /// ones, which belong to the prefill.
    pub(crate) fn pass(&self, tokens: usize, given: usize, decode: f64, scoring: f64) {
        let prefill = decode * given as f64 / tokens.max(1) as f64;
        let [_, reading, verifying, rows] = PHASES;
        for (phase, seconds) in [(reading, prefill), (verifying, decode - prefill), (rows, scoring)] {
            self.phases.with_label_values(&[phase]).inc_by(seconds.max(0.0));
        }
    }

    /// Counts a request that was let in.
    pub(crate) fn admitted(&self, owner: Owner) {
        self.requests.with_label_values(&[owner.class()]).inc();
    }

    /// Counts a refusal of the protocol.
    pub(crate) fn refused(&self, code: ErrorCode, owner: Option<Owner>) {
        self.refusals.with_label_values(&[code_label(code), class(owner)]).inc();
    }

    /// Counts an answer that ended with an error after it had begun.
    pub(super) fn failed(&self, code: ErrorCode) {
        self.failures.with_label_values(&[code_label(code)]).inc();
    }

    /// Counts a limit that was reached.
    pub(crate) fn reached(&self, limit: Limit) {
        self.limits.with_label_values(&[limit.label()]).inc();
    }

    /// Counts tokens that went through the target for an owner.
    pub(crate) fn decoded(&self, owner: Owner, tokens: usize) {
        self.tokens.with_label_values(&[owner.class()]).inc_by(tokens as u64);
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::advance::{ErrorBody, Frame};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn phases_are_told_apart_and_labels_name_nobody() {
        let metrics = Metrics::new();
        let by = &metrics.by;
        by.waited(0.5);
        by.pass(10, 4, 1.0, 0.25);
        by.admitted(Owner::of_device([7; 32], b"phone"));
        by.decoded(Owner::of_token([7; 32]), 10);
        by.refused(ErrorCode::RateLimited, None);
        by.reached(Limit::OwnerQueue);
        metrics.frame(&Frame::Failed(ErrorBody::new(ErrorCode::Unavailable, "later")));
        let text = String::from_utf8(metrics.render()).expect("UTF-8");
        for line in [
            "uhlm_phase_seconds_total{phase=\"queue\"} 0.5",
            "uhlm_phase_seconds_total{phase=\"prefill\"} 0.4",
            "uhlm_phase_seconds_total{phase=\"verify\"} 0.6",
            "uhlm_phase_seconds_total{phase=\"scoring\"} 0.25",
            "uhlm_owner_requests_total{owner=\"device\"} 1",
            "uhlm_owner_decoded_tokens_total{owner=\"token\"} 10",
            "uhlm_refusals_total{code=\"rate_limited\",owner=\"unknown\"} 1",
            "uhlm_limits_reached_total{limit=\"owner_queue\"} 1",
            "uhlm_limits_reached_total{limit=\"sessions\"} 0",
            "uhlm_failures_total{code=\"unavailable\"} 1",
            "uhlm_failures_total{code=\"internal\"} 0",
            "uhlm_refusals_total{code=\"internal\",owner=\"token\"} 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn every_kind_of_owner_has_a_label() {
        let address = Owner::of_address("192.0.2.1".parse().expect("an address"));
        let owners = [Some(Owner::of_token([1; 32])), Some(Owner::of_device([1; 32], b"x")), Some(address), None];
        assert_eq!(owners.map(class), CLASSES);
    }
}

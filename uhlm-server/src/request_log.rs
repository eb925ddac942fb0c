//! The log line of a request: what was asked for, how it was answered, and to which trace it belongs.
//!
//! Decides what a line holds: no text, no tokens, no names of owners or sessions. A request whose trace is kept is
//! logged as information, every other one for whoever looks closer.

use std::time::Instant;

use http::{HeaderMap, StatusCode};

use crate::owner::Owner;
use crate::trace_context::TraceContext;

/// The line of one request, until it is written.
pub(crate) struct Line {
    route: &'static str,
    began: Instant,
    trace: Option<TraceContext>,
    /// The owner that asks, once it is let in.
    pub(crate) owner: Option<Owner>,
}

impl Line {
    pub(crate) fn new(route: &'static str, headers: &HeaderMap) -> Self {
        Self { route, began: Instant::now(), trace: TraceContext::of(headers), owner: None }
    }

    /// Writes the line, when the answer begins. The time is that to its first byte: an answer that is a stream goes on.
    pub(crate) fn write(self, status: StatusCode) {
        let Self { route, began, trace, owner } = self;
        let ms = began.elapsed().as_micros() as f64 / 1e3;
        let (status, owner) = (status.as_u16(), owner.map_or("unknown", Owner::class));
        match trace {
            Some(TraceContext { trace, parent, is_sampled: true }) => {
                tracing::info!(route, status, ms, owner, trace_id = trace, parent_id = parent, "request");
            }
            Some(TraceContext { trace, parent, is_sampled: false }) => {
                tracing::debug!(route, status, ms, owner, trace_id = trace, parent_id = parent, "request");
            }
            None => tracing::debug!(route, status, ms, owner, "request"),
        }
    }
}

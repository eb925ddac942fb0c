//! What `/metrics` shows of the engines.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};

use super::Engines;

/// The counters of engines, read when they are asked for.
pub(crate) struct EngineCounters {
    engines: Arc<Engines>,
    up: IntGaugeVec,
    load: IntGaugeVec,
    requests: IntGaugeVec,
    failures: IntGaugeVec,
    repeated: IntGaugeVec,
}

impl EngineCounters {
    /// Makes the counters.
    ///
    /// # Errors
    /// None in practice: names and labels are constants, and a test of the gateway renders them.
    pub(crate) fn new(engines: Arc<Engines>) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let about = format!("Whether an engine is asked now ({})", engines.describe());
        Ok(Self {
            engines,
            up: gauges("uhlm_upstream_up", &about, "engine")?,
            load: gauges("uhlm_upstream_requests_under_way", "Questions for rows under way", "engine")?,
            requests: gauges("uhlm_upstream_requests_total", "Questions for rows", "engine")?,
            failures: gauges("uhlm_upstream_failures_total", "Questions that brought no rows", "engine")?,
            repeated: gauges("uhlm_upstream_repeated_total", "Questions asked twice, by reason", "reason")?,
        })
    }

    fn all(&self) -> [&IntGaugeVec; 5] {
        [&self.up, &self.load, &self.requests, &self.failures, &self.repeated]
    }
}

impl Collector for EngineCounters {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let small = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for seen in self.engines.seen() {
            let name = seen.url.as_str();
            self.up.with_label_values(&[name]).set(i64::from(seen.is_up));
            self.load.with_label_values(&[name]).set(small(seen.under_way as u64));
            self.requests.with_label_values(&[name]).set(small(seen.requests));
            self.failures.with_label_values(&[name]).set(small(seen.failures));
        }
        let (failed, late) = self.engines.asked_twice();
        self.repeated.with_label_values(&["failed"]).set(small(failed));
        self.repeated.with_label_values(&["late"]).set(small(late));
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

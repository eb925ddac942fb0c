//! The server's own counters, as `/metrics` shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use uhlm_net::client_config;

use crate::place::Place;

/// Longest time that the counters may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counters at one moment, by name with labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counters(BTreeMap<String, f64>);

impl Counters {
    /// Fetches the counters; `None` where the server does not show them.
    pub(crate) async fn fetch(place: &Place) -> Option<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&place.trust, false).ok()?)
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .ok()?;
        let url = format!("{}/metrics", place.url.trim_end_matches('/'));
        let mut request = client.get(url);
        if let Some(token) = place.owner(0) {
            request = request.header(AUTHORIZATION, token.header());
        }
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        Some(Self::read(&answer.text().await.ok()?))
    }

    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // A label may hold spaces, a number does not.
        let entry = |line: &str| {
            let (name, value) = line.trim().rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(entry).collect())
    }

    /// Returns by how much a counter has grown since `before`; 0 for one that is not there.
    pub(crate) fn grown(&self, before: &Self, name: &str) -> f64 {
        let of = |counters: &Self| counters.0.get(name).copied().unwrap_or(0.0);
        (of(self) - of(before)).max(0.0)
    }

    /// Returns by how much the counters of a family have grown since `before`, each by the value of a label.
    pub(crate) fn grown_by(&self, before: &Self, family: &str, label: &str) -> BTreeMap<String, f64> {
        let mut by: BTreeMap<String, f64> = BTreeMap::new();
        let start = format!("{family}{{");
        for name in self.0.keys().filter(|name| name.starts_with(&start)) {
            let marker = format!("{label}=\"");
            let Some(at) = name.find(&marker) else { continue };
            let value = name[at + marker.len()..].split('"').next().unwrap_or_default();
            *by.entry(value.to_owned()).or_default() += self.grown(before, name);
        }
        by
    }

    /// Returns a gauge; `None` for one that is not there.
    pub(crate) fn now(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart_by_their_labels() {
        let before = Counters::read("# HELP a b\nuhlm_passes_total 3\nr{route=\"open\",status=\"200\"} 1\n");
        let after = Counters::read(
            "uhlm_passes_total 10\nr{route=\"open\",status=\"200\"} 4\nr{route=\"info\",status=\"200\"} 2\nother x\n",
        );
        assert_eq!(after.grown(&before, "uhlm_passes_total"), 7.0);
        assert_eq!(after.grown(&before, "uhlm_nothing_total"), 0.0);
        let by = after.grown_by(&before, "r", "route");
        assert_eq!(by.into_iter().collect::<Vec<_>>(), [("info".to_owned(), 2.0), ("open".to_owned(), 3.0)]);
        assert_eq!(after.now("uhlm_passes_total"), Some(10.0));
    }
}

//! Collects the results of checks, and shows them as they come.

use serde::Serialize;

use crate::failure::Failure;
use crate::output;
use crate::terminal::style::{Style, paint};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The results of all checks.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    healthy: bool,
    checks: Vec<Check>,
    #[serde(skip)]
    spoken: bool,
}

impl Report {
    /// Makes an empty report. A `spoken` report prints each check at once.
    pub(super) fn new(spoken: bool) -> Self {
        Self { healthy: true, checks: Vec::new(), spoken }
    }

    pub(super) fn good(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(Check { name, status: Status::Ok, detail: detail.into(), hint: None });
    }

    pub(super) fn warning(&mut self, name: &'static str, detail: impl Into<String>, hint: &str) {
        self.add(Check { name, status: Status::Warning, detail: detail.into(), hint: Some(hint.into()) });
    }

    pub(super) fn skipped(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(Check { name, status: Status::Skipped, detail: detail.into(), hint: None });
    }

    pub(super) fn failed(&mut self, name: &'static str, failure: impl Into<Failure>) {
        let failure = failure.into();
        let hint = failure.hint_text().map(str::to_owned);
        self.add(Check { name, status: Status::Failed, detail: failure.text().to_owned(), hint });
    }

    fn add(&mut self, check: Check) {
        self.healthy &= check.status != Status::Failed;
        if self.spoken {
            let (style, word) = match check.status {
                Status::Ok => (Style::Good, "ok"),
                Status::Warning => (Style::Warning, "warning"),
                Status::Failed => (Style::Bad, "failed"),
                Status::Skipped => (Style::Dim, "skipped"),
            };
            output::line(format_args!("{} {:<14} {}", paint(style, &format!("{word:<8}")), check.name, check.detail));
            if let Some(hint) = &check.hint {
                output::line(format_args!("{:23} {} {hint}", "", paint(Style::Heading, "->")));
            }
        }
        self.checks.push(check);
    }

    /// Returns a failure if any check failed; it has been printed already.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        if self.healthy { Ok(()) } else { Err(Failure::reported()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_make_the_report_fail() {
        let mut report = Report::new(false);
        report.good("a", "fine");
        report.warning("b", "so so", "do this");
        report.skipped("c", "not asked for");
        assert!(report.outcome().is_ok());
        report.failed("d", Failure::new("broken").hint("mend it"));
        report.good("e", "fine");
        assert!(report.outcome().is_err());
        let json = serde_json::to_value(&report).expect("plain data");
        assert_eq!(json["healthy"], false);
        assert_eq!(json["checks"][3]["hint"], "mend it");
    }
}
